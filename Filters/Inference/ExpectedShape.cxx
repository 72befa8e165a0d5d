// SPDX-License-Identifier: Apache-2.0
#include "ExpectedShape.h"

#include "Models/Checkpoint/ModelConfig.h"
#include "Models/Trace/Analysis.h"
#include "Models/Trace/Regions.h"

#include <algorithm>

namespace lvlm
{

namespace
{
/// What the model sees of a picture, and its grids.
struct Seen
{
  picture::PictureSize size;
  picture::ImageTokens tokens;
};

Seen seenOf(const checkpoint::LlavaConfig& config, const picture::PictureSize& given, bool inTiles)
{
  const checkpoint::VisionConfig& vision = config.vision;
  const picture::TileTokens tile{ { vision.gridEdge(), vision.gridEdge() },
    config.leadingFeatures() };
  if (!inTiles)
  {
    const picture::PictureSize whole{ vision.seenEdge(), vision.seenEdge() };
    return { whole, picture::tokensOfOne(tile, whole, config.readsTiles()) };
  }
  const auto plan = picture::planTiles(given, config.canvases, vision.imageSize);
  return { plan.canvas(), picture::tokensOfTiles(plan, tile, given, config.mostTiles) };
}

/// Grids and sizes of the pictures, whose positions follow one another here; nothing while a size
/// that decides them is not known.
void expectPictures(const checkpoint::LlavaConfig& config,
  const std::vector<picture::PictureSize>& given, TraceShape& shape)
{
  const bool inTiles = config.readsTiles(given.size());
  const auto unknown = [](const picture::PictureSize& size)
  { return size.width < 1 || size.height < 1; };
  if (inTiles && std::any_of(given.begin(), given.end(), unknown))
  {
    return;
  }
  std::int64_t next = 0;
  for (std::size_t i = 0; i < given.size(); ++i)
  {
    const Seen seen = seenOf(config, given[i], inTiles);
    for (Region region : seen.tokens.regions)
    {
      region.image = static_cast<std::int64_t>(i);
      region.start += next;
      shape.regions.push_back(region);
    }
    next += seen.tokens.count;
    if (i == 0)
    {
      shape.width = seen.size.width;
      shape.height = seen.size.height;
    }
    else
    {
      shape.pictures.insert(shape.pictures.end(), { seen.size.width, seen.size.height });
    }
  }
  shape.grid = mapGrid(shape.regions).grid;
  if (shape.regions.size() == 1)
  {
    shape.regions.clear();
  }
}
}

TraceShape expectedShape(const std::string& directory,
  const std::vector<picture::PictureSize>& given, bool capturesHidden,
  const std::vector<int>& hidden)
{
  const checkpoint::LlavaConfig config = checkpoint::readLlavaConfig(directory);
  TraceShape shape;
  expectPictures(config, given, shape);
  shape.layers = config.text.layers;
  shape.heads = config.text.heads;
  shape.hiddenDepth = shape.layers + 1;
  if (capturesHidden)
  {
    const Indices wanted(hidden.begin(), hidden.end());
    shape.hiddenLayers = static_cast<std::int64_t>(
      resolveIndices(wanted, shape.hiddenDepth, "CaptureHiddenLayers").size());
  }
  return shape;
}

} // namespace lvlm
