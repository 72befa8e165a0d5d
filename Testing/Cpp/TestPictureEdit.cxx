// SPDX-License-Identifier: Apache-2.0
// Edits of a picture: what a line may say, and what is covered. The fills are compared with numpy
// in Testing/Python/test_editing.py.
#include "Check.h"

#include "Models/Picture/PictureEdit.h"
#include "Models/Picture/SeenPart.h"

#include <algorithm>
#include <numeric>

namespace
{
using namespace lvlm;
using namespace lvlm::picture;

/// Every byte another one, as far as there are.
RgbImage ramp(std::int64_t width, std::int64_t height)
{
  RgbImage picture{ width, height,
    std::vector<std::uint8_t>(static_cast<std::size_t>(3 * width * height)) };
  std::iota(picture.pixels.begin(), picture.pixels.end(), std::uint8_t{ 0 });
  return picture;
}

std::int64_t changed(const RgbImage& a, const RgbImage& b)
{
  std::int64_t count = 0;
  for (std::size_t at = 0; at < a.pixels.size(); at += 3)
  {
    count += std::equal(a.pixels.begin() + static_cast<std::ptrdiff_t>(at),
               a.pixels.begin() + static_cast<std::ptrdiff_t>(at) + 3,
               b.pixels.begin() + static_cast<std::ptrdiff_t>(at))
      ? 0
      : 1;
  }
  return count;
}

void testLines()
{
  const PictureEdit rectangle = parseEdit(" rectangle 1 2  3 4\twhite ");
  CHECK(rectangle.shape == PictureEdit::Shape::Rectangle && rectangle.fill == EditFill::White);
  CHECK((rectangle.corners == std::array<std::int64_t, 4>{ 1, 2, 3, 4 }));
  const PictureEdit brush = parseEdit("brush 2.5 1 1 -3 4.5");
  CHECK(brush.radius == 2.5 && brush.fill == EditFill::Mean && brush.path.size() == 2);
  CHECK(brush.path[1][0] == -3 && brush.path[1][1] == 4.5);
  CHECK_THROWS(parseEdit(""), "none of rectangle, brush, crop");
  CHECK_THROWS(parseEdit("rectangle 1 2 3 4 5"), "not 5");
  CHECK_THROWS(parseEdit("rectangle 1 2 3 inf"), "'inf'");
  CHECK_THROWS(parseEdit("brush 1 2 3 4"), "radius and points");
  CHECK_THROWS(parseEdit("rectangle " + std::string(10000, 'x') + " 1 1 1"), "...'");
}

void testShapes()
{
  const RgbImage picture = ramp(8, 5);
  const auto after = [&](const char* line) { return applyEdits(picture, { parseEdit(line) }); };
  // The lower left pixel is the first of the last row.
  const RgbImage one = after("rectangle 0 0 0 0 black");
  CHECK(changed(picture, one) == 1 && one.pixels[3 * 8 * 4] == 0 && one.pixels[3 * 8 * 4 + 2] == 0);
  CHECK(changed(picture, after("rectangle 0 0 7 4 noise")) == 40);
  CHECK(changed(picture, after("brush 1 3 2 white")) == 5); // a plus sign
  CHECK(changed(picture, after("brush 0.5 1 1 6 1 white")) == 6);
  CHECK(changed(picture, after("brush 3 -2 2 white")) == 6); // over the edge: (0, 0 to 4), (1, 2)
  CHECK_THROWS(after("brush 0.4 1.5 1.5 white"), "touches no pixel");
  CHECK_THROWS(after("rectangle 0 0 8 4"), "0 to 7");
  const RgbImage part = after("crop 2 1 4 4");
  CHECK(part.width == 3 && part.height == 4 && part.pixels[0] == picture.pixels[3 * 2]);
  CHECK(blurReach(10, 5) == 1 && blurReach(480, 240) == 10);
}

void testSeenPart()
{
  ImageProcessorConfig config; // CLIP's: the shortest edge to 224, then the center
  const SeenPart wide = seenPart({ 1200, 400 }, config, ImageMode::Default);
  CHECK_NEAR(wide.left, 400, 1e-9);
  CHECK_NEAR(wide.right, 800, 1e-9);
  CHECK(wide.top == 0 && wide.bottom == 400);
  for (const ImageMode mode : { ImageMode::Pad, ImageMode::Resize })
  {
    const SeenPart whole = seenPart({ 1201, 400 }, config, mode);
    CHECK(whole.left == 0 && whole.right == 1201 && whole.top == 0 && whole.bottom == 400);
  }
  config.shortestEdge = 448; // the crop is then the middle of the middle
  const SeenPart middle = seenPart({ 400, 400 }, config, ImageMode::Default);
  CHECK_NEAR(middle.left, 100, 1e-9);
  CHECK_NEAR(middle.bottom, 300, 1e-9);
}
}

int main()
{
  testLines();
  testShapes();
  testSeenPart();
  return lvlm_test::checkResult();
}
