// SPDX-License-Identifier: Apache-2.0
#include "ExpectedShape.h"

#include "Models/Checkpoint/ModelConfig.h"
#include "Models/Trace/Analysis.h"
#include "Models/Trace/Regions.h"

namespace lvlm
{

namespace
{
/// The grid of a picture in tiles; none while its size is not known.
void expectTiles(
  const checkpoint::LlavaConfig& config, const picture::PictureSize& given, TraceShape& shape)
{
  shape.grid = {};
  shape.width = shape.height = 0;
  if (given.width < 1 || given.height < 1)
  {
    return;
  }
  const auto plan = picture::planTiles(given, config.canvases, config.vision.imageSize);
  const PatchGrid tile{ config.vision.gridEdge(), config.vision.gridEdge() };
  shape.regions = picture::tokensOfTiles(plan, { tile, 0 }, given, config.mostTiles).regions;
  shape.grid = mapGrid(shape.regions).grid;
  shape.width = plan.canvas().width;
  shape.height = plan.canvas().height;
}
}

TraceShape expectedShape(const std::string& directory, const picture::PictureSize& given,
  bool capturesHidden, const std::vector<int>& hidden)
{
  const checkpoint::LlavaConfig config = checkpoint::readLlavaConfig(directory);
  TraceShape shape;
  shape.grid = { config.vision.gridEdge(), config.vision.gridEdge() };
  shape.width = config.vision.seenEdge();
  shape.height = config.vision.seenEdge();
  if (config.readsTiles())
  {
    expectTiles(config, given, shape);
  }
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
