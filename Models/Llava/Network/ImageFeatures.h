// SPDX-License-Identifier: Apache-2.0
/// @file ImageFeatures.h
/// What the decoder gets for a picture. Internal to Models/Llava.
#ifndef LVLM_LLAVA_IMAGEFEATURES_H
#define LVLM_LLAVA_IMAGEFEATURES_H

#include "LlavaModelImpl.h"

namespace lvlm::llava
{

/// What the model saw, from tensors: `image` [H, W, 3] and, where it was cut, `image.tiles`
/// [tiles, h, w, 3].
picture::SeenPicture seenAs(const LlavaModel::Impl& model, const std::vector<Tensor>& pictures,
  const picture::ImageTokens& tokens);

/// The image tokens of a picture, [seen.tokens.count, Dt]: the tower and the projector on each of
/// its tiles, in the order in which the decoder reads them, with the token that closes a row. `tap`
/// gets the attention of the first tile, which is the whole picture; of the others it is called
/// with an undefined tensor. Throws Aborted.
at::Tensor imageFeatures(const LlavaModel::Impl& model, const picture::SeenPicture& seen,
  Workspace& workspace, const VisionTower::LayerTap& tap, const Progress& progress);

} // namespace lvlm::llava

#endif
