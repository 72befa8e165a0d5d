// SPDX-License-Identifier: Apache-2.0
#include "RelevancyLayers.h"

#include "Models/Trace/Error.h"

#include <cmath>

namespace lvlm::llava
{

at::Tensor activationSlope(checkpoint::Activation activation, const at::Tensor& x)
{
  const auto sigmoidSlope = [&x](double factor) // of x * sigmoid(factor x)
  {
    const at::Tensor s = at::sigmoid(factor * x);
    return s + factor * x * s * (1 - s);
  };
  switch (activation)
  {
    case checkpoint::Activation::Gelu:
      return at::gelu_backward(at::ones_like(x), x);
    case checkpoint::Activation::GeluTanh:
      return at::gelu_backward(at::ones_like(x), x, "tanh");
    case checkpoint::Activation::QuickGelu:
      return sigmoidSlope(1.702);
    case checkpoint::Activation::Silu:
      return sigmoidSlope(1);
    case checkpoint::Activation::Relu:
      return (x > 0).to(x.scalar_type());
  }
  fail("an activation function without a derivative");
}

at::ScalarType gradientType(at::ScalarType computeType)
{
  return computeType == at::kDouble ? at::kDouble : at::kFloat;
}

LinearGradient::LinearGradient(const Linear& linear, Workspace& workspace)
  : Source(&linear), Buffers(&workspace)
{
}

at::Tensor LinearGradient::forward(const Activations& x) const
{
  return apply(*this->Source, x, *this->Buffers);
}

at::Tensor LinearGradient::back(const at::Tensor& gradient) const
{
  return applyTransposed(*this->Source, gradient, *this->Buffers);
}

NormGradient NormGradient::rms(const at::Tensor& x, const at::Tensor& weight, double eps)
{
  NormGradient norm;
  norm.Weight = weight.to(x.scalar_type());
  norm.Scale = at::rsqrt(x.square().mean(-1, /*keepdim=*/true) + eps);
  norm.Normalized = x * norm.Scale;
  norm.Output = norm.Normalized * norm.Weight;
  return norm;
}

NormGradient NormGradient::layer(
  const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, double eps)
{
  NormGradient norm;
  norm.Centered = true;
  norm.Weight = weight.to(x.scalar_type());
  const at::Tensor centered = x - x.mean(-1, /*keepdim=*/true);
  norm.Scale = at::rsqrt(centered.square().mean(-1, /*keepdim=*/true) + eps);
  norm.Normalized = centered * norm.Scale;
  norm.Output = norm.Normalized * norm.Weight + bias.to(x.scalar_type());
  return norm;
}

at::Tensor NormGradient::back(const at::Tensor& gradient, std::int64_t first) const
{
  const at::Tensor n = this->Normalized.narrow(0, first, gradient.size(0)); // [n', D]
  at::Tensor dn = gradient * this->Weight;                                  // [n', D]
  const at::Tensor along = (dn * n).mean(-1, /*keepdim=*/true);             // [n', 1]
  if (this->Centered)
  {
    dn.sub_(dn.mean(-1, /*keepdim=*/true));
  }
  dn.addcmul_(n, along, -1);
  return dn.mul_(this->Scale.narrow(0, first, gradient.size(0)));
}

namespace
{
at::Tensor mergeHeads(const at::Tensor& x) // [heads, n, d] -> [n, heads * d]
{
  return x.transpose(0, 1).reshape({ x.size(1), x.size(0) * x.size(2) });
}

/// a with b added to the rows from `first` on; rows before `a` starts at `begin` count as 0.
at::Tensor sumOfRows(
  const at::Tensor& a, std::int64_t begin, const at::Tensor& b, std::int64_t first)
{
  a.narrow(0, first - begin, b.size(0)).add_(b);
  return a;
}
}

DecoderLayerGradient::DecoderLayerGradient(
  const DecoderLayer& layer, const at::Tensor& hidden, Workspace& workspace)
  : KeyValueHeads(layer.Config.keyValueHeads), HeadSize(layer.Config.headSize),
    NormEps(layer.Config.rmsNormEps), ResidualScale(layer.Config.residualScale)
{
  const checkpoint::TextConfig& config = layer.Config;
  const auto linear = [&](const Linear& l) { return LinearGradient(l, workspace); };
  this->InputNorm = NormGradient::rms(hidden, layer.InputNorm, config.rmsNormEps);
  this->Query = linear(layer.Query);
  this->Key = linear(layer.Key);
  this->Value = linear(layer.Value);
  this->Out = linear(layer.Out);
  const Rope rope = ropeAngles(config, 0, hidden.size(0), hidden);
  this->InverseRope = { rope.cos, rope.sin.neg() }; // a rotation's transpose turns the other way
  const Activations x = this->InputNorm.output();   // [S, D]
  AttentionMask mask;
  mask.causal = true;
  mask.window = config.slidingWindow;
  this->Attention.emplace(this->heads(this->Query, layer.QueryNorm, this->QueryNorm, x, rope),
    this->heads(this->Key, layer.KeyNorm, this->KeyNorm, x, rope),
    splitHeads(this->Value.forward(x), this->KeyValueHeads), config.attentionScale, mask,
    workspace.pool);
  const at::Tensor middle =
    hidden + scaled(this->Out.forward(this->Attention->output()), this->ResidualScale); // [S, D]
  this->Output = middle + scaled(this->feedForward(layer, middle, workspace), this->ResidualScale);
}

/// Queries or keys of x [S, D]: [heads, S, d]. Keeps the norm, where there is one.
at::Tensor DecoderLayerGradient::heads(const LinearGradient& map, const at::Tensor& weight,
  std::optional<NormGradient>& norm, const Activations& x, const Rope& rope) const
{
  at::Tensor all = map.forward(x); // [S, heads * d]
  const std::int64_t count = all.size(1) / this->HeadSize;
  if (weight.defined())
  {
    norm = NormGradient::rms(headRows(all, this->HeadSize), weight, this->NormEps);
    all = joinedHeads(norm->output().clone(), count); // turned in place
  }
  return turnedHeads(all, count, rope);
}

/// Gradient of heads() for positions from `first` on, [heads, m, d] -> [m, D].
at::Tensor DecoderLayerGradient::headsBack(const LinearGradient& map,
  const std::optional<NormGradient>& norm, const at::Tensor& gradient, std::int64_t first) const
{
  const std::int64_t m = gradient.size(1), count = gradient.size(0);
  const Rope rope{ this->InverseRope.cos.narrow(0, first, m),
    this->InverseRope.sin.narrow(0, first, m) };
  at::Tensor all = mergeHeads(applyRope(gradient, rope)); // [m, heads * d]
  if (norm)
  {
    all = joinedHeads(norm->back(headRows(all, this->HeadSize), first * count), count);
  }
  return map.back(all);
}

at::Tensor DecoderLayerGradient::feedForward(
  const DecoderLayer& layer, const at::Tensor& middle, Workspace& workspace)
{
  const checkpoint::TextConfig& config = layer.Config;
  this->PostNorm = NormGradient::rms(middle, layer.PostNorm, config.rmsNormEps);
  this->Gate = LinearGradient(layer.Gate, workspace);
  this->Up = LinearGradient(layer.Up, workspace);
  this->Down = LinearGradient(layer.Down, workspace);
  const Activations x = this->PostNorm.output();
  const at::Tensor gate = this->Gate.forward(x); // [S, I]
  const at::Tensor up = this->Up.forward(x);     // [S, I]
  this->GateSlope = activationSlope(config.activation, gate).mul_(up);
  this->Activated = activate(config.activation, gate); // overwrites gate
  return this->Down.forward(this->Activated * up);     // [S, D]
}

at::Tensor DecoderLayerGradient::back(
  const at::Tensor& gradient, const GradientRows& rows, const GradientTaps& taps) const
{
  const std::int64_t n = gradient.size(0);
  const double scale = this->ResidualScale;
  const at::Tensor dWide = this->Down.back(scaled(gradient, scale));                      // [n, I]
  at::Tensor dMiddle = this->Gate.back(dWide * this->GateSlope.narrow(0, rows.first, n)); // [n, D]
  dMiddle.add_(this->Up.back(dWide * this->Activated.narrow(0, rows.first, n)));
  dMiddle = this->PostNorm.back(dMiddle, rows.first).add_(gradient);
  const at::Tensor dOut = this->Out.back(scaled(dMiddle, scale));
  const BlockedAttention::Gradient inner = this->Attention->back(dOut, rows, taps);
  const std::int64_t results = rows.first + n - rows.result;
  if (results == 0)
  {
    return at::empty({ 0, gradient.size(1) }, gradient.options());
  }
  at::Tensor dX = this->headsBack(this->Key, this->KeyNorm, inner.k, rows.result); // [results, D]
  dX.add_(this->Value.back(mergeHeads(inner.v)));
  const at::Tensor dQuery = this->headsBack(this->Query, this->QueryNorm, inner.q, rows.first);
  sumOfRows(dX, rows.result, dQuery, rows.first);
  return sumOfRows(this->InputNorm.back(dX, rows.result), rows.result, dMiddle, rows.first);
}

VisionLayerGradient::VisionLayerGradient(
  const VisionLayer& layer, const at::Tensor& hidden, Workspace& workspace)
  : Heads(layer.Config.heads)
{
  const checkpoint::VisionConfig& config = layer.Config;
  const auto linear = [&](const Linear& l) { return LinearGradient(l, workspace); };
  this->Query = linear(layer.Query);
  this->Key = linear(layer.Key);
  this->Value = linear(layer.Value);
  this->Out = linear(layer.Out);
  this->Fc1 = linear(layer.Fc1);
  this->Fc2 = linear(layer.Fc2);
  this->Norm1 =
    NormGradient::layer(hidden, layer.Norm1Weight, layer.Norm1Bias, config.layerNormEps);
  const Activations x = this->Norm1.output(); // [N, D]
  this->Attention.emplace(splitHeads(this->Query.forward(x), this->Heads),
    splitHeads(this->Key.forward(x), this->Heads), splitHeads(this->Value.forward(x), this->Heads),
    1.0 / std::sqrt(static_cast<double>(config.headSize())), AttentionMask(), workspace.pool);
  const at::Tensor middle = hidden + this->Out.forward(this->Attention->output()); // [N, D]
  this->Norm2 =
    NormGradient::layer(middle, layer.Norm2Weight, layer.Norm2Bias, config.layerNormEps);
  const at::Tensor wide = this->Fc1.forward(this->Norm2.output()); // [N, I]
  this->Slope = activationSlope(config.activation, wide);
  this->Output = middle + this->Fc2.forward(activate(config.activation, wide));
}

at::Tensor VisionLayerGradient::back(const at::Tensor& gradient, const GradientTaps& taps) const
{
  const at::Tensor dWide = this->Fc2.back(gradient).mul_(this->Slope); // [N, I]
  const at::Tensor dMiddle = this->Norm2.back(this->Fc1.back(dWide), 0).add_(gradient);
  const BlockedAttention::Gradient inner =
    this->Attention->back(this->Out.back(dMiddle), GradientRows(), taps);
  at::Tensor dX = this->Query.back(mergeHeads(inner.q)); // [N, D]
  dX.add_(this->Key.back(mergeHeads(inner.k))).add_(this->Value.back(mergeHeads(inner.v)));
  return this->Norm1.back(dX, 0).add_(dMiddle);
}

ProjectorGradient::ProjectorGradient(
  const VisionTower& tower, const at::Tensor& features, Workspace& workspace)
  : Linear1(LinearGradient(tower.Projector1, workspace)),
    Linear2(LinearGradient(tower.Projector2, workspace)),
    DropsClassToken(tower.Config.dropClassToken), Scale(tower.Config.text.featureScale)
{
  const std::int64_t skipped = this->DropsClassToken ? 1 : 0;
  at::Tensor read = features.narrow(0, skipped, features.size(0) - skipped); // [patches, F]
  if (tower.Config.projectorNorm)
  {
    this->Norm = NormGradient::layer(
      read, tower.ProjectorNormWeight, tower.ProjectorNormBias, tower.Config.projectorNormEps);
    read = this->Norm->output();
  }
  const at::Tensor wide = this->Linear1.forward(read); // [patches, Dt]
  this->Slope = activationSlope(tower.Config.projectorActivation, wide);
  this->Output =
    scaled(this->Linear2.forward(activate(tower.Config.projectorActivation, wide)), this->Scale);
}

at::Tensor ProjectorGradient::back(const at::Tensor& gradient) const
{
  at::Tensor dFeatures = this->Linear1.back(
    this->Linear2.back(scaled(gradient, this->Scale)).mul_(this->Slope)); // [patches, F]
  if (this->Norm)
  {
    dFeatures = this->Norm->back(dFeatures, 0);
  }
  return this->DropsClassToken ? at::constant_pad_nd(dFeatures, { 0, 0, 1, 0 }) : dFeatures;
}

LogitGradient::LogitGradient(const Decoder& decoder, const at::Tensor& hidden, Workspace& workspace)
  : Source(decoder), Hidden(hidden), Buffers(workspace)
{
}

double LogitGradient::logprob(std::int64_t row, std::int64_t token) const
{
  // One row at a time reads the stored matrix as it is; more would widen all of it.
  const at::Tensor logits =
    this->Source.logits(this->Hidden.narrow(0, row, 1), this->Buffers).to(at::kDouble); // [1, V]
  return at::log_softmax(logits, 1)[0][token].item<double>();
}

NormGradient LogitGradient::normAt(std::int64_t row) const
{
  return NormGradient::rms(
    this->Hidden.narrow(0, row, 1), this->Source.FinalNorm, this->Source.Config.rmsNormEps);
}

at::Tensor LogitGradient::back(std::int64_t row, std::int64_t token) const
{
  const at::Tensor direction = this->Source.Head.weight.narrow(0, token, 1)
                                 .to(this->Hidden.device(), this->Hidden.scalar_type()); // [1, D]
  return this->normAt(row).back(direction, 0);
}

at::Tensor LogitGradient::logprobBack(std::int64_t row, std::int64_t token) const
{
  const at::Tensor logits =
    this->Source.logits(this->Hidden.narrow(0, row, 1), this->Buffers).to(at::kDouble);
  at::Tensor direction = at::softmax(logits, 1).neg_(); // [1, V]
  // 1 - p as the sum of the others: of a token that is nearly certain nothing is left otherwise.
  direction.select(1, token).zero_();
  direction.select(1, token).sub_(direction.sum());
  return this->normAt(row).back(
    applyTransposed(this->Source.Head, direction.to(this->Hidden.scalar_type()), this->Buffers), 0);
}

} // namespace lvlm::llava
