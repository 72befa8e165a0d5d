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

/// The region whose grid maps have: of the first picture, the one with the smallest patches. Of a
/// trace that lists none, its grid over the whole picture.
Region mapRegion(const Trace& trace);
/// The same of a list that is not empty.
const Region& finestRegion(const std::vector<Region>& regions);

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

/// What a row of attention, or of another quantity that adds up, gives the map's patches: the
/// map's own region and, by area, what the first picture's other regions have there. The sum over
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

  void shareOut(const Region& own, const Region& other);

  std::int64_t First = 0;
  std::int64_t Count = 0;
  std::size_t Cells = 0;
  std::vector<Part> Parts; ///< empty: a row is a map as it is
};

/// The trace with one of its regions alone, tensors shared: maps of it have that region's grid.
/// -1: all of them, the trace itself. Throws Error for another number out of range.
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
