// SPDX-License-Identifier: Apache-2.0
#include "ImageFeatures.h"

#include <algorithm>

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

picture::SeenPicture seenAs(const LlavaModel::Impl& model, const Tensor& image, const Tensor* tiles,
  const picture::ImageTokens& tokens)
{
  picture::SeenPicture seen;
  seen.tokens = tokens;
  seen.edge = model.config.vision.imageSize;
  seen.shown = imageAt(image.as<std::uint8_t>(), image.extent(0), image.extent(1));
  const std::int64_t count = tiles ? tiles->extent(0) : 0;
  for (std::int64_t i = 0; i < count; ++i)
  {
    const std::int64_t height = tiles->extent(1), width = tiles->extent(2);
    seen.tiles.push_back(
      imageAt(tiles->as<std::uint8_t>() + i * 3 * height * width, height, width));
  }
  return seen;
}

namespace
{
/// A tap that is called as often but sees nothing.
VisionTower::LayerTap beatOf(const VisionTower::LayerTap& tap)
{
  return [&tap](std::int64_t layer, std::int64_t row, const at::Tensor&)
  { return tap ? tap(layer, row, at::Tensor()) : at::Tensor(); };
}

/// The `part`th of `parts` alike, whose texts begin with what they are.
Progress partOf(const Progress& progress, const char* what, std::size_t part, std::size_t parts)
{
  return [&progress, what, part, parts](double fraction, const std::string& text)
  {
    const std::string which = parts == 1
      ? std::string()
      : std::string(what) + " " + std::to_string(part + 1) + " of " + std::to_string(parts) + ": ";
    return !progress ||
      progress((static_cast<double>(part) + fraction) / static_cast<double>(parts), which + text);
  };
}
}

at::Tensor imageFeatures(const LlavaModel::Impl& model, const picture::SeenPicture& seen,
  Workspace& workspace, const VisionTower::LayerTap& tap, const Progress& progress)
{
  if (seen.tiles.empty())
  {
    const at::Tensor patches =
      model.vision.forward(model.pixels(seen.shown), workspace, tap, progress); // [patches, Dt]
    const bool closed = seen.tokens.count > patches.size(0);
    return closed ? at::cat({ patches, model.vision.newline() }, 0) : patches;
  }
  const VisionTower::LayerTap beat = beatOf(tap);
  std::vector<at::Tensor> rows;
  for (std::size_t i = 0; i < seen.tiles.size(); ++i)
  {
    rows.push_back(model.vision.forward(model.pixels(seen.tiles[i]), workspace, i == 0 ? tap : beat,
      partOf(progress, "Tile", i, seen.tiles.size()))); // [patches, Dt]
  }
  const at::Tensor whole = rows[0];
  return at::cat({ whole, fineRows(model, at::cat(rows, 0), seen.tokens) }, 0);
}

std::vector<at::Tensor> imageFeatures(const LlavaModel::Impl& model,
  const std::vector<picture::SeenPicture>& seen, Workspace& workspace,
  const VisionTower::LayerTap& tap, const Progress& progress)
{
  const VisionTower::LayerTap beat = beatOf(tap);
  std::vector<at::Tensor> features;
  for (std::size_t i = 0; i < seen.size(); ++i)
  {
    features.push_back(imageFeatures(
      model, seen[i], workspace, i == 0 ? tap : beat, partOf(progress, "Picture", i, seen.size())));
  }
  return features;
}

void placeFeatures(const at::Tensor& sequence, const std::vector<picture::PlacedImage>& images,
  const std::vector<at::Tensor>& features)
{
  for (std::size_t i = 0; i < images.size(); ++i)
  {
    sequence.narrow(0, images[i].start, images[i].tokens.count).copy_(features.at(i));
  }
}

std::vector<std::int64_t> textIds(
  std::vector<std::int64_t> ids, const std::vector<picture::PlacedImage>& images)
{
  for (const picture::PlacedImage& image : images)
  {
    std::fill_n(ids.begin() + image.start, image.tokens.count, 0);
  }
  return ids;
}

} // namespace lvlm::llava
