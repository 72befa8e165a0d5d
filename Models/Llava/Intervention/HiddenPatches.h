// SPDX-License-Identifier: Apache-2.0
/// @file HiddenPatches.h
/// The picture that a model sees with patches of it hidden. Internal to Models/Llava.
#ifndef LVLM_LLAVA_HIDDENPATCHES_H
#define LVLM_LLAVA_HIDDENPATCHES_H

#include "Models/Llava/Intervention.h"

#include <map>

namespace lvlm::llava
{

/// Whether a fill replaces embeddings rather than pixels.
bool hidesEmbeddings(PatchFill fill);

/// The picture convolved with a normal distribution of that standard deviation in pixels, cut at
/// three of them and, towards the edges, to what lies in the picture.
picture::RgbImage blurred(const picture::RgbImage& picture, double deviation);

class HiddenPatches
{
public:
  HiddenPatches(picture::RgbImage seen, const PatchGrid& grid) : Seen(std::move(seen)), Grid(grid)
  {
  }

  /// The picture with patches, in [0, grid.count()), filled with one of the fills of pixels.
  picture::RgbImage without(const Indices& patches, PatchFill fill);
  const picture::RgbImage& whole() const { return this->Seen; }

private:
  /// A whole picture of what hidden patches show.
  const picture::RgbImage& cover(PatchFill fill);

  picture::RgbImage Seen;
  PatchGrid Grid;
  std::map<PatchFill, picture::RgbImage> Covers;
};

} // namespace lvlm::llava

#endif
