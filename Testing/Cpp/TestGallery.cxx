// SPDX-License-Identifier: Apache-2.0
// Where the maps of a gallery lie, and in which order.
#include "Check.h"

#include "Models/Trace/Gallery.h"

#include <set>
#include <utility>

using namespace lvlm;

namespace
{
/// Each patch of each map has one cell, cells between maps have none.
void checkCells(std::int64_t count, const PatchGrid& grid, std::int64_t across)
{
  const GalleryLayout layout = galleryLayout(count, grid, across);
  CHECK(layout.across * layout.down >= count);
  CHECK(layout.across * (layout.down - 1) < count);
  CHECK(across == 0 || layout.across == across);
  std::set<std::pair<std::int64_t, std::int64_t>> seen;
  std::int64_t between = 0;
  for (std::int64_t row = 0; row < layout.height(); ++row)
  {
    for (std::int64_t col = 0; col < layout.width(); ++col)
    {
      const std::int64_t map = layout.mapAt(row, col);
      between += map < 0;
      if (map >= 0)
      {
        const std::int64_t patch = layout.patchAt(row, col);
        CHECK(patch >= 0 && patch < grid.count());
        CHECK(seen.insert({ map, patch }).second);
      }
    }
  }
  CHECK(static_cast<std::int64_t>(seen.size()) == layout.across * layout.down * grid.count());
  CHECK(between == layout.width() * layout.height() - static_cast<std::int64_t>(seen.size()));
}
}

int main()
{
  for (const std::int64_t count : { 1, 2, 7, 16, 33 })
  {
    for (const PatchGrid& grid : { PatchGrid{ 3, 4 }, PatchGrid{ 1, 1 }, PatchGrid{ 9, 2 } })
    {
      checkCells(count, grid, 0);
      checkCells(count, grid, 1);
      checkCells(count, grid, count);
    }
  }
  // Read as text is: the second map lies to the right of the first one.
  const GalleryLayout layout = galleryLayout(6, { 2, 3 }, 3);
  CHECK(layout.mapAt(0, 0) == 0 && layout.mapAt(0, 4) == 1 && layout.mapAt(3, 0) == 3);
  CHECK(layout.mapAt(2, 0) == -1 && layout.mapAt(0, 3) == -1);
  CHECK(layout.patchAt(1, 6) == 5);
  // Of maps of 13 rows there are three between.
  const GalleryLayout tall = galleryLayout(2, { 13, 2 }, 1);
  CHECK(tall.gap == 3 && tall.height() == 29);
  CHECK(tall.mapAt(12, 0) == 0 && tall.mapAt(13, 0) == -1 && tall.mapAt(15, 0) == -1);
  CHECK(tall.mapAt(16, 1) == 1 && tall.patchAt(16, 1) == 1);

  std::vector<GalleryMap> maps = { { 0, 0, -1, { 0.1f, 0.2f } }, { 0, 1, -1, { 0.5f, 0.1f } },
    { 0, 2, -1, { 0.2f, 0.1f } } };
  sortByImageShare(maps);
  CHECK(maps[0].head == 1 && maps[1].head == 0 && maps[2].head == 2); // equals stay in order
  CHECK_NEAR(maps[0].imageShare(), 0.6, 1e-6);

  // Enough attention is 0.003, the elbow; then one blob comes before two.
  maps = { { 0, 0, -1, { 0.0f, 0.4f, 0.0f, 0.4f, 0.0f } },
    { 0, 1, -1, { 0.4f, 0.4f, 0.0f, 0.0f, 0.0f } },
    { 0, 2, -1, { 0.001f, 0.0f, 0.0f, 0.0f, 0.0f } },
    { 0, 3, -1, { 0.0f, 0.0f, 0.7f, 0.0f, 0.0f } },
    { 0, 4, -1, { 0.002f, 0.0f, 0.0f, 0.0f, 0.0f } },
    { 0, 5, -1, { 0.0015f, 0.0f, 0.0015f, 0.0f, 0.0f } } };
  sortByLocalization(maps, { 1, 5 });
  const std::int64_t wanted[] = { 1, 3, 0, 5, 4, 2 };
  for (std::size_t i = 0; i < maps.size(); ++i)
  {
    CHECK(maps[i].head == wanted[i]);
  }
  return lvlm_test::checkResult();
}
