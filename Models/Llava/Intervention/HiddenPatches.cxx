// SPDX-License-Identifier: Apache-2.0
#include "HiddenPatches.h"

#include "Models/Trace/PatchPixels.h"
#include "Models/Trace/Regions.h"

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

HiddenPatches::HiddenPatches(picture::SeenPicture seen)
  : Seen(std::move(seen)), Fine(finestRegion(this->Seen.tokens.regions))
{
}

const std::vector<picture::RgbImage>& HiddenPatches::covers(PatchFill fill)
{
  const auto found = this->Covers.find(fill);
  if (found != this->Covers.end())
  {
    return found->second;
  }
  // The first tile is the picture without the black beside it.
  const picture::RgbImage& whole =
    this->Seen.tiles.empty() ? this->Seen.shown : this->Seen.tiles[0];
  const std::array<std::uint8_t, 3> color = fill == PatchFill::MeanColor
    ? meanColor(whole.pixels.data(), whole.width * whole.height)
    : std::array<std::uint8_t, 3>{};
  const double patch =
    (this->Fine.box[2] - this->Fine.box[0]) / static_cast<double>(this->Fine.grid.cols);
  std::vector<picture::RgbImage> all;
  const auto add = [&](const picture::RgbImage& picture, const Box& view)
  {
    const double scale = static_cast<double>(picture.width) / (view[2] - view[0]);
    all.push_back(
      fill == PatchFill::Blur ? blurred(picture, patch * scale) : evenPicture(picture, color));
  };
  add(this->Seen.shown, { 0, 0, static_cast<double>(this->Seen.shown.width), 0 });
  for (std::size_t tile = 0; tile < this->Seen.tiles.size(); ++tile)
  {
    add(this->Seen.tiles[tile], this->viewOf(tile));
  }
  return this->Covers[fill] = std::move(all);
}

Box HiddenPatches::viewOf(std::size_t tile) const
{
  const std::vector<Region>& regions = this->Seen.tokens.regions;
  if (tile == 0) // the whole picture, whose grid is a region
  {
    return regions.front().box;
  }
  const picture::RgbImage& canvas = this->Seen.shown;
  const std::int64_t edge = this->Seen.edge;
  const std::int64_t cols = canvas.width / edge;
  const auto left = static_cast<double>((static_cast<std::int64_t>(tile) - 1) % cols * edge);
  const auto top = static_cast<double>((static_cast<std::int64_t>(tile) - 1) / cols * edge);
  return { left, top, left + static_cast<double>(edge), top + static_cast<double>(edge) };
}

void HiddenPatches::fill(
  picture::RgbImage& picture, const Box& view, const Box& box, const picture::RgbImage& cover)
{
  const auto pixel = [](double place, double low, double high, std::int64_t pixels)
  {
    const double at = std::floor((place - low) / (high - low) * static_cast<double>(pixels) + 0.5);
    return static_cast<std::int64_t>(std::clamp(at, 0.0, static_cast<double>(pixels)));
  };
  const std::int64_t left = pixel(box[0], view[0], view[2], picture.width);
  const std::int64_t right = pixel(box[2], view[0], view[2], picture.width);
  const std::int64_t bottom = pixel(box[3], view[1], view[3], picture.height);
  for (std::int64_t y = pixel(box[1], view[1], view[3], picture.height); y < bottom; ++y)
  {
    const std::int64_t begin = 3 * (y * picture.width + left);
    std::copy_n(cover.pixels.begin() + begin, 3 * (right - left), picture.pixels.begin() + begin);
  }
}

picture::SeenPicture HiddenPatches::without(const Indices& patches, PatchFill fill)
{
  picture::SeenPicture result = this->Seen;
  const std::vector<picture::RgbImage>& covers = this->covers(fill);
  for (const std::int64_t patch : patches)
  {
    const PixelBox pixels = boxOfPatch(patch, this->Fine.grid, this->Fine.box);
    const Box box{ static_cast<double>(pixels.left), static_cast<double>(pixels.top),
      static_cast<double>(pixels.right), static_cast<double>(pixels.bottom) };
    const Box whole{ 0, 0, static_cast<double>(result.shown.width),
      static_cast<double>(result.shown.height) };
    HiddenPatches::fill(result.shown, whole, box, covers[0]);
    for (std::size_t tile = 0; tile < result.tiles.size(); ++tile)
    {
      HiddenPatches::fill(result.tiles[tile], this->viewOf(tile), box, covers[tile + 1]);
    }
  }
  return result;
}

Indices HiddenPatches::tokensOf(const Indices& patches) const
{
  Indices tokens;
  std::vector<bool> hidden(static_cast<std::size_t>(this->patches()));
  for (const std::int64_t patch : patches)
  {
    tokens.push_back(this->Fine.position(patch));
    hidden[static_cast<std::size_t>(patch)] = true;
  }
  const auto& [left, top, right, bottom] = this->Fine.box;
  const auto place = [](double at, double low, double high, std::int64_t count)
  {
    return static_cast<std::int64_t>(
      std::floor((at - low) / (high - low) * static_cast<double>(count)));
  };
  for (const Region& region : this->Seen.tokens.regions)
  {
    for (std::int64_t patch = 0; region.start != this->Fine.start && patch < region.grid.count();
         ++patch)
    {
      const auto [x, y] = region.centre(patch);
      const std::int64_t col = place(x, left, right, this->Fine.grid.cols);
      const std::int64_t row = place(y, top, bottom, this->Fine.grid.rows);
      const bool inside =
        col >= 0 && row >= 0 && col < this->Fine.grid.cols && row < this->Fine.grid.rows;
      if (inside && hidden[static_cast<std::size_t>(row * this->Fine.grid.cols + col)])
      {
        tokens.push_back(region.position(patch));
      }
    }
  }
  return tokens;
}

} // namespace lvlm::llava
