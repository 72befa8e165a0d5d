// SPDX-License-Identifier: Apache-2.0
/// @file ImageFeatures.h
/// What the decoder gets for a picture. Internal to Models/Llava.
#ifndef LVLM_LLAVA_IMAGEFEATURES_H
#define LVLM_LLAVA_IMAGEFEATURES_H

#include "LlavaModelImpl.h"

namespace lvlm::llava
{

/// What the model saw of a picture, from tensors: `image` [H, W, 3] and, where it was cut (else
/// nullptr), `tiles` [tiles, h, w, 3].
picture::SeenPicture seenAs(const LlavaModel::Impl& model, const Tensor& image, const Tensor* tiles,
  const picture::ImageTokens& tokens);

/// The image tokens of a picture, [seen.tokens.count, Dt]: the tower and the projector on each of
/// its tiles, in the order in which the decoder reads them, with the token that closes a row. `tap`
/// gets the attention of the first tile, which is the whole picture; of the others it is called
/// with an undefined tensor. Throws Aborted.
at::Tensor imageFeatures(const LlavaModel::Impl& model, const picture::SeenPicture& seen,
  Workspace& workspace, const VisionTower::LayerTap& tap, const Progress& progress);

/// The same of several pictures, one after another; of those after the first the tap gets no
/// attention.
std::vector<at::Tensor> imageFeatures(const LlavaModel::Impl& model,
  const std::vector<picture::SeenPicture>& seen, Workspace& workspace,
  const VisionTower::LayerTap& tap, const Progress& progress);

/// Puts the image tokens of each picture, [tokens, D], where they are in a sequence [S, D].
void placeFeatures(const at::Tensor& sequence, const std::vector<picture::PlacedImage>& images,
  const std::vector<at::Tensor>& features);

/// A sequence's ids, with 0 where features go: the image token may have no row in the vocabulary.
std::vector<std::int64_t> textIds(
  std::vector<std::int64_t> ids, const std::vector<picture::PlacedImage>& images);

} // namespace lvlm::llava

#endif
