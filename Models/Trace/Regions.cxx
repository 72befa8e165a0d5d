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

Region mapRegion(const Trace& trace)
{
  if (!trace.regions.empty())
  {
    return finestRegion(trace.regions);
  }
  Region whole;
  whole.start = trace.imageStart;
  whole.grid = trace.grid;
  whole.stride = trace.grid.cols;
  whole.box = pictureBox(trace);
  return whole;
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
  return trace.regions.empty() ? std::vector<Region>{ mapRegion(trace) } : trace.regions;
}

std::int64_t patchAtPosition(const Trace& trace, std::int64_t position)
{
  return mapRegion(trace).patchAt(position);
}

std::vector<std::int64_t> patchPositions(const Trace& trace)
{
  const Region region = mapRegion(trace);
  std::vector<std::int64_t> positions(static_cast<std::size_t>(region.grid.count()));
  for (std::size_t patch = 0; patch < positions.size(); ++patch)
  {
    positions[patch] = region.position(static_cast<std::int64_t>(patch));
  }
  return positions;
}

ImageMap::ImageMap(const Trace& trace)
{
  const Region own = mapRegion(trace);
  std::vector<Region> all = allRegions(trace);
  all.erase(std::remove_if(all.begin(), all.end(),
              [&](const Region& region) { return region.image != own.image; }),
    all.end());
  this->Cells = static_cast<std::size_t>(own.grid.count());
  this->First = own.start;
  std::int64_t end = own.end();
  for (const Region& region : all)
  {
    this->First = std::min(this->First, region.start);
    end = std::max(end, region.end());
  }
  this->Count = end - this->First;
  if (all.size() == 1 && isOnePiece(own))
  {
    return;
  }
  for (std::size_t cell = 0; cell < this->Cells; ++cell)
  {
    const std::int64_t position = own.position(static_cast<std::int64_t>(cell));
    this->Parts.push_back({ static_cast<std::uint32_t>(cell),
      static_cast<std::uint32_t>(position - this->First), 1.0 });
  }
  for (const Region& region : all)
  {
    if (region.start != own.start)
    {
      this->shareOut(own, region);
    }
  }
}

void ImageMap::shareOut(const Region& own, const Region& other)
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
    settleRegions(one);
  }
  return one;
}

void settleRegions(Trace& trace)
{
  const Region& shown = finestRegion(trace.regions);
  trace.grid = shown.grid;
  trace.imageStart = shown.start;
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
  const std::string name = region.image == 0
    ? tensor_name::Image
    : tensor_name::Image + ("." + std::to_string(region.image));
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
  const Region& shown = finestRegion(trace.regions);
  const auto alike = std::count_if(trace.regions.begin(), trace.regions.end(),
    [&shown](const Region& region) { return region.image == shown.image; });
  if (alike > MaximumRegionsOfPicture)
  {
    fail(alike, " regions of one picture, at most ", MaximumRegionsOfPicture, " are accepted");
  }
  if (shown.start != trace.imageStart || shown.grid.rows != trace.grid.rows ||
    shown.grid.cols != trace.grid.cols)
  {
    fail("grid and image_start are not those of the finest region");
  }
}

} // namespace lvlm
