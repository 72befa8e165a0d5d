// SPDX-License-Identifier: Apache-2.0
#include "VisionTower.h"

#include <algorithm>
#include <cmath>

namespace lvlm::llava
{

VisionLayer::VisionLayer(
  const checkpoint::VisionConfig& config, const WeightStore& weights, std::int64_t index)
  : Config(config)
{
  const std::int64_t D = config.hidden;
  const std::string layer = "vision.encoder.layers." + std::to_string(index) + ".";
  const auto linear = [&](const std::string& name, std::int64_t out, std::int64_t in)
  { return weights.linear(layer + name, "vision." + name, out, in, true); };
  this->Norm1Weight = weights.small(layer + "layer_norm1.weight", { D });
  this->Norm1Bias = weights.small(layer + "layer_norm1.bias", { D });
  this->Norm2Weight = weights.small(layer + "layer_norm2.weight", { D });
  this->Norm2Bias = weights.small(layer + "layer_norm2.bias", { D });
  this->Query = linear("self_attn.q_proj", D, D);
  this->Key = linear("self_attn.k_proj", D, D);
  this->Value = linear("self_attn.v_proj", D, D);
  this->Out = linear("self_attn.out_proj", D, D);
  this->Fc1 = linear("mlp.fc1", config.intermediate, D);
  this->Fc2 = linear("mlp.fc2", D, config.intermediate);
}

at::Tensor VisionLayer::forward(
  const at::Tensor& hidden, Workspace& workspace, const AttentionTap& tap) const
{
  const checkpoint::VisionConfig& config = this->Config;
  const Activations x =
    layerNorm(hidden, this->Norm1Weight, this->Norm1Bias, config.layerNormEps); // [N, D]
  const double scale = 1.0 / std::sqrt(static_cast<double>(config.headSize()));
  const at::Tensor q = splitHeads(apply(this->Query, x, workspace), config.heads); // [Hv, N, d]
  const at::Tensor k = splitHeads(apply(this->Key, x, workspace), config.heads);   // [Hv, N, d]
  const at::Tensor v = splitHeads(apply(this->Value, x, workspace), config.heads); // [Hv, N, d]
  const at::Tensor mixed = attend(q, k, v, scale, AttentionMask(), tap, workspace.pool); // [N, D]
  const at::Tensor middle = apply(this->Out, mixed, workspace).add_(hidden);             // [N, D]
  const at::Tensor y = layerNorm(middle, this->Norm2Weight, this->Norm2Bias, config.layerNormEps);
  const at::Tensor wide = activate(config.activation, apply(this->Fc1, y, workspace)); // [N, I]
  return apply(this->Fc2, wide, workspace).add_(middle);
}

VisionTower::VisionTower(
  const checkpoint::LlavaConfig& config, const WeightStore& weights, bool withWeights)
  : Config(config)
{
  if (!withWeights)
  {
    return;
  }
  const checkpoint::VisionConfig& vision = config.vision;
  const std::int64_t D = vision.hidden;
  const std::string embeddings = "vision.embeddings.";
  // A convolution whose stride is its kernel is a linear map of each patch.
  this->PatchEmbedding = weights.linearOf("patch_embedding",
    weights
      .small(embeddings + "patch_embedding.weight", { D, 3, vision.patchSize, vision.patchSize })
      .reshape({ D, -1 })); // [D, 3 p p]
  if (vision.patchBias)
  {
    this->PatchEmbedding.bias = weights.small(embeddings + "patch_embedding.bias", { D });
  }
  if (vision.classToken)
  {
    this->ClassEmbedding = weights.small(embeddings + "class_embedding", { D });
  }
  this->PositionEmbedding =
    weights.small(embeddings + "position_embedding.weight", { vision.tokens(), D });
  if (vision.preNorm)
  {
    this->PreNormWeight = weights.small("vision.pre_layrnorm.weight", { D });
    this->PreNormBias = weights.small("vision.pre_layrnorm.bias", { D });
  }
  for (std::int64_t i = 0; i < config.visionLayersUsed; ++i)
  {
    this->Layers.emplace_back(vision, weights, i);
  }
  const auto projector = [&](const std::string& name, std::int64_t in)
  { return weights.linear(name, name, config.text.hidden, in, config.projectorBias); };
  if (config.projectorNorm)
  {
    const std::string norm = "projector.projector_layernorm.";
    this->ProjectorNormWeight = weights.small(norm + "weight", { config.featureWidth() });
    this->ProjectorNormBias = weights.small(norm + "bias", { config.featureWidth() });
  }
  this->Projector1 = projector("projector.linear_1", config.featureWidth());
  this->Projector2 = projector("projector.linear_2", config.text.hidden);
  if (config.readsTiles())
  {
    this->Newline = scaled(weights.small("image_newline", { config.text.hidden }).unsqueeze(0),
      config.text.featureScale);
  }
}

at::Tensor VisionTower::embed(const at::Tensor& pixels, Workspace& workspace) const
{
  const checkpoint::VisionConfig& vision = this->Config.vision;
  const std::int64_t g = vision.gridEdge(), p = vision.patchSize;
  const at::Tensor patches = pixels.reshape({ 3, g, p, g, p })
                               .permute({ 1, 3, 0, 2, 4 }) // [g, g, 3, p, p]
                               .reshape({ g * g, 3 * p * p });
  at::Tensor tokens = apply(this->PatchEmbedding, patches, workspace); // [g g, D]
  if (vision.classToken)
  {
    tokens = at::cat({ this->ClassEmbedding.unsqueeze(0), tokens }, 0); // [N, D]
  }
  const at::Tensor placed = tokens + this->PositionEmbedding;
  return vision.preNorm
    ? layerNorm(placed, this->PreNormWeight, this->PreNormBias, vision.layerNormEps)
    : placed;
}

bool VisionTower::reads(std::int64_t state) const
{
  const std::vector<std::int64_t>& read = this->Config.featureLayers;
  return std::find(read.begin(), read.end(), state) != read.end();
}

at::Tensor VisionTower::features(const std::vector<at::Tensor>& states) const
{
  std::vector<at::Tensor> parts;
  for (const std::int64_t state : this->Config.featureLayers)
  {
    parts.push_back(states.at(static_cast<std::size_t>(state)));
  }
  return parts.size() == 1 ? parts[0] : at::cat(parts, 1);
}

at::Tensor VisionTower::featureGradient(const at::Tensor& gradient, std::int64_t state) const
{
  const std::int64_t D = this->Config.vision.hidden;
  at::Tensor sum; // a layer may be named twice
  for (std::size_t i = 0; i < this->Config.featureLayers.size(); ++i)
  {
    if (this->Config.featureLayers[i] == state)
    {
      const at::Tensor part = gradient.narrow(1, static_cast<std::int64_t>(i) * D, D);
      sum = sum.defined() ? sum + part : part.contiguous();
    }
  }
  return sum;
}

at::Tensor VisionTower::project(const at::Tensor& features, Workspace& workspace) const
{
  const std::int64_t first = this->Config.dropClassToken ? 1 : 0;
  at::Tensor read = features.narrow(0, first, features.size(0) - first); // [patches, F]
  if (this->Config.projectorNorm)
  {
    read = layerNorm(
      read, this->ProjectorNormWeight, this->ProjectorNormBias, this->Config.projectorNormEps);
  }
  const at::Tensor wide =
    activate(this->Config.projectorActivation, apply(this->Projector1, read, workspace));
  return scaled(apply(this->Projector2, wide, workspace), this->Config.text.featureScale);
}

at::Tensor VisionTower::forward(const at::Tensor& pixels, Workspace& workspace, const LayerTap& tap,
  const Progress& progress) const
{
  at::Tensor hidden = this->embed(pixels, workspace); // [N, D]
  std::vector<at::Tensor> states(static_cast<std::size_t>(this->layers()) + 1);
  const auto keep = [&](std::int64_t state)
  { states[static_cast<std::size_t>(state)] = this->reads(state) ? hidden : at::Tensor(); };
  keep(0);
  for (std::int64_t i = 0; i < this->layers(); ++i)
  {
    report(progress, static_cast<double>(i) / static_cast<double>(this->layers()),
      "Vision layer " + std::to_string(i + 1) + " of " + std::to_string(this->layers()));
    const AttentionTap layerTap = tap
      ? AttentionTap([&](std::int64_t row, const at::Tensor& a) { return tap(i, row, a); })
      : AttentionTap();
    hidden = this->Layers[static_cast<std::size_t>(i)].forward(hidden, workspace, layerTap);
    keep(i + 1);
  }
  return this->project(this->features(states), workspace);
}

} // namespace lvlm::llava
