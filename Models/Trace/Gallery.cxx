// SPDX-License-Identifier: Apache-2.0
#include "Gallery.h"

#include "HeadMeasures.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

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

void sortByLocalization(std::vector<GalleryMap>& maps, const PatchGrid& grid)
{
  std::vector<double> shares, spatialEntropies;
  for (const GalleryMap& map : maps)
  {
    shares.push_back(map.imageShare());
    spatialEntropies.push_back(spatialEntropy({ map.values.begin(), map.values.end() }, grid));
  }
  std::vector<GalleryMap> sorted;
  for (const std::size_t place : localizationOrder(shares, spatialEntropies))
  {
    sorted.push_back(std::move(maps[place]));
  }
  maps = std::move(sorted);
}

void sortByPlace(std::vector<GalleryMap>& maps, const std::vector<HeadPlace>& places)
{
  const auto rank = [&places](const GalleryMap& map)
  {
    return std::find_if(places.begin(), places.end(),
      [&map](const HeadPlace& place)
      { return place.layer == map.layer && place.head == map.head; });
  };
  std::stable_sort(maps.begin(), maps.end(),
    [&rank](const GalleryMap& a, const GalleryMap& b) { return rank(a) < rank(b); });
}

std::int64_t GalleryLayout::mapAt(std::int64_t row, std::int64_t col) const
{
  const std::int64_t high = this->rows + this->gap, wide = this->cols + 1;
  const bool between = row % high >= this->rows || col % wide == this->cols;
  return between ? -1 : row / high * this->across + col / wide;
}

std::int64_t GalleryLayout::patchAt(std::int64_t row, std::int64_t col) const
{
  return row % (this->rows + this->gap) * this->cols + col % (this->cols + 1);
}

GalleryLayout galleryLayout(std::int64_t count, const PatchGrid& grid, std::int64_t across)
{
  GalleryLayout layout;
  layout.rows = grid.rows;
  layout.cols = grid.cols;
  layout.gap = std::max<std::int64_t>(1, (grid.rows + 5) / 6);
  const double square = std::sqrt(static_cast<double>(count) *
    static_cast<double>(grid.rows + layout.gap) / static_cast<double>(grid.cols + 1));
  const auto chosen = across > 0 ? across : static_cast<std::int64_t>(std::ceil(square));
  layout.across = std::clamp<std::int64_t>(chosen, 1, std::max<std::int64_t>(1, count));
  layout.down = std::max<std::int64_t>(1, (count + layout.across - 1) / layout.across);
  return layout;
}

} // namespace lvlm
