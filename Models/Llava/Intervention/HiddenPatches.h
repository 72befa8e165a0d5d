// SPDX-License-Identifier: Apache-2.0
/// @file HiddenPatches.h
/// The picture that a model sees with patches of it hidden: in all that is cut from it. Internal
/// to Models/Llava.
#ifndef LVLM_LLAVA_HIDDENPATCHES_H
#define LVLM_LLAVA_HIDDENPATCHES_H

#include "Models/Llava/Intervention.h"
#include "Models/Picture/Tiles.h"

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
  explicit HiddenPatches(picture::SeenPicture seen);

  /// Of the map's region.
  std::int64_t patches() const { return this->Fine.grid.count(); }
  /// The picture with patches, in [0, patches()), filled with one of the fills of pixels.
  picture::SeenPicture without(const Indices& patches, PatchFill fill);
  /// Which image tokens stand for some patches: theirs, and of other regions those whose centre
  /// lies in one of them.
  Indices tokensOf(const Indices& patches) const;

private:
  /// Whole pictures of what hidden patches show: of `shown`, then of each tile.
  const std::vector<picture::RgbImage>& covers(PatchFill fill);
  /// Fills the part of a picture that shows the box; `view` is which part of `shown` that is.
  static void fill(
    picture::RgbImage& picture, const Box& view, const Box& box, const picture::RgbImage& cover);
  /// Which part of `shown` a tile is.
  Box viewOf(std::size_t tile) const;

  picture::SeenPicture Seen;
  Region Fine;
  std::map<PatchFill, std::vector<picture::RgbImage>> Covers;
};

} // namespace lvlm::llava

#endif
