// SPDX-License-Identifier: Apache-2.0
#include "TraceShape.h"

#include "vtkLVLMTrace.h"

#include "Models/Ranks/Team.h"
#include "Models/Trace/Regions.h"

#include "vtkAlgorithm.h"
#include "vtkAlgorithmOutput.h"
#include "vtkDataObject.h"
#include "vtkInformation.h"
#include "vtkInformationIntegerVectorKey.h"
#include "vtkInformationStringKey.h"
#include "vtkStreamingDemandDrivenPipeline.h"

#include <algorithm>
#include <climits>
#include <iterator>
#include <numeric>

namespace lvlm
{

namespace
{
namespace tn = tensor_name;

vtkInformationIntegerVectorKey* shapeKey()
{
  static auto* key = vtkInformationIntegerVectorKey::MakeKey("TRACE_SHAPE", "LVLM", 9);
  return key;
}

/// The list of regions as text, where there is one.
vtkInformationStringKey* regionsKey()
{
  static auto* key = vtkInformationStringKey::MakeKey("TRACE_REGIONS", "LVLM");
  return key;
}

/// Sizes of further pictures, where there are some.
vtkInformationIntegerVectorKey* picturesKey()
{
  static auto* key = vtkInformationIntegerVectorKey::MakeKey("TRACE_PICTURES", "LVLM");
  return key;
}

/// Filters between two of ours, such as those that ParaView puts there itself, hand it on.
class PassedOnKey : public vtkInformationIntegerVectorKey
{
public:
  using vtkInformationIntegerVectorKey::vtkInformationIntegerVectorKey;

  void CopyDefaultInformation(vtkInformation*, vtkInformation* from, vtkInformation* to) override
  {
    this->ShallowCopy(from, to);
  }
};

/// Of the picture below a map.
vtkInformationIntegerVectorKey* pictureKey()
{
  static auto* key = new PassedOnKey("MAP_PICTURE", "LVLM", 2); // VTK deletes its keys at the end
  return key;
}

int clamped(std::int64_t value)
{
  return static_cast<int>(std::min<std::int64_t>(value, INT_MAX));
}
}

TraceShape shapeOf(const Trace& trace)
{
  TraceShape shape;
  shape.grid = trace.grid;
  shape.regions = trace.regions;
  shape.answerTokens = trace.answerLength();
  if (trace.has(tn::Image))
  {
    shape.height = trace.tensor(tn::Image).extent(0);
    shape.width = trace.tensor(tn::Image).extent(1);
  }
  for (std::int64_t image = 1; trace.has(pictureName(image)); ++image)
  {
    const Tensor& picture = trace.tensor(pictureName(image));
    shape.pictures.insert(shape.pictures.end(), { picture.extent(1), picture.extent(0) });
  }
  if (trace.has(tn::AttentionAnswer))
  {
    shape.layers = trace.layerTotal;
    shape.heads = trace.tensor(tn::AttentionAnswer).extent(1);
    shape.hiddenDepth = shape.layers + 1;
  }
  if (trace.has(tn::HiddenLayers))
  {
    const Tensor& listed = trace.tensor(tn::HiddenLayers);
    const auto* layers = listed.as<std::int64_t>();
    shape.hiddenLayers = listed.count();
    shape.hiddenDepth =
      std::max(shape.hiddenDepth, *std::max_element(layers, layers + listed.count()) + 1);
  }
  return shape;
}

TraceShape withRegion(const TraceShape& shape, std::int64_t region)
{
  TraceShape one = shape;
  if (region >= 0 && region < static_cast<std::int64_t>(shape.regions.size()))
  {
    one.regions = { shape.regions[static_cast<std::size_t>(region)] };
    one.grid = one.regions[0].grid;
    const auto place =
      static_cast<std::size_t>(std::max<std::int64_t>(one.regions[0].image, 0)) * 2;
    if (place >= 2 && place <= shape.pictures.size())
    {
      one.width = shape.pictures[place - 2];
      one.height = shape.pictures[place - 1];
    }
  }
  return one;
}

void announceTrace(vtkInformation* outInfo, const TraceShape& shape)
{
  const int values[9] = { clamped(shape.grid.rows), clamped(shape.grid.cols), clamped(shape.width),
    clamped(shape.height), clamped(shape.answerTokens), clamped(shape.layers), clamped(shape.heads),
    clamped(shape.hiddenLayers), clamped(shape.hiddenDepth) };
  outInfo->Set(shapeKey(), values, 9);
  outInfo->Remove(regionsKey());
  if (!shape.regions.empty())
  {
    outInfo->Set(regionsKey(), textOfRegions(shape.regions));
  }
  outInfo->Remove(picturesKey());
  if (!shape.pictures.empty())
  {
    std::vector<int> sizes;
    std::transform(
      shape.pictures.begin(), shape.pictures.end(), std::back_inserter(sizes), clamped);
    outInfo->Set(picturesKey(), sizes.data(), static_cast<int>(sizes.size()));
  }
  setAnswerTime(outInfo, shape.answerTokens);
}

void announcePicture(vtkInformation* outInfo, const TraceShape& shape)
{
  const int size[2] = { clamped(shape.width), clamped(shape.height) };
  outInfo->Set(pictureKey(), size, 2);
}

std::array<std::int64_t, 2> announcedPicture(vtkInformation* info)
{
  if (!info->Has(pictureKey()))
  {
    return { 0, 0 };
  }
  const int* size = info->Get(pictureKey());
  return { size[0], size[1] };
}

void askForOwnLayers(vtkInformation* inInfo, const ranks::Team& team)
{
  using Pipeline = vtkStreamingDemandDrivenPipeline;
  inInfo->Set(Pipeline::UPDATE_PIECE_NUMBER(), team.rank());
  inInfo->Set(Pipeline::UPDATE_NUMBER_OF_PIECES(), team.size());
  inInfo->Set(Pipeline::UPDATE_NUMBER_OF_GHOST_LEVELS(), 0);
}

bool announcedTrace(vtkInformation* info, TraceShape& shape)
{
  if (!info->Has(shapeKey()))
  {
    return false;
  }
  const int* values = info->Get(shapeKey());
  shape.grid = { values[0], values[1] };
  shape.width = values[2];
  shape.height = values[3];
  shape.answerTokens = values[4];
  shape.layers = values[5];
  shape.heads = values[6];
  shape.hiddenLayers = values[7];
  shape.hiddenDepth = values[8];
  if (info->Has(regionsKey()))
  {
    shape.regions = parseRegions(info->Get(regionsKey()));
  }
  if (const int* sizes = info->Has(picturesKey()) ? info->Get(picturesKey()) : nullptr)
  {
    shape.pictures.assign(sizes, sizes + info->Length(picturesKey()));
  }
  return true;
}

TraceShape inputShape(vtkAlgorithm* self)
{
  int port = 0;
  vtkAlgorithm* source = self->GetInputAlgorithm(0, 0, port);
  // ParaView puts one of these behind every source. It passes data on, but not our announcement;
  // any other filter may have changed the trace.
  while (source && source->IsA("vtkPVPostFilter"))
  {
    source = source->GetInputAlgorithm(0, 0, port);
  }
  TraceShape shape;
  const bool announced = source && announcedTrace(source->GetOutputInformation(port), shape);
  if (!source || (announced && shape.answerTokens >= 0))
  {
    return shape;
  }
  try
  {
    // Two kinds of input have to be there to be known, and VTK leaves no later moment: it wants the
    // extent of a structured output before any data, and when a filter has run it takes its
    // information for new as well, so that time steps found by the same update never reach it.
    // One is blocks that a script or another filter makes, which nothing announces. The other is a
    // question that was not asked yet: how long will its answer be?
    if (announced || !vtkLVLMTrace::IsTrace(self->GetInputDataObject(0, 0)))
    {
      self->GetInputAlgorithm()->Update(self->GetInputConnection(0, 0)->GetIndex());
    }
    return shapeOf(*vtkLVLMTrace::TraceOf(self->GetInputDataObject(0, 0)));
  }
  catch (const std::exception&)
  {
    return {}; // RequestData meets the same problem and reports it
  }
}

void setAnswerTime(vtkInformation* outInfo, std::int64_t steps)
{
  using Pipeline = vtkStreamingDemandDrivenPipeline;
  if (steps <= 0)
  {
    outInfo->Remove(Pipeline::TIME_STEPS());
    outInfo->Remove(Pipeline::TIME_RANGE());
    return;
  }
  std::vector<double> times(static_cast<std::size_t>(steps));
  std::iota(times.begin(), times.end(), 0.0);
  const double range[2] = { times.front(), times.back() };
  outInfo->Set(Pipeline::TIME_STEPS(), times.data(), static_cast<int>(steps));
  outInfo->Set(Pipeline::TIME_RANGE(), range, 2);
}

} // namespace lvlm
