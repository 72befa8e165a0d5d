// SPDX-License-Identifier: Apache-2.0
// Regions of a picture: what their maps are, by sums over pixels written independently here, and
// what contradicts itself.
#include "Check.h"

#include "Models/Trace/Analysis.h"
#include "Models/Trace/PatchPixels.h"
#include "Models/Trace/Regions.h"

#include <cmath>
#include <random>

namespace
{
using namespace lvlm;
namespace tn = tensor_name;

constexpr std::int64_t Width = 60, Height = 40, P = 40;

/// A trace of `regions`, whose roles are theirs.
Trace traceWith(const std::vector<Region>& regions)
{
  Trace trace;
  trace.promptLength = P;
  trace.regions = regions;
  trace.roles.assign(P + 2, Role::Question);
  trace.roles[P] = trace.roles[P + 1] = Role::Answer;
  for (const Region& region : trace.regions)
  {
    for (std::int64_t patch = 0; patch < region.grid.count(); ++patch)
    {
      trace.roles[static_cast<std::size_t>(region.position(patch))] = Role::Image;
    }
  }
  trace.tokens.assign(P + 2, "t");
  trace.tensors[tn::TokenId] = Tensor::of(std::vector<std::int64_t>(P + 2), { P + 2 });
  trace.tensors[tn::Image] =
    Tensor::of(std::vector<std::uint8_t>(Width * Height * 3), { Height, Width, 3 });
  settleRegions(trace);
  trace.validate();
  return trace;
}

/// A coarse grid of 2 x 3 over a part of the picture and a fine one of 4 x 5 with newlines.
Trace twoRegions()
{
  return traceWith(
    { { 0, 2, { 2, 3 }, 3, { 6, 4, 54, 40 } }, { 0, 9, { 4, 5 }, 6, { 0, 0, 60, 40 } } });
}

/// Four tiles of 2 x 3 patches, each 8 x 9 pixels, over [6, 54) x [4, 40), in an order of their
/// own, one of them with newlines; and the whole picture on 2 x 3 patches, behind them.
Trace fourTiles()
{
  return traceWith({ { 0, 1, { 2, 3 }, 4, { 6, 4, 30, 22 } },
    { 0, 9, { 2, 3 }, 3, { 6, 22, 30, 40 } }, { 0, 16, { 2, 3 }, 3, { 30, 4, 54, 22 } },
    { 0, 22, { 2, 3 }, 3, { 30, 22, 54, 40 } }, { 0, 30, { 2, 3 }, 3, { 0, 0, 60, 40 } } });
}

/// The position whose patch covers a place of the picture, or -1.
std::int64_t positionAtPixel(const Region& region, double x, double y)
{
  const auto& [left, top, right, bottom] = region.box;
  if (x < left || x >= right || y < top || y >= bottom)
  {
    return -1;
  }
  const auto c =
    static_cast<std::int64_t>((x - left) / (right - left) * static_cast<double>(region.grid.cols));
  const auto r =
    static_cast<std::int64_t>((y - top) / (bottom - top) * static_cast<double>(region.grid.rows));
  return region.start + r * region.stride + c;
}

/// A map of rows x cols over `box` from the pixels of the picture: a cell has what the patch of
/// `fine` that covers it has, and of each patch of `coarse` the part of that patch's area on the
/// map which lies there; counted on a raster of a sixth of a pixel, whose lines fall on the edges
/// of all patches. What lies beside the map goes to the cell that is nearest.
std::vector<double> byRaster(const std::vector<double>& row, const std::vector<Region>& fine,
  const std::vector<Region>& coarse, const PatchGrid& grid, const Box& box)
{
  constexpr int Fine = 6;
  const double left = box[0], top = box[1], right = box[2], bottom = box[3];
  const auto cellAt = [&](double x, double y)
  {
    const auto c =
      static_cast<std::int64_t>((x - left) / (right - left) * static_cast<double>(grid.cols));
    const auto r =
      static_cast<std::int64_t>((y - top) / (bottom - top) * static_cast<double>(grid.rows));
    return static_cast<std::size_t>(r * grid.cols + c);
  };
  std::vector<double> map(static_cast<std::size_t>(grid.count()), 0.0);
  std::vector<double> area(P);
  std::vector<std::vector<double>> shares(P, std::vector<double>(map.size()));
  for (int y = 0; y < Height * Fine; ++y)
  {
    for (int x = 0; x < Width * Fine; ++x)
    {
      const double px = (x + 0.5) / Fine, py = (y + 0.5) / Fine;
      if (px < left || px >= right || py < top || py >= bottom)
      {
        continue;
      }
      for (const Region& region : coarse)
      {
        if (const std::int64_t at = positionAtPixel(region, px, py); at >= 0)
        {
          area[static_cast<std::size_t>(at)] += 1;
          shares[static_cast<std::size_t>(at)][cellAt(px, py)] += 1;
        }
      }
      for (const Region& region : fine)
      {
        if (const std::int64_t at = positionAtPixel(region, px, py); at >= 0)
        {
          map[cellAt(px, py)] = row[static_cast<std::size_t>(at)];
        }
      }
    }
  }
  for (std::size_t at = 0; at < area.size(); ++at)
  {
    for (std::size_t cell = 0; area[at] > 0 && cell < map.size(); ++cell)
    {
      map[cell] += row[at] * shares[at][cell] / area[at];
    }
  }
  return map;
}

std::vector<double> randomRow()
{
  std::mt19937 generator(3);
  std::uniform_real_distribution<double> uniform(0, 1);
  std::vector<double> row(P);
  for (double& value : row)
  {
    value = uniform(generator);
  }
  return row;
}

/// What ImageMap makes of a row of the whole sequence.
std::vector<double> mapOf(const Trace& trace, const std::vector<double>& row)
{
  const ImageMap image(trace);
  const auto first = row.begin() + image.first();
  std::vector<double> scratch;
  return image.of(std::vector<double>(first, first + image.count()), scratch);
}

void checkMap(const std::vector<double>& map, const std::vector<double>& expected)
{
  CHECK(map.size() == expected.size());
  for (std::size_t cell = 0; cell < map.size(); ++cell)
  {
    CHECK_NEAR(map[cell], expected[cell], 1e-9);
  }
}

void testMap()
{
  const Trace trace = twoRegions();
  CHECK(trace.grid.rows == 4 && trace.grid.cols == 5 && trace.imageStart == 9);
  const std::vector<double> row = randomRow();
  checkMap(mapOf(trace, row),
    byRaster(row, { trace.regions[1] }, { trace.regions[0] }, { 4, 5 }, { 0, 0, 60, 40 }));
}

/// Tiles are one map: each patch over its own pixels, and nothing lost of the whole picture's.
void testTiles()
{
  const Trace trace = fourTiles();
  const MapGrid grid = mapGrid(trace);
  CHECK(trace.grid.rows == 4 && trace.grid.cols == 6 && trace.imageStart == 1);
  CHECK((grid.box == Box{ 6, 4, 54, 40 }));
  const std::vector<double> row = randomRow();
  const std::vector<Region> tiles(trace.regions.begin(), trace.regions.end() - 1);
  const std::vector<double> map = mapOf(trace, row);
  checkMap(map, byRaster(row, tiles, { trace.regions[4] }, { 4, 6 }, { 6, 4, 54, 40 }));
  double mass = 0, sum = 0;
  for (std::size_t p = 0; p < row.size(); ++p)
  {
    mass += trace.roles[p] == Role::Image ? row[p] : 0;
  }
  for (const double value : map)
  {
    sum += value;
  }
  CHECK_NEAR(sum, mass, 1e-9);
  const std::vector<std::int64_t> positions = grid.positions();
  for (std::int64_t cell = 0; cell < 24; ++cell)
  {
    const std::int64_t position = positions[static_cast<std::size_t>(cell)];
    CHECK(grid.position(cell) == position && grid.cellAt(position) == cell);
    const auto [x, y] = centreAtPosition(trace, position);
    CHECK_NEAR(x, 6 + 8 * (static_cast<double>(cell % 6) + 0.5), 1e-9);
    CHECK_NEAR(y, 4 + 9 * (static_cast<double>(cell / 6) + 0.5), 1e-9);
  }
  CHECK(grid.cellAt(4) == -1);  // a newline
  CHECK(grid.cellAt(31) == -1); // the whole picture's
  CHECK_THROWS(grid.position(24), "cell 24");
  const Trace one = withRegion(trace, 2);
  CHECK(one.grid.rows == 2 && one.grid.cols == 3 && one.imageStart == 16);
  checkMap(mapOf(one, row), { row.begin() + 16, row.begin() + 22 });
}

/// What does not fill a rectangle, or is of another scale, is no grid: the finest alone has the
/// map.
void testNoTiles()
{
  const auto alone = [](std::size_t changed, const Box& box)
  {
    Trace trace = fourTiles();
    trace.regions[changed].box = box;
    settleRegions(trace);
    return mapGrid(trace).parts.size() == 1;
  };
  CHECK(alone(3, { 36, 22, 60, 40 })); // a gap
  CHECK(alone(3, { 30, 13, 54, 31 })); // over another tile
  CHECK(alone(3, { 34, 22, 58, 40 })); // half a patch to the right
  CHECK(alone(3, { 30, 22, 60, 40 })); // wider patches
  CHECK(alone(3, { 6, 4, 30, 22 }));   // twice the same place
  CHECK(alone(3, { std::nan(""), 22, 54, 40 }));
  CHECK(alone(3, { 30, 22, 1e308, 40 }));
  CHECK(!alone(3, { 30, 22, 53.5, 40 })); // a tenth of a patch does not show
  Trace two = fourTiles();
  two.regions[3].image = 1;
  settleRegions(two);
  CHECK(mapGrid(two).parts.size() == 1);
}

void testPositions()
{
  const Trace trace = twoRegions();
  CHECK(mapGrid(trace).position(7) == 9 + 6 + 2);
  CHECK(patchAtPosition(trace, 17) == 7);
  CHECK(patchAtPosition(trace, 14) == -1); // the first row's newline
  CHECK(patchAtPosition(trace, 3) == -1);  // of the other region
  const auto centre = centreAtPosition(trace, 3);
  CHECK_NEAR(centre[0], 6 + 48.0 / 3 * 1.5, 1e-12);
  CHECK_NEAR(centre[1], 4 + 36.0 / 4, 1e-12);
  CHECK_THROWS(centreAtPosition(trace, 14), "is no patch");
  const PixelBox box = boxOfPatch(7, mapGrid(trace).grid, mapGrid(trace).box);
  CHECK(box.left == 24 && box.right == 36 && box.top == 10 && box.bottom == 20);
}

void testOneRegion()
{
  const Trace trace = twoRegions();
  const Trace coarse = withRegion(trace, 0);
  CHECK(coarse.grid.rows == 2 && coarse.grid.cols == 3 && coarse.imageStart == 2);
  CHECK(mapGrid(coarse).box[0] == 6);
  const Trace fine = withRegion(trace, 1);
  CHECK(ImageMap(fine).cells() == 20);
  CHECK(withRegion(trace, -1).regions.size() == 2);
  CHECK_THROWS(withRegion(trace, 2), "Region: 2 is out of range: the trace has regions 0 to 1");
  CHECK_THROWS(withRegion(trace, -2), "out of range");
  // A list of one grid in one piece over the whole picture says no more than grid and image_start.
  Trace plain = trace;
  plain.regions = { { 0, 9, { 4, 5 }, 5, { 0, 0, 60, 40 } } };
  settleRegions(plain);
  CHECK(plain.regions.empty() && plain.imageStart == 9);
}

void testText()
{
  const Trace trace = twoRegions();
  const std::vector<Region> read = parseRegions(textOfRegions(trace.regions));
  CHECK(read.size() == 2 && read[0].box == trace.regions[0].box && read[1].stride == 6);
  CHECK(read[1].start == 9 && read[1].grid.cols == 5);
  for (const char* bad : { "", "[]", "{}", "[1]", "[{}]", R"([{"start":0,"rows":1,"cols":1}])",
         R"([{"start":0,"rows":1,"cols":1,"box":[0,0,1]}])",
         R"([{"start":0,"rows":0,"cols":1,"box":[0,0,1,1]}])",
         R"([{"start":0,"rows":1e3,"cols":1,"box":[0,0,1,1]}])",
         R"([{"start":18446744073709551615,"rows":1,"cols":1,"box":[0,0,1,1]}])",
         R"([{"start":0,"rows":1,"cols":1,"box":[0,0,"x",1]}])" })
  {
    CHECK_THROWS(parseRegions(bad), "");
  }
}

template <typename Change>
void refused(const Change& change, const std::string& text)
{
  Trace trace = twoRegions();
  change(trace);
  CHECK_THROWS(trace.validate(), text);
}

void testContradictions()
{
  refused([](Trace& t) { t.regions[1].start = 30; }, "are not inside the prompt of 40");
  refused([](Trace& t) { t.regions[1].stride = 4; }, "are not inside the prompt");
  refused([](Trace& t) { t.regions[1].stride = 1LL << 60; }, "are not inside the prompt");
  refused([](Trace& t) { t.regions[0].start = -1; }, "are not inside the prompt");
  refused([](Trace& t) { t.regions[1].start = 5; }, "belongs to another region too");
  refused([](Trace& t) { t.regions[1].grid = { 1 << 20, 1 << 20 }; }, "impossible grid");
  refused([](Trace& t) { t.regions[1].grid.rows = 3; }, "which contradicts regions");
  refused([](Trace& t) { t.regions[1].box[2] = 61; }, "not inside the picture of 60 x 40");
  refused([](Trace& t) { t.regions[1].box[2] = std::nan(""); }, "not inside the picture");
  refused([](Trace& t) { t.regions[1].box[2] = 0; }, "not inside the picture");
  refused([](Trace& t) { t.regions[0].image = -1; }, "does not exist");
  refused([](Trace& t) { t.roles[14] = Role::Image; }, "position 14 has role 'image'");
  refused([](Trace& t) { t.imageStart = 2; }, "not those of the regions");
}
}

int main()
{
  testMap();
  testTiles();
  testNoTiles();
  testPositions();
  testOneRegion();
  testText();
  testContradictions();
  return lvlm_test::checkResult();
}
