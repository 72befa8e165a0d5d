// SPDX-License-Identifier: Apache-2.0
#include "Regions.h"

#include "Error.h"
#include "Json.h"

#include <algorithm>
#include <cmath>

namespace lvlm
{

namespace
{
/// Far more than frames of a film that fit into a prompt ...
constexpr std::size_t MaximumRegions = 4096;
/// ... and than tiles of a picture. A map has numbers of each of them for each of its patches.
constexpr std::ptrdiff_t MaximumRegionsOfPicture = 128;
constexpr std::int64_t MaximumEdge = 1 << 16;

double patchArea(const Region& region)
{
  const auto& [left, top, right, bottom] = region.box;
  return (right - left) * (bottom - top) / static_cast<double>(region.grid.count());
}

/// Parts of an axis that is cut into `count` equal pieces from `low` to `high`: how far each of
/// them lies in [from, to).
class Cuts
{
public:
  Cuts(double low, double high, std::int64_t count)
    : Low(low), Step((high - low) / static_cast<double>(count)), Last(count - 1)
  {
  }

  std::int64_t pieceAt(double place) const
  {
    const auto piece = static_cast<std::int64_t>(std::floor((place - this->Low) / this->Step));
    return std::clamp<std::int64_t>(piece, 0, this->Last);
  }
  double overlap(std::int64_t piece, double from, double to) const
  {
    const double begin = this->Low + static_cast<double>(piece) * this->Step;
    return std::max(0.0, std::min(to, begin + this->Step) - std::max(from, begin));
  }
  double begin(std::int64_t piece) const
  {
    return this->Low + static_cast<double>(piece) * this->Step;
  }

private:
  double Low;
  double Step;
  std::int64_t Last;
};

/// Grids that can be counted with.
void requireGrid(const PatchGrid& grid)
{
  if (grid.rows < 1 || grid.cols < 1 || grid.rows > MaximumEdge || grid.cols > MaximumEdge)
  {
    fail("a region with the impossible grid ", grid.rows, ",", grid.cols);
  }
}

bool isOnePiece(const Region& region)
{
  return region.stride == region.grid.cols;
}

bool coversPicture(const Region& region, const Trace& trace)
{
  return !trace.has(tensor_name::Image) ||
    (trace.tensor(tensor_name::Image).shape.size() == 3 && region.box == pictureBox(trace));
}
}

const Region& finestRegion(const std::vector<Region>& regions)
{
  return *std::min_element(regions.begin(), regions.end(),
    [](const Region& a, const Region& b)
    { return a.image != b.image ? a.image < b.image : patchArea(a) < patchArea(b); });
}

namespace
{
/// How far a patch may be from its cell of a joined grid, in patches: far less than anybody sees.
constexpr double Slack = 0.1;

/// One axis of a grid that regions are laid into.
struct Axis
{
  double low;
  double high;
  double count; ///< of cells; what no grid can have where there is no such axis

  /// The first cell of a region's piece [from, to) of `cells` cells, or -1 where it lies askew.
  std::int64_t cellOf(double from, double to, std::int64_t cells) const
  {
    const double step = (this->high - this->low) / this->count;
    const double first = std::round((from - this->low) / step);
    const auto isAt = [&](double edge, double cell)
    { return std::abs(edge - (this->low + cell * step)) <= Slack * step; };
    const bool fits = first >= 0 && first + static_cast<double>(cells) <= this->count &&
      isAt(from, first) && isAt(to, first + static_cast<double>(cells));
    return fits ? static_cast<std::int64_t>(first) : -1;
  }
};

/// The axis that boxes have together, `low` and `high` being indices into a box, in cells of
/// `step`.
Axis axisOf(const std::vector<Region>& regions, std::size_t low, std::size_t high, double step)
{
  Axis axis{ regions[0].box[low], regions[0].box[high], 0 };
  for (const Region& region : regions)
  {
    axis.low = std::min(axis.low, region.box[low]);
    axis.high = std::max(axis.high, region.box[high]);
  }
  axis.count = std::round((axis.high - axis.low) / step);
  return axis;
}

bool overlap(const MapGrid::Part& a, const MapGrid::Part& b)
{
  return a.row < b.row + b.region.grid.rows && b.row < a.row + a.region.grid.rows &&
    a.col < b.col + b.region.grid.cols && b.col < a.col + a.region.grid.cols;
}

/// Whether the parts fill the grid, each cell once.
bool areTiles(const MapGrid& map)
{
  std::int64_t cells = 0;
  for (std::size_t i = 0; i < map.parts.size(); ++i)
  {
    cells += map.parts[i].region.grid.count();
    for (std::size_t j = 0; j < i; ++j)
    {
      if (overlap(map.parts[i], map.parts[j]))
      {
        return false;
      }
    }
  }
  return cells == map.grid.count();
}

MapGrid gridOf(const Region& region)
{
  return { region.image, region.grid, region.box, { { region, 0, 0 } } };
}

/// The regions of the finest one's picture that have patches of its size.
std::vector<Region> regionsLike(const Region& finest, const std::vector<Region>& regions)
{
  const auto sizeOf = [](const Region& region, std::size_t low, std::int64_t count)
  { return (region.box[low + 2] - region.box[low]) / static_cast<double>(count); };
  const auto isLike = [](double a, double b, std::int64_t count)
  { return std::abs(a - b) * static_cast<double>(count) <= 2 * Slack * b; };
  std::vector<Region> alike;
  for (const Region& region : regions)
  {
    const PatchGrid& grid = region.grid;
    if (region.image == finest.image &&
      isLike(sizeOf(region, 0, grid.cols), sizeOf(finest, 0, finest.grid.cols), grid.cols) &&
      isLike(sizeOf(region, 1, grid.rows), sizeOf(finest, 1, finest.grid.rows), grid.rows))
    {
      alike.push_back(region);
    }
  }
  return alike;
}
}

MapGrid mapGrid(const std::vector<Region>& regions)
{
  const Region& finest = finestRegion(regions);
  const std::vector<Region> alike = regionsLike(finest, regions);
  if (alike.size() < 2)
  {
    return gridOf(finest);
  }
  const auto& [left, top, right, bottom] = finest.box;
  const Axis across = axisOf(alike, 0, 2, (right - left) / static_cast<double>(finest.grid.cols));
  const Axis down = axisOf(alike, 1, 3, (bottom - top) / static_cast<double>(finest.grid.rows));
  const auto isEdge = [](double count) { return count >= 1 && count <= MaximumEdge; };
  if (!isEdge(across.count) || !isEdge(down.count)) // boxes may be anything before they are checked
  {
    return gridOf(finest);
  }
  MapGrid map;
  map.image = finest.image;
  map.grid = { static_cast<std::int64_t>(down.count), static_cast<std::int64_t>(across.count) };
  map.box = { across.low, down.low, across.high, down.high };
  for (const Region& region : alike)
  {
    const std::int64_t col = across.cellOf(region.box[0], region.box[2], region.grid.cols);
    const std::int64_t row = down.cellOf(region.box[1], region.box[3], region.grid.rows);
    if (row < 0 || col < 0)
    {
      return gridOf(finest);
    }
    map.parts.push_back({ region, row, col });
  }
  return areTiles(map) ? map : gridOf(finest);
}

namespace
{
Region wholeRegion(const Trace& trace)
{
  return { 0, trace.imageStart, trace.grid, trace.grid.cols, pictureBox(trace) };
}
}

MapGrid mapGrid(const Trace& trace)
{
  return trace.regions.empty() ? gridOf(wholeRegion(trace)) : mapGrid(trace.regions);
}

std::int64_t MapGrid::position(std::int64_t cell) const
{
  const std::int64_t row = cell / this->grid.cols, col = cell % this->grid.cols;
  for (const Part& part : this->parts)
  {
    const PatchGrid& own = part.region.grid;
    const std::int64_t r = row - part.row, c = col - part.col;
    if (r >= 0 && r < own.rows && c >= 0 && c < own.cols)
    {
      return part.region.position(r * own.cols + c);
    }
  }
  fail("cell ", cell, " is not in a grid of ", this->grid.rows, " x ", this->grid.cols);
}

std::vector<std::int64_t> MapGrid::positions() const
{
  std::vector<std::int64_t> all(static_cast<std::size_t>(this->grid.count()));
  for (const Part& part : this->parts)
  {
    const PatchGrid& own = part.region.grid;
    for (std::int64_t patch = 0; patch < own.count(); ++patch)
    {
      const std::int64_t row = part.row + patch / own.cols, col = part.col + patch % own.cols;
      all[static_cast<std::size_t>(row * this->grid.cols + col)] = part.region.position(patch);
    }
  }
  return all;
}

std::int64_t MapGrid::cellAt(std::int64_t position) const
{
  for (const Part& part : this->parts)
  {
    const std::int64_t patch = part.region.patchAt(position);
    if (patch >= 0)
    {
      const std::int64_t cols = part.region.grid.cols;
      return (part.row + patch / cols) * this->grid.cols + part.col + patch % cols;
    }
  }
  return -1;
}

bool MapGrid::has(const Region& region) const
{
  return std::any_of(this->parts.begin(), this->parts.end(),
    [&region](const Part& part) { return part.region.start == region.start; });
}

std::string pictureName(std::int64_t image)
{
  const std::string first = tensor_name::Image;
  return image == 0 ? first : first + "." + std::to_string(image);
}

std::string tilesName(std::int64_t image)
{
  return pictureName(image) + ".tiles";
}

std::int64_t pictureCount(const Trace& trace)
{
  std::int64_t count = 0;
  while (trace.has(pictureName(count)))
  {
    ++count;
  }
  return count;
}

Box pictureBox(const Trace& trace)
{
  if (trace.has(tensor_name::Image))
  {
    const Tensor& image = trace.tensor(tensor_name::Image);
    return { 0, 0, static_cast<double>(image.extent(1)), static_cast<double>(image.extent(0)) };
  }
  double right = static_cast<double>(trace.grid.cols),
         bottom = static_cast<double>(trace.grid.rows);
  for (const Region& region : trace.regions)
  {
    right = std::max(right, region.box[2]);
    bottom = std::max(bottom, region.box[3]);
  }
  return { 0, 0, right, bottom };
}

std::array<double, 2> centreAtPosition(const Trace& trace, std::int64_t position)
{
  for (const Region& region : allRegions(trace))
  {
    const std::int64_t patch = region.patchAt(position);
    if (patch >= 0)
    {
      return region.centre(patch);
    }
  }
  fail("position ", position, " is no patch of the picture");
}

std::vector<Region> allRegions(const Trace& trace)
{
  return trace.regions.empty() ? std::vector<Region>{ wholeRegion(trace) } : trace.regions;
}

std::int64_t patchAtPosition(const Trace& trace, std::int64_t position)
{
  return mapGrid(trace).cellAt(position);
}

std::vector<std::int64_t> patchPositions(const Trace& trace)
{
  return mapGrid(trace).positions();
}

ImageMap::ImageMap(const Trace& trace)
{
  const MapGrid own = mapGrid(trace);
  std::vector<Region> all = allRegions(trace);
  all.erase(std::remove_if(all.begin(), all.end(),
              [&](const Region& region) { return region.image != own.image; }),
    all.end());
  this->Cells = static_cast<std::size_t>(own.grid.count());
  this->First = all[0].start;
  std::int64_t end = 0;
  for (const Region& region : all)
  {
    this->First = std::min(this->First, region.start);
    end = std::max(end, region.end());
  }
  this->Count = end - this->First;
  if (all.size() == 1 && isOnePiece(all[0]))
  {
    return;
  }
  const std::vector<std::int64_t> positions = own.positions();
  for (std::size_t cell = 0; cell < this->Cells; ++cell)
  {
    this->Parts.push_back({ static_cast<std::uint32_t>(cell),
      static_cast<std::uint32_t>(positions[cell] - this->First), 1.0 });
  }
  for (const Region& region : all)
  {
    if (!own.has(region))
    {
      this->shareOut(own, region);
    }
  }
}

void ImageMap::shareOut(const MapGrid& own, const Region& other)
{
  const Cuts fineDown(own.box[1], own.box[3], own.grid.rows);
  const Cuts fineAcross(own.box[0], own.box[2], own.grid.cols);
  const Cuts down(other.box[1], other.box[3], other.grid.rows);
  const Cuts across(other.box[0], other.box[2], other.grid.cols);
  for (std::int64_t patch = 0; patch < other.grid.count(); ++patch)
  {
    const std::int64_t row = patch / other.grid.cols, col = patch % other.grid.cols;
    const double top = down.begin(row), bottom = down.begin(row + 1);
    const double left = across.begin(col), right = across.begin(col + 1);
    const auto key = static_cast<std::uint32_t>(other.position(patch) - this->First);
    const std::size_t before = this->Parts.size();
    double total = 0;
    for (std::int64_t r = fineDown.pieceAt(top); r <= fineDown.pieceAt(bottom); ++r)
    {
      const double height = fineDown.overlap(r, top, bottom);
      for (std::int64_t c = fineAcross.pieceAt(left); c <= fineAcross.pieceAt(right); ++c)
      {
        const double area = height * fineAcross.overlap(c, left, right);
        if (area > 0)
        {
          this->Parts.push_back({ static_cast<std::uint32_t>(r * own.grid.cols + c), key, area });
          total += area;
        }
      }
    }
    if (total == 0) // it lies beside the map's grid
    {
      const std::int64_t r = fineDown.pieceAt((top + bottom) / 2);
      const std::int64_t c = fineAcross.pieceAt((left + right) / 2);
      this->Parts.push_back({ static_cast<std::uint32_t>(r * own.grid.cols + c), key, 1.0 });
      total = 1;
    }
    for (std::size_t i = before; i < this->Parts.size(); ++i)
    {
      this->Parts[i].share /= total;
    }
  }
}

Trace withRegion(const Trace& trace, std::int64_t region)
{
  const std::vector<Region> known = allRegions(trace);
  const auto count = static_cast<std::int64_t>(known.size());
  if (region < -1 || region >= count)
  {
    fail("Region: ", region, " is out of range: the trace has regions 0 to ", count - 1,
      ", and -1 means all together");
  }
  Trace one = trace;
  if (region >= 0)
  {
    one.regions = { known[static_cast<std::size_t>(region)] };
    if (const std::string name = pictureName(one.regions[0].image); trace.has(name))
    {
      one.tensors[tensor_name::Image] = trace.tensor(name);
    }
    settleRegions(one);
  }
  return one;
}

void settleRegions(Trace& trace)
{
  const MapGrid map = mapGrid(trace.regions);
  trace.grid = map.grid;
  trace.imageStart = map.position(0);
  const Region& shown = trace.regions[0];
  if (trace.regions.size() == 1 && isOnePiece(shown) && shown.image == 0 &&
    coversPicture(shown, trace))
  {
    trace.regions.clear();
  }
}

std::string textOfRegions(const std::vector<Region>& regions)
{
  nlohmann::json list = nlohmann::json::array();
  for (const Region& region : regions)
  {
    list.push_back(
      { { "image", region.image }, { "start", region.start }, { "rows", region.grid.rows },
        { "cols", region.grid.cols }, { "stride", region.stride }, { "box", region.box } });
  }
  return list.dump();
}

namespace
{
constexpr const char* RegionsKey = "metadata key 'regions'";

std::int64_t wholeNumber(const nlohmann::json& region, const char* key)
{
  const auto found = region.find(key);
  if (found == region.end() || !found->is_number_integer() ||
    (found->is_number_unsigned() && found->get<std::uint64_t>() > std::uint64_t{ INT64_MAX }))
  {
    fail(RegionsKey, ": a region has no whole number '", key, "'");
  }
  return found->get<std::int64_t>();
}

Box boxOf(const nlohmann::json& region)
{
  const auto found = region.find("box");
  Box box{};
  if (found == region.end() || !found->is_array() || found->size() != box.size())
  {
    fail(RegionsKey, ": a region has no 'box' of four numbers");
  }
  for (std::size_t i = 0; i < box.size(); ++i)
  {
    if (!(*found)[i].is_number())
    {
      fail(RegionsKey, ": a 'box' holds something that is no number");
    }
    box[i] = (*found)[i].get<double>();
  }
  return box;
}
}

std::vector<Region> parseRegions(const std::string& text)
{
  const nlohmann::json list = parseJson(text, RegionsKey);
  if (!list.is_array() || list.empty() || list.size() > MaximumRegions)
  {
    fail(RegionsKey, " is not a list of 1 to ", MaximumRegions, " regions");
  }
  std::vector<Region> regions;
  for (const nlohmann::json& one : list)
  {
    if (!one.is_object())
    {
      fail(RegionsKey, " holds something that is no region");
    }
    Region region;
    region.image = one.contains("image") ? wholeNumber(one, "image") : 0;
    region.start = wholeNumber(one, "start");
    region.grid = { wholeNumber(one, "rows"), wholeNumber(one, "cols") };
    region.stride = one.contains("stride") ? wholeNumber(one, "stride") : region.grid.cols;
    region.box = boxOf(one);
    requireGrid(region.grid);
    regions.push_back(region);
  }
  return regions;
}

namespace
{
/// Its own numbers, apart from the rest of the trace. What stays is small enough to count with.
void checkNumbers(const Region& region, std::size_t index, std::int64_t promptLength)
{
  const PatchGrid& grid = region.grid;
  requireGrid(grid);
  if (region.image < 0 || region.image > MaximumEdge)
  {
    fail("region ", index, ": image ", region.image, " does not exist");
  }
  if (region.stride < grid.cols || region.stride > std::max(promptLength, grid.cols) ||
    region.start < 0 || region.start > promptLength || region.end() > promptLength)
  {
    fail("region ", index, ": ", grid.rows, " rows of ", grid.cols, " positions, ", region.stride,
      " apart, from ", region.start, " are not inside the prompt of ", promptLength, " positions");
  }
}

void checkBox(const Region& region, std::size_t index, const Trace& trace)
{
  const std::string name = pictureName(region.image);
  double width = MaximumEdge, height = MaximumEdge; // of a picture that is not there
  if (trace.has(name))
  {
    const Tensor& image = trace.tensor(name);
    if (image.shape.size() != 3)
    {
      fail("tensor '", name, "' has shape ", shapeText(image.shape), ", which is no picture");
    }
    height = static_cast<double>(image.extent(0));
    width = static_cast<double>(image.extent(1));
  }
  const auto& [left, top, right, bottom] = region.box;
  // Written so that NaN fails too.
  if (!(left >= 0 && top >= 0 && right > left && bottom > top && right <= width &&
        bottom <= height))
  {
    fail("region ", index, ": box ", left, ", ", top, ", ", right, ", ", bottom,
      " is not inside the picture of ", width, " x ", height, " pixels");
  }
}
}

void checkRegions(const Trace& trace)
{
  std::vector<bool> isPatch(static_cast<std::size_t>(trace.promptLength), false);
  for (std::size_t i = 0; i < trace.regions.size(); ++i)
  {
    const Region& region = trace.regions[i];
    checkNumbers(region, i, trace.promptLength);
    checkBox(region, i, trace);
    for (std::int64_t patch = 0; patch < region.grid.count(); ++patch)
    {
      const auto position = static_cast<std::size_t>(region.position(patch));
      if (isPatch[position])
      {
        fail("region ", i, ": position ", position, " belongs to another region too");
      }
      isPatch[position] = true;
    }
  }
  for (std::size_t p = 0; p < isPatch.size(); ++p)
  {
    if (isPatch[p] != (trace.roles[p] == Role::Image))
    {
      fail("position ", p, " has role '", nameOf(trace.roles[p]), "', which contradicts regions");
    }
  }
  const MapGrid map = mapGrid(trace.regions);
  const auto alike = std::count_if(trace.regions.begin(), trace.regions.end(),
    [&map](const Region& region) { return region.image == map.image; });
  if (alike > MaximumRegionsOfPicture)
  {
    fail(alike, " regions of one picture, at most ", MaximumRegionsOfPicture, " are accepted");
  }
  if (map.position(0) != trace.imageStart || map.grid.rows != trace.grid.rows ||
    map.grid.cols != trace.grid.cols)
  {
    fail("grid and image_start are not those of the regions");
  }
}

} // namespace lvlm
