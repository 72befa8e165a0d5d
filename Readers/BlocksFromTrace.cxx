// SPDX-License-Identifier: Apache-2.0
#include "TensorVTK.h"
#include "TraceBlocks.h"

#include "Models/Trace/Error.h"
#include "Models/Trace/Regions.h"

#include "vtkCompositeDataSet.h"
#include "vtkFieldData.h"
#include "vtkImageData.h"
#include "vtkInformation.h"
#include "vtkMultiBlockDataSet.h"
#include "vtkNew.h"
#include "vtkPointData.h"
#include "vtkStringArray.h"
#include "vtkTable.h"

#include <climits>
#include <numeric>

namespace lvlm
{

using namespace trace_blocks;
namespace tn = tensor_name;

namespace
{
/// Attention of more numbers than this reports the range [0, 1] instead of being read for it,
/// hidden states [-1, 1].
constexpr std::int64_t ExactRangeLimit = std::int64_t(1) << 22;

void addBlock(vtkMultiBlockDataSet* blocks, const std::string& name, vtkDataObject* block)
{
  const unsigned int index = blocks->GetNumberOfBlocks();
  blocks->SetBlock(index, block);
  blocks->GetMetaData(index)->Set(vtkCompositeDataSet::NAME(), name.c_str());
}

void addString(vtkFieldData* fields, const std::string& name, const std::string& value)
{
  vtkNew<vtkStringArray> array;
  array->SetName(name.c_str());
  array->InsertNextValue(value);
  fields->AddArray(array);
}

void addNumbers(
  vtkFieldData* fields, const std::string& name, const std::vector<std::int64_t>& values)
{
  fields->AddArray(
    arrayFromTensor(Tensor::of(values, { static_cast<std::int64_t>(values.size()) }), name));
}

/// The tensor as an image: x = last axis, y = the one before, z = all the others, from `firstZ`.
/// nullptr for a tensor whose layers are all in other processes.
vtkSmartPointer<vtkImageData> imageFromTensor(
  const Tensor& tensor, const std::string& name, std::int64_t firstZ = 0)
{
  const std::size_t rank = tensor.shape.size();
  if (tensor.extent(0) == 0)
  {
    return nullptr;
  }
  const std::int64_t x = tensor.shape[rank - 1];
  const std::int64_t y = tensor.shape[rank - 2];
  const std::int64_t z = std::accumulate(tensor.shape.begin(), tensor.shape.end() - 2,
    std::int64_t(1), [](std::int64_t a, std::int64_t b) { return a * b; });
  if (x > INT_MAX || y > INT_MAX || z > INT_MAX - firstZ)
  {
    fail("tensor '", name, "' of shape ", shapeText(tensor.shape), " is too large for VTK");
  }
  auto image = vtkSmartPointer<vtkImageData>::New();
  image->SetExtent(0, static_cast<int>(x - 1), 0, static_cast<int>(y - 1), static_cast<int>(firstZ),
    static_cast<int>(firstZ + z - 1));
  const auto array = arrayFromTensor(tensor, name);
  if (tensor.count() > ExactRangeLimit)
  {
    presetRange(array, name == tn::HiddenStates ? -1.0 : 0.0, 1.0);
  }
  image->GetPointData()->SetScalars(array);
  return image;
}

vtkSmartPointer<vtkImageData> pictureFromTensor(const Tensor& tensor, const std::string& name)
{
  const std::int64_t height = tensor.shape[0];
  const std::int64_t width = tensor.shape[1];
  if (width > INT_MAX || height > INT_MAX)
  {
    fail("tensor '", name, "' of shape ", shapeText(tensor.shape), " is too large for VTK");
  }
  auto picture = vtkSmartPointer<vtkImageData>::New();
  picture->SetDimensions(static_cast<int>(width), static_cast<int>(height), 1);
  picture->SetOrigin(0.5, 0.5, 0.0); // points are pixel centres of [0, W] x [0, H]
  picture->AllocateScalars(VTK_UNSIGNED_CHAR, 3);
  picture->GetPointData()->GetScalars()->SetName(name.c_str());
  flipRows(tensor.data, static_cast<std::byte*>(picture->GetScalarPointer()), height,
    static_cast<std::size_t>(width) * 3);
  return picture;
}

void addStrings(vtkTable* table, const char* name, const std::string* begin, std::int64_t count)
{
  vtkNew<vtkStringArray> column;
  column->SetName(name);
  column->SetNumberOfValues(count);
  for (std::int64_t i = 0; i < count; ++i)
  {
    column->SetValue(i, begin[i]);
  }
  table->AddColumn(column);
}

void addCounter(vtkTable* table, const char* name, std::int64_t count)
{
  std::vector<std::int64_t> values(static_cast<std::size_t>(count));
  std::iota(values.begin(), values.end(), 0);
  table->AddColumn(arrayFromTensor(Tensor::of(values, { count }), name));
}

/// Elements [first, first + count) of a rank-1 tensor, memory shared.
Tensor part(const Tensor& tensor, std::int64_t first, std::int64_t count)
{
  Tensor result = tensor;
  result.data += static_cast<std::size_t>(first) * sizeOf(tensor.dtype);
  result.shape = { count };
  return result;
}

vtkSmartPointer<vtkTable> tokensTable(const Trace& trace)
{
  auto table = vtkSmartPointer<vtkTable>::New();
  addCounter(table, "position", trace.positions());
  table->AddColumn(arrayFromTensor(trace.tensor(tn::TokenId), "id"));
  addStrings(table, "token", trace.tokens.data(), trace.positions());
  if (!trace.texts.empty())
  {
    addStrings(table, "text", trace.texts.data(), trace.positions());
  }
  std::vector<std::string> roles;
  roles.reserve(trace.roles.size());
  for (const Role role : trace.roles)
  {
    roles.emplace_back(nameOf(role));
  }
  addStrings(table, "role", roles.data(), trace.positions());
  return table;
}

vtkSmartPointer<vtkTable> answerTable(const Trace& trace)
{
  const std::int64_t T = trace.answerLength();
  auto table = vtkSmartPointer<vtkTable>::New();
  addCounter(table, "answer_index", T);
  table->AddColumn(arrayFromTensor(part(trace.tensor(tn::TokenId), trace.promptLength, T), "id"));
  addStrings(table, "token", trace.tokens.data() + trace.promptLength, T);
  if (!trace.texts.empty())
  {
    addStrings(table, "text", trace.texts.data() + trace.promptLength, T);
  }
  if (trace.has(tn::AnswerLogprob))
  {
    table->AddColumn(arrayFromTensor(trace.tensor(tn::AnswerLogprob), "logprob"));
  }
  if (trace.has(tn::TopkId))
  {
    const std::int64_t k = trace.tensor(tn::TopkId).extent(1);
    if (k > INT_MAX)
    {
      fail("tensor '", tn::TopkId, "' has ", k, " alternatives: too many for VTK");
    }
    table->AddColumn(arrayFromTensor(trace.tensor(tn::TopkId), "topk_id", static_cast<int>(k)));
    table->AddColumn(
      arrayFromTensor(trace.tensor(tn::TopkLogprob), "topk_logprob", static_cast<int>(k)));
  }
  return table;
}

void addMetadata(const Trace& trace, vtkFieldData* fields)
{
  addString(fields, "format", Format);
  addString(fields, "version", trace.regions.empty() ? "1" : "2");
  addString(fields, "model", trace.model);
  addString(fields, "prompt", trace.prompt);
  addString(fields, "answer", trace.answer);
  addString(
    fields, "grid", std::to_string(trace.grid.rows) + "," + std::to_string(trace.grid.cols));
  addNumbers(fields, "prompt_length", { trace.promptLength });
  addNumbers(fields, "image_start", { trace.imageStart });
  if (!trace.regions.empty())
  {
    addString(fields, "regions", textOfRegions(trace.regions));
  }
  addNumbers(fields, "layer_begin", { trace.layerBegin });
  addNumbers(fields, "layer_total", { trace.layerTotal });
  for (const auto& [tensor, field] :
    { std::pair{ tn::AttentionAnswer, "heads" }, { tn::AttentionFull, "attention.full.heads" },
      { tn::AttentionVision, "attention.vision.heads" } })
  {
    if (trace.has(tensor))
    {
      addNumbers(fields, field, { trace.tensor(tensor).extent(1) });
    }
  }
  if (trace.has(tn::HiddenStates))
  {
    addNumbers(fields, "hidden.width", { trace.tensor(tn::HiddenStates).extent(2) });
  }
  for (const char* list : { tn::AttentionFullLayers, tn::HiddenLayers })
  {
    if (trace.has(list))
    {
      fields->AddArray(arrayFromTensor(trace.tensor(list), list));
    }
  }
  for (const auto& [key, value] : trace.extra)
  {
    const bool taken = key.empty() || OwnFields.count(key) != 0 || key.rfind(ExtraPrefix, 0) == 0;
    addString(fields, taken ? ExtraPrefix + key : key, value);
  }
}
}

void blocksFromTrace(const Trace& trace, vtkMultiBlockDataSet* blocks)
{
  trace.validate();
  addMetadata(trace, blocks->GetFieldData());
  const std::int64_t pictures = pictureCount(trace);
  for (std::int64_t image = 0; image < pictures; ++image)
  {
    const std::string name = pictureName(image);
    addBlock(blocks, name, pictureFromTensor(trace.tensor(name), name));
  }
  for (std::int64_t image = 0; image < pictures; ++image)
  {
    if (const std::string name = tilesName(image); trace.has(name))
    {
      Tensor tiles = trace.tensor(name); // [tiles, h, w, 3]
      tiles.shape = { tiles.extent(0), tiles.extent(1), tiles.extent(2) * 3 };
      addBlock(blocks, name, imageFromTensor(tiles, name));
    }
  }
  addBlock(blocks, TokensBlock, tokensTable(trace));
  addBlock(blocks, AnswerBlock, answerTable(trace));
  if (trace.has(tn::AttentionAnswer))
  {
    const Tensor& attention = trace.tensor(tn::AttentionAnswer);
    addBlock(blocks, tn::AttentionAnswer,
      imageFromTensor(attention, tn::AttentionAnswer, trace.layerBegin * attention.extent(1)));
  }
  for (const char* name :
    { tn::AttentionFull, tn::AttentionVision, tn::RelevancyDecoder, tn::RelevancyVision,
      tn::RelevancyJoint, tn::RelevancyJointToken, tn::HiddenStates, tn::LensId, tn::LensLogprob })
  {
    if (trace.has(name))
    {
      addBlock(blocks, name, imageFromTensor(trace.tensor(name), name));
    }
  }
}

} // namespace lvlm
