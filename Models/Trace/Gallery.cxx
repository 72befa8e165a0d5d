// SPDX-License-Identifier: Apache-2.0
#include "Gallery.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace lvlm
{

double GalleryMap::imageShare() const
{
  return std::accumulate(this->values.begin(), this->values.end(), 0.0);
}

void sortByImageShare(std::vector<GalleryMap>& maps)
{
  std::stable_sort(maps.begin(), maps.end(),
    [](const GalleryMap& a, const GalleryMap& b) { return a.imageShare() > b.imageShare(); });
}

std::int64_t GalleryLayout::mapAt(std::int64_t row, std::int64_t col) const
{
  const std::int64_t high = this->rows + 1, wide = this->cols + 1;
  const bool between = row % high == this->rows || col % wide == this->cols;
  return between ? -1 : row / high * this->across + col / wide;
}

std::int64_t GalleryLayout::patchAt(std::int64_t row, std::int64_t col) const
{
  return row % (this->rows + 1) * this->cols + col % (this->cols + 1);
}

GalleryLayout galleryLayout(std::int64_t count, const PatchGrid& grid, std::int64_t across)
{
  GalleryLayout layout;
  layout.rows = grid.rows;
  layout.cols = grid.cols;
  const double square = std::sqrt(static_cast<double>(count) * static_cast<double>(grid.rows + 1) /
    static_cast<double>(grid.cols + 1));
  const auto chosen = across > 0 ? across : static_cast<std::int64_t>(std::ceil(square));
  layout.across = std::clamp<std::int64_t>(chosen, 1, std::max<std::int64_t>(1, count));
  layout.down = std::max<std::int64_t>(1, (count + layout.across - 1) / layout.across);
  return layout;
}

} // namespace lvlm
