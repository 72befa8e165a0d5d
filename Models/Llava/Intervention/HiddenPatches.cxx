// SPDX-License-Identifier: Apache-2.0
#include "HiddenPatches.h"

#include "Models/Trace/PatchPixels.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace lvlm::llava
{

namespace
{
/// Values [lines, n] whose elements are `step` apart, lines `stride`, three colours each: every
/// line convolved with the kernel [-reach, reach].
std::vector<double> convolved(const std::vector<double>& values, std::int64_t lines,
  std::int64_t stride, std::int64_t n, std::int64_t step, const std::vector<double>& kernel)
{
  const auto reach = static_cast<std::int64_t>(kernel.size() / 2);
  std::vector<double> result(values.size());
  for (std::int64_t line = 0; line < lines; ++line)
  {
    for (std::int64_t at = 0; at < n; ++at)
    {
      std::array<double, 3> sum{};
      double total = 0;
      for (std::int64_t k = std::max<std::int64_t>(0, at - reach); k <= std::min(n - 1, at + reach);
           ++k)
      {
        const double weight = kernel[static_cast<std::size_t>(k - at + reach)];
        total += weight;
        for (std::size_t c = 0; c < 3; ++c)
        {
          sum[c] += weight * values[static_cast<std::size_t>(line * stride + k * step) + c];
        }
      }
      for (std::size_t c = 0; c < 3; ++c)
      {
        result[static_cast<std::size_t>(line * stride + at * step) + c] = sum[c] / total;
      }
    }
  }
  return result;
}

picture::RgbImage evenPicture(
  const picture::RgbImage& like, const std::array<std::uint8_t, 3>& color)
{
  picture::RgbImage even{ like.width, like.height, {} };
  even.pixels.reserve(like.pixels.size());
  for (std::int64_t i = 0; i < like.width * like.height; ++i)
  {
    even.pixels.insert(even.pixels.end(), color.begin(), color.end());
  }
  return even;
}
}

bool hidesEmbeddings(PatchFill fill)
{
  return fill == PatchFill::MeanEmbedding || fill == PatchFill::ZeroEmbedding;
}

picture::RgbImage blurred(const picture::RgbImage& picture, double deviation)
{
  const auto reach = static_cast<std::int64_t>(std::ceil(3 * deviation));
  std::vector<double> kernel;
  for (std::int64_t i = -reach; i <= reach; ++i)
  {
    kernel.push_back(std::exp(-0.5 * static_cast<double>(i * i) / (deviation * deviation)));
  }
  const std::int64_t width = picture.width, height = picture.height;
  std::vector<double> values(picture.pixels.begin(), picture.pixels.end());
  values = convolved(values, height, 3 * width, width, 3, kernel);
  values = convolved(values, width, 3, height, 3 * width, kernel);
  picture::RgbImage result{ width, height, {} };
  result.pixels.reserve(values.size());
  for (const double value : values)
  {
    result.pixels.push_back(static_cast<std::uint8_t>(std::lround(value)));
  }
  return result;
}

const picture::RgbImage& HiddenPatches::cover(PatchFill fill)
{
  const auto found = this->Covers.find(fill);
  if (found != this->Covers.end())
  {
    return found->second;
  }
  const double patch = static_cast<double>(this->Seen.width) / static_cast<double>(this->Grid.cols);
  picture::RgbImage cover = fill == PatchFill::Blur
    ? blurred(this->Seen, patch)
    : evenPicture(this->Seen,
        fill == PatchFill::MeanColor
          ? meanColor(this->Seen.pixels.data(), this->Seen.width * this->Seen.height)
          : std::array<std::uint8_t, 3>{});
  return this->Covers[fill] = std::move(cover);
}

picture::RgbImage HiddenPatches::without(const Indices& patches, PatchFill fill)
{
  picture::RgbImage result = this->Seen;
  const picture::RgbImage& cover = this->cover(fill);
  for (const std::int64_t patch : patches)
  {
    const PixelBox box = boxOfPatch(patch, this->Grid, result.width, result.height);
    for (std::int64_t y = box.top; y < box.bottom; ++y)
    {
      const std::int64_t begin = 3 * (y * result.width + box.left);
      std::copy_n(
        cover.pixels.begin() + begin, 3 * (box.right - box.left), result.pixels.begin() + begin);
    }
  }
  return result;
}

} // namespace lvlm::llava
