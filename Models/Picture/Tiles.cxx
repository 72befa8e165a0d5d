// SPDX-License-Identifier: Apache-2.0
#include "Tiles.h"

#include "PillowResize.h"

#include "Models/Trace/Error.h"

#include <algorithm>
#include <cmath>

namespace lvlm::picture
{

namespace
{
void checkSizes(
  const PictureSize& picture, const std::vector<PictureSize>& canvases, std::int64_t edge)
{
  if (picture.width < 1 || picture.height < 1 || picture.width > MaximumImageEdge ||
    picture.height > MaximumImageEdge)
  {
    fail("a picture of ", picture.width, " x ", picture.height, " pixels cannot be cut into tiles");
  }
  if (canvases.empty())
  {
    fail("image_grid_pinpoints is empty");
  }
  for (const auto& [width, height] : canvases)
  {
    if (edge < 1 || width < 1 || height < 1 || width % edge != 0 || height % edge != 0 ||
      width > MaximumModelPixels / height)
    {
      fail("image_grid_pinpoints holds ", height, " x ", width, ", which is not made of tiles of ",
        edge, " pixels, or too large");
    }
  }
}

/// Pixels of the picture that a canvas can show, at most all of them.
std::int64_t keptPixels(const PictureSize& picture, const PictureSize& canvas)
{
  const auto w = static_cast<double>(picture.width), h = static_cast<double>(picture.height);
  const double scale =
    std::min(static_cast<double>(canvas.width) / w, static_cast<double>(canvas.height) / h);
  const auto width = static_cast<std::int64_t>(w * scale);
  const auto height = static_cast<std::int64_t>(h * scale);
  return std::min(width * height, picture.width * picture.height);
}

/// Hugging Face's get_patch_output_size.
PictureSize fitted(const PictureSize& picture, const PictureSize& canvas)
{
  const auto w = static_cast<double>(picture.width), h = static_cast<double>(picture.height);
  const double across = static_cast<double>(canvas.width) / w;
  const double down = static_cast<double>(canvas.height) / h;
  const auto up = [](double value, std::int64_t most)
  { return std::min(static_cast<std::int64_t>(std::ceil(value)), most); };
  return across < down ? PictureSize{ canvas.width, up(h * across, canvas.height) }
                       : PictureSize{ up(w * down, canvas.width), canvas.height };
}

/// What Python's round(value, 7) gives int() to cut.
std::int64_t wholePart(double value)
{
  return static_cast<std::int64_t>(std::nearbyint(value * 1e7) / 1e7);
}

/// Rows or columns of the large grid that lie beside the picture, on either side.
struct Margins
{
  std::int64_t rows = 0, cols = 0;
};

/// Hugging Face's unpad_image, for a grid of rows x cols.
Margins marginsOf(const PatchGrid& grid, const PictureSize& picture)
{
  const auto rows = static_cast<double>(grid.rows), cols = static_cast<double>(grid.cols);
  const auto w = static_cast<double>(picture.width), h = static_cast<double>(picture.height);
  if (w / h > cols / rows)
  {
    return { (grid.rows - wholePart(h * (cols / w))) / 2, 0 };
  }
  return { 0, (grid.cols - wholePart(w * (rows / h))) / 2 };
}
}

TilePlan planTiles(const PictureSize& picture,
  const std::vector<std::array<std::int64_t, 2>>& pinpoints, std::int64_t edge)
{
  std::vector<PictureSize> canvases;
  for (const auto& [height, width] : pinpoints)
  {
    canvases.push_back({ width, height });
  }
  checkSizes(picture, canvases, edge);
  const auto better = [&](const PictureSize& a, const PictureSize& b)
  {
    const std::int64_t keptA = keptPixels(picture, a), keptB = keptPixels(picture, b);
    return keptA != keptB ? keptA > keptB : a.width * a.height < b.width * b.height;
  };
  PictureSize canvas = canvases.front();
  for (const PictureSize& other : canvases)
  {
    canvas = better(other, canvas) ? other : canvas;
  }
  TilePlan plan;
  plan.edge = edge;
  plan.rows = canvas.height / edge;
  plan.cols = canvas.width / edge;
  plan.content = fitted(picture, canvas);
  plan.left = (canvas.width - plan.content.width) / 2;
  plan.top = (canvas.height - plan.content.height) / 2;
  return plan;
}

ImageTokens tokensOfOne(const TileTokens& tile, const PictureSize& seen, bool closed)
{
  ImageTokens tokens;
  tokens.count = tile.perTile() + (closed ? 1 : 0);
  tokens.regions = { { 0, tile.leading, tile.grid, tile.grid.cols,
    { 0, 0, static_cast<double>(seen.width), static_cast<double>(seen.height) } } };
  return tokens;
}

namespace
{
/// LLaVA-OneVision's bound on the patches of all tiles, each of them a square of `edge` patches.
PatchGrid shrunkGrid(const PatchGrid& large, std::int64_t edge, std::int64_t mostTiles)
{
  constexpr double Tolerated = 1.1;
  const double ratio = mostTiles > 0
    ? std::sqrt(static_cast<double>(large.count()) / static_cast<double>(mostTiles * edge * edge))
    : 0;
  const auto part = [ratio](std::int64_t count)
  { return static_cast<std::int64_t>(std::floor(static_cast<double>(count) / ratio)); };
  return ratio > Tolerated ? PatchGrid{ part(large.rows), part(large.cols) } : large;
}
}

ImageTokens tokensOfTiles(
  const TilePlan& plan, const TileTokens& tile, const PictureSize& picture, std::int64_t mostTiles)
{
  const PatchGrid& grid = tile.grid;
  const auto left = static_cast<double>(plan.left), top = static_cast<double>(plan.top);
  ImageTokens tokens = tokensOfOne({ grid, 0 }, plan.content);
  tokens.regions[0].box = { left, top, left + static_cast<double>(plan.content.width),
    top + static_cast<double>(plan.content.height) };
  const PatchGrid all{ plan.rows * grid.rows, plan.cols * grid.cols };
  const Margins margins = marginsOf(all, picture);
  for (std::int64_t row = margins.rows; row < all.rows - margins.rows; ++row)
  {
    for (std::int64_t col = margins.cols; col < all.cols - margins.cols; ++col)
    {
      const std::int64_t number = 1 + row / grid.rows * plan.cols + col / grid.cols;
      const std::int64_t patch = row % grid.rows * grid.cols + col % grid.cols;
      tokens.sources.push_back(number * grid.count() + patch);
    }
  }
  tokens.large = { all.rows - 2 * margins.rows, all.cols - 2 * margins.cols };
  tokens.shrunk = shrunkGrid(tokens.large, grid.rows, mostTiles);
  if (tokens.large.count() > 0 && tokens.shrunk.count() < 1)
  {
    fail(
      "a picture of ", picture.width, " x ", picture.height, " pixels is too thin for its tiles");
  }
  const auto down = static_cast<double>(plan.edge) / static_cast<double>(grid.rows);
  const auto across = static_cast<double>(plan.edge) / static_cast<double>(grid.cols);
  const Region fine{ 0, tokens.count, tokens.shrunk, tokens.shrunk.cols + 1,
    { across * static_cast<double>(margins.cols), down * static_cast<double>(margins.rows),
      across * static_cast<double>(all.cols - margins.cols),
      down * static_cast<double>(all.rows - margins.rows) } };
  tokens.count += fine.grid.rows * fine.stride;
  if (fine.grid.count() > 0) // a picture may be too thin for a single row
  {
    tokens.regions.push_back(fine);
  }
  return tokens;
}

SeenPicture cutTiles(
  const RgbImage& image, const TilePlan& plan, const ImageProcessorConfig& config)
{
  const auto [width, height] = plan.canvas();
  const RgbImage content = resizeWindow(Canvas(image), plan.content.width, plan.content.height,
    config.resample, { 0, 0, plan.content.width, plan.content.height });
  SeenPicture seen;
  seen.edge = plan.edge;
  seen.shown = { width, height,
    std::vector<std::uint8_t>(static_cast<std::size_t>(width * height) * 3) };
  for (std::int64_t row = 0; row < content.height; ++row)
  {
    std::copy_n(content.pixels.begin() + 3 * row * content.width, 3 * content.width,
      seen.shown.pixels.begin() + 3 * ((plan.top + row) * width + plan.left));
  }
  seen.tiles.push_back(resizeWindow(
    Canvas(image), plan.edge, plan.edge, config.resample, { 0, 0, plan.edge, plan.edge }));
  for (std::int64_t tile = 0; tile < plan.rows * plan.cols; ++tile)
  {
    const std::int64_t top = tile / plan.cols * plan.edge, left = tile % plan.cols * plan.edge;
    RgbImage cut{ plan.edge, plan.edge, {} };
    for (std::int64_t row = 0; row < plan.edge; ++row)
    {
      const auto begin = seen.shown.pixels.begin() + 3 * ((top + row) * width + left);
      cut.pixels.insert(cut.pixels.end(), begin, begin + 3 * plan.edge);
    }
    seen.tiles.push_back(std::move(cut));
  }
  return seen;
}

} // namespace lvlm::picture
