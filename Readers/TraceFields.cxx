// SPDX-License-Identifier: Apache-2.0
#include "TraceFields.h"

#include "TraceVTK.h"

#include "Models/Ranks/Team.h"
#include "Models/Trace/Error.h"

#include "vtkCompositeDataSet.h"
#include "vtkDataArray.h"
#include "vtkFieldData.h"
#include "vtkImageData.h"
#include "vtkInformation.h"
#include "vtkInformationIntegerVectorKey.h"
#include "vtkMultiBlockDataSet.h"
#include "vtkPointData.h"
#include "vtkStreamingDemandDrivenPipeline.h"
#include "vtkStringArray.h"
#include "vtkTable.h"

#include <climits>
#include <cstdio>
#include <cstring>
#include <numeric>

namespace lvlm
{

namespace trace_fields
{
vtkDataObject* findBlock(vtkMultiBlockDataSet* blocks, const std::string& name)
{
  for (unsigned int b = 0; b < blocks->GetNumberOfBlocks(); ++b)
  {
    if (blocks->HasMetaData(b) && blocks->GetMetaData(b)->Has(vtkCompositeDataSet::NAME()) &&
      name == blocks->GetMetaData(b)->Get(vtkCompositeDataSet::NAME()))
    {
      return blocks->GetBlock(b);
    }
  }
  return nullptr;
}

vtkMultiBlockDataSet* blocksOf(vtkDataObject* data)
{
  auto* blocks = vtkMultiBlockDataSet::SafeDownCast(data);
  auto* format = blocks
    ? vtkStringArray::SafeDownCast(blocks->GetFieldData()->GetAbstractArray("format"))
    : nullptr;
  const bool good = format && format->GetNumberOfValues() == 1 && format->GetValue(0) == Format;
  return good ? blocks : nullptr;
}

std::string stringField(vtkFieldData* fields, const char* name)
{
  auto* array = vtkStringArray::SafeDownCast(fields->GetAbstractArray(name));
  return array && array->GetNumberOfValues() > 0 ? std::string(array->GetValue(0)) : std::string();
}

std::int64_t numberField(vtkFieldData* fields, const char* name)
{
  vtkDataArray* array = fields->GetArray(name);
  if (!array || array->GetNumberOfValues() < 1)
  {
    fail("the trace's field data has no number '", name, "'");
  }
  return array->GetVariantValue(0).ToLongLong();
}

PatchGrid gridField(vtkFieldData* fields)
{
  PatchGrid grid;
  long long rows = 0;
  long long cols = 0;
  if (std::sscanf(stringField(fields, "grid").c_str(), "%lld,%lld", &rows, &cols) == 2)
  {
    grid.rows = rows;
    grid.cols = cols;
  }
  return grid;
}

void flipRows(const std::byte* from, std::byte* to, std::int64_t rows, std::size_t rowBytes)
{
  for (std::int64_t row = 0; row < rows; ++row)
  {
    std::memcpy(to + static_cast<std::size_t>(rows - 1 - row) * rowBytes,
      from + static_cast<std::size_t>(row) * rowBytes, rowBytes);
  }
}
} // namespace trace_fields

using namespace trace_fields;
namespace tn = tensor_name;

namespace
{
vtkInformationIntegerVectorKey* shapeKey()
{
  static auto* key = vtkInformationIntegerVectorKey::MakeKey("TRACE_SHAPE", "LVLM", 7);
  return key;
}
}

vtkImageData* pictureOf(vtkDataObject* data)
{
  vtkMultiBlockDataSet* blocks = blocksOf(data);
  auto* picture = blocks ? vtkImageData::SafeDownCast(findBlock(blocks, tn::Image)) : nullptr;
  vtkDataArray* array = picture ? picture->GetPointData()->GetArray(tn::Image) : nullptr;
  const bool good =
    array && array->GetDataType() == VTK_UNSIGNED_CHAR && array->GetNumberOfComponents() == 3;
  return good ? picture : nullptr;
}

TraceShape shapeOf(const Trace& trace)
{
  TraceShape shape;
  shape.grid = trace.grid;
  shape.answerTokens = trace.answerLength();
  if (trace.has(tn::Image))
  {
    shape.height = trace.tensor(tn::Image).extent(0);
    shape.width = trace.tensor(tn::Image).extent(1);
  }
  if (trace.has(tn::AttentionAnswer))
  {
    shape.layers = trace.layerTotal;
    shape.heads = trace.tensor(tn::AttentionAnswer).extent(1);
  }
  return shape;
}

bool shapeOf(vtkDataObject* data, TraceShape& shape)
{
  vtkMultiBlockDataSet* blocks = blocksOf(data);
  if (!blocks)
  {
    return false;
  }
  vtkFieldData* fields = blocks->GetFieldData();
  shape.grid = gridField(fields);
  auto* answer = vtkTable::SafeDownCast(findBlock(blocks, AnswerBlock));
  shape.answerTokens = answer ? answer->GetNumberOfRows() : 0;
  if (vtkImageData* picture = pictureOf(blocks))
  {
    shape.width = picture->GetDimensions()[0];
    shape.height = picture->GetDimensions()[1];
  }
  if (fields->GetArray("heads"))
  {
    shape.heads = numberField(fields, "heads");
    shape.layers = numberField(fields, "layer_total");
  }
  return true;
}

void announceTrace(vtkInformation* outInfo, const TraceShape& shape)
{
  const auto clamp = [](std::int64_t value)
  { return static_cast<int>(value > INT_MAX ? INT_MAX : value); };
  const int values[7] = { clamp(shape.grid.rows), clamp(shape.grid.cols), clamp(shape.width),
    clamp(shape.height), clamp(shape.answerTokens), clamp(shape.layers), clamp(shape.heads) };
  outInfo->Set(shapeKey(), values, 7);
  setAnswerTime(outInfo, shape.answerTokens);
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
  return true;
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
