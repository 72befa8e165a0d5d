// SPDX-License-Identifier: Apache-2.0
/// @file Regions.h
/// Where the picture's patches are in the sequence, and what a map of them is. A trace has one grid
/// of image tokens, or several regions (DESIGN section 4); whoever makes maps asks here and need
/// not tell these apart.
#ifndef LVLM_TRACE_REGIONS_H
#define LVLM_TRACE_REGIONS_H

#include "Trace.h"

#include <cstdint>
#include <string>
#include <vector>

namespace lvlm
{

/// The region with the smallest patches of the first picture. The list must not be empty.
const Region& finestRegion(const std::vector<Region>& regions);

/// The grid that maps have: cells in rows over a box of a picture, each of which is one patch.
struct MapGrid
{
  /// A region, and the cell of its first patch.
  struct Part
  {
    Region region;
    std::int64_t row = 0;
    std::int64_t col = 0;
  };

  std::int64_t image = 0;
  PatchGrid grid;
  Box box{};
  std::vector<Part> parts; ///< at least one; they fill the grid, and no two of them overlap

  /// The position of a cell's patch.
  std::int64_t position(std::int64_t cell) const;
  /// The same of all cells: [grid.count()].
  std::vector<std::int64_t> positions() const;
  /// The cell of the patch at a position, or -1 where there is no patch of this grid.
  std::int64_t cellAt(std::int64_t position) const;
  bool has(const Region& region) const;
};

/// Of a list that is not empty: the regions of the first picture that have the finest one's scale,
/// joined, where they fill a rectangle side by side, as tiles do (a patch may be off by a tenth of
/// itself); else the finest region alone.
MapGrid mapGrid(const std::vector<Region>& regions);
/// Of a trace that lists no regions: its grid over the whole picture.
MapGrid mapGrid(const Trace& trace);

/// The tensor of a picture: `image`, `image.1` ...
std::string pictureName(std::int64_t image);
/// That of the tiles that it was cut into: `image.tiles`, `image.1.tiles` ...
std::string tilesName(std::int64_t image);
/// How many pictures a trace has.
std::int64_t pictureCount(const Trace& trace);

/// All regions: those that the trace lists, else its grid over the whole picture.
std::vector<Region> allRegions(const Trace& trace);

/// The patch of the map at a position, or -1: text, a newline token, or a patch of another region.
std::int64_t patchAtPosition(const Trace& trace, std::int64_t position);
/// The picture's whole extent; the grid's own where there is no picture.
Box pictureBox(const Trace& trace);
/// Where the patch at a position is, of whichever region: x, y in pixels from the picture's top
/// left. Throws Error where no patch is.
std::array<double, 2> centreAtPosition(const Trace& trace, std::int64_t position);
/// Whether a patch of any region is at a position.
inline bool isPatch(const Trace& trace, std::int64_t position)
{
  return trace.roles[static_cast<std::size_t>(position)] == Role::Image;
}
/// All patches in their order: [trace.grid.count()].
std::vector<std::int64_t> patchPositions(const Trace& trace);

/// What a row of attention, or of another quantity that adds up, gives the map's patches: those of
/// the map's own grid and, by area, what the first picture's other regions have there. The sum over
/// the map is the sum over the first picture's patches: a coarse patch is shared out among the fine
/// ones that it overlaps, the nearest one gets what overlaps none.
class ImageMap
{
public:
  explicit ImageMap(const Trace& trace);

  /// The positions [first, first + count) that are needed of a row.
  std::int64_t first() const { return this->First; }
  std::int64_t count() const { return this->Count; }
  /// Numbers of a map.
  std::size_t cells() const { return this->Cells; }

  /// `row` [count] as a map [cells]; valid until the next call. Where there is one grid in one
  /// piece it is `row` itself.
  template <typename T>
  const std::vector<T>& of(const std::vector<T>& row, std::vector<T>& scratch) const
  {
    if (this->Parts.empty())
    {
      return row;
    }
    scratch.assign(this->Cells, T(0));
    for (const Part& part : this->Parts)
    {
      scratch[part.cell] += static_cast<T>(part.share * static_cast<double>(row[part.key]));
    }
    return scratch;
  }

private:
  /// A cell gets a share of what position First + key has.
  struct Part
  {
    std::uint32_t cell;
    std::uint32_t key;
    double share;
  };

  void shareOut(const MapGrid& own, const Region& other);

  std::int64_t First = 0;
  std::int64_t Count = 0;
  std::size_t Cells = 0;
  std::vector<Part> Parts; ///< empty: a row is a map as it is
};

/// The trace with one of its regions alone, tensors shared: maps of it have that region's grid, and
/// its tensor `image` is that region's picture. -1: all of them, the trace itself. Throws Error for
/// another number out of range.
Trace withRegion(const Trace& trace, std::int64_t region);

/// Makes `grid` and `imageStart` those of the list. A list of one grid in one piece over the whole
/// picture becomes what a trace without a list says. To be called by whoever fills `regions`.
void settleRegions(Trace& trace);

/// As the metadata key `regions` has it.
std::string textOfRegions(const std::vector<Region>& regions);
/// Throws Error on what is no such list, or a longer one than any picture needs.
std::vector<Region> parseRegions(const std::string& text);

/// Throws Error that names the first contradiction of `regions`, roles and picture.
void checkRegions(const Trace& trace);

} // namespace lvlm

#endif
