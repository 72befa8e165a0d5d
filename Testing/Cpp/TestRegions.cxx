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

/// A coarse grid of 2 x 3 over a part of the picture and a fine one of 4 x 5 with newlines.
Trace twoRegions()
{
  Trace trace;
  trace.promptLength = P;
  trace.regions = { { 0, 2, { 2, 3 }, 3, { 6, 4, 54, 40 } },
    { 0, 9, { 4, 5 }, 6, { 0, 0, 60, 40 } } };
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

/// A fine patch's own value, and of each coarse one the part of its area that lies there, counted
/// on a raster of a sixth of a pixel, whose lines fall on the edges of all patches.
std::vector<double> byRaster(const Trace& trace, const std::vector<double>& row)
{
  constexpr int Fine = 6;
  const Region& coarse = trace.regions[0];
  const Region& fine = trace.regions[1];
  const auto patchAtPixel = [](const Region& region, double x, double y)
  {
    const auto& [left, top, right, bottom] = region.box;
    if (x < left || x >= right || y < top || y >= bottom)
    {
      return std::int64_t{ -1 };
    }
    const auto c = static_cast<std::int64_t>(
      (x - left) / (right - left) * static_cast<double>(region.grid.cols));
    const auto r =
      static_cast<std::int64_t>((y - top) / (bottom - top) * static_cast<double>(region.grid.rows));
    return r * region.grid.cols + c;
  };
  std::vector<double> area(static_cast<std::size_t>(coarse.grid.count()));
  std::vector<std::vector<double>> shares(
    area.size(), std::vector<double>(static_cast<std::size_t>(fine.grid.count())));
  for (int y = 0; y < Height * Fine; ++y)
  {
    for (int x = 0; x < Width * Fine; ++x)
    {
      const double px = (x + 0.5) / Fine, py = (y + 0.5) / Fine;
      const std::int64_t from = patchAtPixel(coarse, px, py), to = patchAtPixel(fine, px, py);
      if (from >= 0 && to >= 0)
      {
        area[static_cast<std::size_t>(from)] += 1;
        shares[static_cast<std::size_t>(from)][static_cast<std::size_t>(to)] += 1;
      }
    }
  }
  std::vector<double> map;
  for (std::int64_t cell = 0; cell < fine.grid.count(); ++cell)
  {
    double value = row[static_cast<std::size_t>(fine.position(cell))];
    for (std::size_t patch = 0; patch < area.size(); ++patch)
    {
      value += row[static_cast<std::size_t>(coarse.position(static_cast<std::int64_t>(patch)))] *
        shares[patch][static_cast<std::size_t>(cell)] / area[patch];
    }
    map.push_back(value);
  }
  return map;
}

void testMap()
{
  const Trace trace = twoRegions();
  CHECK(trace.grid.rows == 4 && trace.grid.cols == 5 && trace.imageStart == 9);
  std::mt19937 generator(3);
  std::uniform_real_distribution<double> uniform(0, 1);
  std::vector<double> row(P);
  for (double& value : row)
  {
    value = uniform(generator);
  }
  const ImageMap image(trace);
  const std::vector<double> part(
    row.begin() + image.first(), row.begin() + image.first() + image.count());
  std::vector<double> scratch;
  const std::vector<double>& map = image.of(part, scratch);
  const std::vector<double> expected = byRaster(trace, row);
  for (std::size_t cell = 0; cell < map.size(); ++cell)
  {
    CHECK_NEAR(map[cell], expected[cell], 1e-9);
  }
}

void testPositions()
{
  const Trace trace = twoRegions();
  CHECK(mapRegion(trace).position(7) == 9 + 6 + 2);
  CHECK(patchAtPosition(trace, 17) == 7);
  CHECK(patchAtPosition(trace, 14) == -1); // the first row's newline
  CHECK(patchAtPosition(trace, 3) == -1);  // of the other region
  const auto centre = centreAtPosition(trace, 3);
  CHECK_NEAR(centre[0], 6 + 48.0 / 3 * 1.5, 1e-12);
  CHECK_NEAR(centre[1], 4 + 36.0 / 4, 1e-12);
  CHECK_THROWS(centreAtPosition(trace, 14), "is no patch");
  const PixelBox box = boxOfPatch(7, mapRegion(trace));
  CHECK(box.left == 24 && box.right == 36 && box.top == 10 && box.bottom == 20);
}

void testOneRegion()
{
  const Trace trace = twoRegions();
  const Trace coarse = withRegion(trace, 0);
  CHECK(coarse.grid.rows == 2 && coarse.grid.cols == 3 && coarse.imageStart == 2);
  CHECK(mapRegion(coarse).box[0] == 6);
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
  refused([](Trace& t) { t.imageStart = 2; }, "not those of the finest region");
}
}

int main()
{
  testMap();
  testPositions();
  testOneRegion();
  testText();
  testContradictions();
  return lvlm_test::checkResult();
}
