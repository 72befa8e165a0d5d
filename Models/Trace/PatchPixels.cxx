// SPDX-License-Identifier: Apache-2.0
#include "PatchPixels.h"

namespace lvlm
{

namespace
{
/// First pixel of the patch `index` of `count` along an edge; the next one's first pixel ends it.
std::int64_t edgeOf(std::int64_t index, std::int64_t count, std::int64_t pixels)
{
  return (2 * index * pixels + count) / (2 * count); // rounded
}
}

PixelBox boxOfPatch(
  std::int64_t patch, const PatchGrid& grid, std::int64_t width, std::int64_t height)
{
  const std::int64_t row = patch / grid.cols, col = patch % grid.cols;
  return { edgeOf(col, grid.cols, width), edgeOf(col + 1, grid.cols, width),
    edgeOf(row, grid.rows, height), edgeOf(row + 1, grid.rows, height) };
}

std::array<std::uint8_t, 3> meanColor(const std::uint8_t* pixels, std::int64_t count)
{
  std::array<std::uint8_t, 3> mean{};
  if (count <= 0)
  {
    return mean;
  }
  std::array<std::int64_t, 3> sum{};
  for (std::int64_t i = 0; i < 3 * count; ++i)
  {
    sum[static_cast<std::size_t>(i % 3)] += pixels[i];
  }
  for (std::size_t c = 0; c < 3; ++c)
  {
    mean[c] = static_cast<std::uint8_t>((sum[c] + count / 2) / count);
  }
  return mean;
}

} // namespace lvlm
