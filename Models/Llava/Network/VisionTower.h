// SPDX-License-Identifier: Apache-2.0
/// @file VisionTower.h
/// The vision transformers of CLIP and SigLIP, and LLaVA's two-layer projector. Internal to
/// Models/Llava.
#ifndef LVLM_LLAVA_VISIONTOWER_H
#define LVLM_LLAVA_VISIONTOWER_H

#include "Layers.h"
#include "WeightStore.h"

#include "Models/Trace/Error.h"

#include <functional>
#include <vector>

namespace lvlm::llava
{

/// One pre-norm layer of the tower. All weights are views; nothing is computed at construction.
class VisionLayer
{
public:
  VisionLayer(
    const checkpoint::VisionConfig& config, const WeightStore& weights, std::int64_t index);
  /// [N, D] -> [N, D]
  at::Tensor forward(const at::Tensor& hidden, Workspace& workspace, const AttentionTap& tap) const;

private:
  friend class VisionLayerGradient; // the same computation, back-propagated

  checkpoint::VisionConfig Config;
  at::Tensor Norm1Weight, Norm1Bias, Norm2Weight, Norm2Bias;
  Linear Query, Key, Value, Out, Fc1, Fc2;
};

class VisionTower
{
public:
  using LayerTap = std::function<at::Tensor(
    std::int64_t layer, std::int64_t firstRow, const at::Tensor& probabilities)>;

  /// Without its weights, where another rank runs it, the tower only knows its size.
  VisionTower(const checkpoint::LlavaConfig& config, const WeightStore& weights, bool withWeights);

  std::int64_t layers() const { return this->Config.visionLayersUsed; }
  const VisionLayer& layer(std::int64_t index) const
  {
    return this->Layers.at(static_cast<std::size_t>(index));
  }

  /// Pixels [3, H, W] -> embeddings that enter the first layer, [N, D], CLS first where there is
  /// one.
  at::Tensor embed(const at::Tensor& pixels, Workspace& workspace) const;
  /// Whether the projector reads this state: 0 is what enters the first layer, n the output of the
  /// n-th.
  bool reads(std::int64_t state) const;
  /// Of all states, [N, D] each, those that the projector reads, side by side: [N, F].
  at::Tensor features(const std::vector<at::Tensor>& states) const;
  /// The part of a gradient of features() [N, F] that belongs to a state which is read: [N, D].
  at::Tensor featureGradient(const at::Tensor& gradient, std::int64_t state) const;
  /// Features [N, F] -> image tokens in the decoder's width [patches, Dt].
  at::Tensor project(const at::Tensor& features, Workspace& workspace) const;
  /// The token that closes a row of a picture in tiles, [1, Dt]; undefined where there are none.
  const at::Tensor& newline() const { return this->Newline; }
  /// Pixels -> image tokens. Reports once per layer; throws Aborted.
  at::Tensor forward(const at::Tensor& pixels, Workspace& workspace, const LayerTap& tap,
    const Progress& progress) const;

private:
  friend class ProjectorGradient;

  checkpoint::LlavaConfig Config;
  Linear PatchEmbedding; ///< [D, 3 p p]
  at::Tensor ClassEmbedding, PositionEmbedding, PreNormWeight, PreNormBias;
  std::vector<VisionLayer> Layers;
  at::Tensor ProjectorNormWeight, ProjectorNormBias; ///< [F], undefined where there is no norm
  Linear Projector1, Projector2;
  at::Tensor Newline;
};

} // namespace lvlm::llava

#endif
