// SPDX-License-Identifier: Apache-2.0
#include "PatchPixels.h"

#include <cmath>

namespace lvlm
{

namespace
{
/// First pixel of the patch `index` of `count` from `low` to `high`; the next one's ends it.
std::int64_t edgeOf(std::int64_t index, std::int64_t count, double low, double high)
{
  const double edge = low + static_cast<double>(index) * (high - low) / static_cast<double>(count);
  return static_cast<std::int64_t>(std::floor(edge + 0.5));
}
}

PixelBox boxOfPatch(std::int64_t patch, const PatchGrid& grid, const Box& box)
{
  const auto& [rows, cols] = grid;
  const auto& [left, top, right, bottom] = box;
  const std::int64_t row = patch / cols, col = patch % cols;
  return { edgeOf(col, cols, left, right), edgeOf(col + 1, cols, left, right),
    edgeOf(row, rows, top, bottom), edgeOf(row + 1, rows, top, bottom) };
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
