// SPDX-License-Identifier: Apache-2.0
#include "VisionTower.h"

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
  const at::Tensor x =
    layerNorm(hidden, this->Norm1Weight, this->Norm1Bias, config.layerNormEps); // [N, D]
  const double scale = 1.0 / std::sqrt(static_cast<double>(config.headSize()));
  const at::Tensor q = splitHeads(apply(this->Query, x, workspace), config.heads); // [Hv, N, d]
  const at::Tensor k = splitHeads(apply(this->Key, x, workspace), config.heads);   // [Hv, N, d]
  const at::Tensor v = splitHeads(apply(this->Value, x, workspace), config.heads); // [Hv, N, d]
  const at::Tensor mixed = attend(q * scale, k, v, 1.0, AttentionMask(), tap);     // [N, D]
  const at::Tensor middle = hidden + apply(this->Out, mixed, workspace);           // [N, D]
  const at::Tensor y = layerNorm(middle, this->Norm2Weight, this->Norm2Bias, config.layerNormEps);
  const at::Tensor wide = activate(config.activation, apply(this->Fc1, y, workspace)); // [N, I]
  return middle + apply(this->Fc2, wide, workspace);
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
  this->PatchWeight =
    weights
      .small(embeddings + "patch_embedding.weight", { D, 3, vision.patchSize, vision.patchSize })
      .reshape({ D, -1 }); // [D, 3 p p]
  this->ClassEmbedding = weights.small(embeddings + "class_embedding", { D });
  this->PositionEmbedding =
    weights.small(embeddings + "position_embedding.weight", { vision.tokens(), D });
  this->PreNormWeight = weights.small("vision.pre_layrnorm.weight", { D });
  this->PreNormBias = weights.small("vision.pre_layrnorm.bias", { D });
  for (std::int64_t i = 0; i < config.visionLayersUsed; ++i)
  {
    this->Layers.emplace_back(vision, weights, i);
  }
  const auto projector = [&](const std::string& name, std::int64_t in)
  { return weights.linear(name, name, config.text.hidden, in, config.projectorBias); };
  this->Projector1 = projector("projector.linear_1", D);
  this->Projector2 = projector("projector.linear_2", config.text.hidden);
}

at::Tensor VisionTower::embed(const at::Tensor& pixels) const
{
  const checkpoint::VisionConfig& vision = this->Config.vision;
  const std::int64_t g = vision.gridEdge(), p = vision.patchSize;
  const at::Tensor patches = pixels.reshape({ 3, g, p, g, p })
                               .permute({ 1, 3, 0, 2, 4 }) // [g, g, 3, p, p]
                               .reshape({ g * g, 3 * p * p });
  const at::Tensor embedded = at::matmul(patches, this->PatchWeight.t());                // [g g, D]
  const at::Tensor tokens = at::cat({ this->ClassEmbedding.unsqueeze(0), embedded }, 0); // [N, D]
  return layerNorm(
    tokens + this->PositionEmbedding, this->PreNormWeight, this->PreNormBias, vision.layerNormEps);
}

at::Tensor VisionTower::project(const at::Tensor& hidden, Workspace& workspace) const
{
  const at::Tensor features =
    this->Config.dropClassToken ? hidden.narrow(0, 1, hidden.size(0) - 1) : hidden; // [patches, D]
  const at::Tensor wide =
    activate(this->Config.projectorActivation, apply(this->Projector1, features, workspace));
  return apply(this->Projector2, wide, workspace); // [patches, Dt]
}

at::Tensor VisionTower::forward(const at::Tensor& pixels, Workspace& workspace, const LayerTap& tap,
  const Progress& progress) const
{
  at::Tensor hidden = this->embed(pixels); // [N, D]
  for (std::int64_t i = 0; i < this->layers(); ++i)
  {
    report(progress, static_cast<double>(i) / static_cast<double>(this->layers()),
      "Vision layer " + std::to_string(i + 1) + " of " + std::to_string(this->layers()));
    const AttentionTap layerTap = tap
      ? AttentionTap([&](std::int64_t head, std::int64_t query, const at::Tensor& a)
          { return tap(i, head, query, a); })
      : AttentionTap();
    hidden = this->Layers[static_cast<std::size_t>(i)].forward(hidden, workspace, layerTap);
  }
  return this->project(hidden, workspace);
}

} // namespace lvlm::llava
