// SPDX-License-Identifier: Apache-2.0
#include "ImageFeatures.h"

namespace lvlm::llava
{

namespace
{
picture::RgbImage imageAt(const std::uint8_t* pixels, std::int64_t height, std::int64_t width)
{
  return { width, height, { pixels, pixels + 3 * height * width } };
}
}

namespace
{
/// The tiles' patches [tiles * patches, Dt] as the decoder reads them, row by row of the large
/// grid.
at::Tensor fineRows(
  const LlavaModel::Impl& model, const at::Tensor& patches, const picture::ImageTokens& tokens)
{
  const std::int64_t D = patches.size(1), h = tokens.shrunk.rows, w = tokens.shrunk.cols;
  const at::Tensor sources = at::tensor(tokens.sources, at::kLong).to(patches.device());
  at::Tensor large = patches.index_select(0, sources)
                       .view({ tokens.large.rows, tokens.large.cols, D }); // [H, W, Dt]
  if (h != tokens.large.rows || w != tokens.large.cols)
  {
    const at::Tensor planes = large.permute({ 2, 0, 1 }).unsqueeze(0).contiguous();
    large = at::upsample_bilinear2d(planes, { h, w }, false).squeeze(0).permute({ 1, 2, 0 });
  }
  const at::Tensor ends = model.vision.newline().unsqueeze(0).expand({ h, 1, D });
  return at::cat({ large, ends }, 1).reshape({ h * (w + 1), D });
}
}

picture::SeenPicture seenAs(const LlavaModel::Impl& model, const std::vector<Tensor>& pictures,
  const picture::ImageTokens& tokens)
{
  const Tensor& image = pictures.at(0);
  picture::SeenPicture seen;
  seen.tokens = tokens;
  seen.edge = model.config.vision.imageSize;
  seen.shown = imageAt(image.as<std::uint8_t>(), image.extent(0), image.extent(1));
  if (pictures.size() > 1)
  {
    const Tensor& tiles = pictures[1];
    const std::int64_t height = tiles.extent(1), width = tiles.extent(2);
    for (std::int64_t i = 0; i < tiles.extent(0); ++i)
    {
      seen.tiles.push_back(
        imageAt(tiles.as<std::uint8_t>() + i * 3 * height * width, height, width));
    }
  }
  return seen;
}

at::Tensor imageFeatures(const LlavaModel::Impl& model, const picture::SeenPicture& seen,
  Workspace& workspace, const VisionTower::LayerTap& tap, const Progress& progress)
{
  if (seen.tiles.empty())
  {
    return model.vision.forward(model.pixels(seen.shown), workspace, tap, progress);
  }
  const VisionTower::LayerTap beat = [&tap](std::int64_t layer, std::int64_t row, const at::Tensor&)
  { return tap ? tap(layer, row, at::Tensor()) : at::Tensor(); };
  const double share = 1 / static_cast<double>(seen.tiles.size());
  std::vector<at::Tensor> rows;
  for (std::size_t i = 0; i < seen.tiles.size(); ++i)
  {
    const Progress own = [&](double fraction, const std::string& text)
    {
      return !progress ||
        progress(share * (static_cast<double>(i) + fraction),
          "Tile " + std::to_string(i + 1) + " of " + std::to_string(seen.tiles.size()) + ": " +
            text);
    };
    rows.push_back(model.vision.forward(
      model.pixels(seen.tiles[i]), workspace, i == 0 ? tap : beat, own)); // [patches, Dt]
  }
  const at::Tensor whole = rows[0];
  return at::cat({ whole, fineRows(model, at::cat(rows, 0), seen.tokens) }, 0);
}

} // namespace lvlm::llava
