// SPDX-License-Identifier: Apache-2.0
/// @file Gallery.h
/// Many small maps side by side in one raster, in the order of reading.
#ifndef LVLM_TRACE_GALLERY_H
#define LVLM_TRACE_GALLERY_H

#include "Analysis.h"

#include <cstdint>
#include <vector>

namespace lvlm
{

/// One map of a gallery and what it is of; -1 where it is of several.
struct GalleryMap
{
  std::int64_t layer = -1;
  std::int64_t head = -1;
  std::int64_t answerToken = -1;
  std::vector<float> values; ///< [rows*cols], row 0 at the top

  /// Its sum: the share of the attention that goes to the picture.
  double imageShare() const;
};

/// The largest image share first; equals stay in their order.
void sortByImageShare(std::vector<GalleryMap>& maps);

/// Those first that tell where something is (see localizationOrder() in HeadMeasures.h).
void sortByLocalization(std::vector<GalleryMap>& maps, const PatchGrid& grid);

/// Maps of heads in the order of these places, which are all that there are maps of.
void sortByPlace(std::vector<GalleryMap>& maps, const std::vector<HeadPlace>& places);

/// A raster of maps with one cell between neighbours, and some above each, for its label.
struct GalleryLayout
{
  std::int64_t rows = 0, cols = 0;   ///< of a map
  std::int64_t across = 0, down = 0; ///< maps
  std::int64_t gap = 1;              ///< cells between a map and the one below

  std::int64_t width() const { return this->across * (this->cols + 1) - 1; } ///< cells
  std::int64_t height() const                                                ///< cells
  {
    return this->down * (this->rows + this->gap) - this->gap;
  }
  /// The map at a cell counted from the top left; -1 between maps. It may lie beyond the last one.
  std::int64_t mapAt(std::int64_t row, std::int64_t col) const;
  /// The cell's place in its map, row-major.
  std::int64_t patchAt(std::int64_t row, std::int64_t col) const;
};

/// A gap is a sixth of a map's rows. For `count` maps of this grid, `across` of them in a row; 0
/// chooses so that the whole is about as wide as it is high.
GalleryLayout galleryLayout(std::int64_t count, const PatchGrid& grid, std::int64_t across);

} // namespace lvlm

#endif
