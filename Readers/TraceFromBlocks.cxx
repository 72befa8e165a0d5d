// SPDX-License-Identifier: Apache-2.0
#include "TensorVTK.h"
#include "TraceBlocks.h"

#include "Models/Trace/Error.h"
#include "Models/Trace/Regions.h"

#include "vtkFieldData.h"
#include "vtkImageData.h"
#include "vtkMultiBlockDataSet.h"
#include "vtkPointData.h"
#include "vtkStringArray.h"
#include "vtkTable.h"

#include <cstdio>
#include <cstring>

namespace lvlm
{

using namespace trace_blocks;
namespace tn = tensor_name;

namespace
{
/// Empty when there is none.
std::string stringField(vtkFieldData* fields, const char* name)
{
  auto* array = vtkStringArray::SafeDownCast(fields->GetAbstractArray(name));
  return array && array->GetNumberOfValues() > 0 ? std::string(array->GetValue(0)) : std::string();
}

/// Throws Error when there is none.
std::int64_t numberField(vtkFieldData* fields, const char* name)
{
  vtkDataArray* array = fields->GetArray(name);
  if (!array || array->GetNumberOfValues() < 1)
  {
    fail("the trace's field data has no number '", name, "'");
  }
  return array->GetVariantValue(0).ToLongLong();
}

/// 0 x 0 when there is none.
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

vtkStringArray* stringColumn(vtkTable* table, const char* name)
{
  auto* column = vtkStringArray::SafeDownCast(table->GetColumnByName(name));
  if (!column)
  {
    fail("the trace's table of tokens has no text column '", name, "'");
  }
  return column;
}

Tensor columnTensor(vtkTable* table, const char* name, std::vector<std::int64_t> shape)
{
  return tensorFromArray(
    vtkDataArray::SafeDownCast(table->GetColumnByName(name)), std::move(shape));
}

void takeTokens(vtkMultiBlockDataSet* blocks, Trace& trace)
{
  auto* table = vtkTable::SafeDownCast(findBlock(blocks, TokensBlock));
  if (!table || !vtkDataArray::SafeDownCast(table->GetColumnByName("id")))
  {
    fail("the trace has no block '", TokensBlock, "' with a column 'id'");
  }
  const std::int64_t positions = table->GetNumberOfRows();
  vtkStringArray* tokens = stringColumn(table, "token");
  vtkStringArray* roles = stringColumn(table, "role");
  auto* texts = vtkStringArray::SafeDownCast(table->GetColumnByName("text"));
  trace.tokens.reserve(static_cast<std::size_t>(positions));
  trace.roles.reserve(static_cast<std::size_t>(positions));
  for (std::int64_t p = 0; p < positions; ++p)
  {
    trace.tokens.emplace_back(tokens->GetValue(p));
    trace.roles.push_back(roleFromName(roles->GetValue(p)));
    if (texts)
    {
      trace.texts.emplace_back(texts->GetValue(p));
    }
  }
  trace.tensors[tn::TokenId] = columnTensor(table, "id", { positions });
}

void takeAnswer(vtkMultiBlockDataSet* blocks, Trace& trace)
{
  auto* table = vtkTable::SafeDownCast(findBlock(blocks, AnswerBlock));
  if (!table)
  {
    return;
  }
  const std::int64_t T = table->GetNumberOfRows();
  if (vtkDataArray::SafeDownCast(table->GetColumnByName("logprob")))
  {
    trace.tensors[tn::AnswerLogprob] = columnTensor(table, "logprob", { T });
  }
  auto* topk = vtkDataArray::SafeDownCast(table->GetColumnByName("topk_id"));
  if (topk && vtkDataArray::SafeDownCast(table->GetColumnByName("topk_logprob")))
  {
    const std::int64_t k = topk->GetNumberOfComponents();
    trace.tensors[tn::TopkId] = columnTensor(table, "topk_id", { T, k });
    trace.tensors[tn::TopkLogprob] = columnTensor(table, "topk_logprob", { T, k });
  }
}

/// How the axes of an image block become those of a tensor.
enum class Axes
{
  Rows,  ///< [y, x]
  Slabs, ///< [z, y, x]
  Heads  ///< [z / heads, heads, y, x]
};

/// The tensor in the block of that name, where there is one.
void takeImage(
  vtkMultiBlockDataSet* blocks, const char* name, Axes axes, Trace& trace, std::int64_t heads = 0)
{
  auto* image = vtkImageData::SafeDownCast(findBlock(blocks, name));
  vtkDataArray* array = image ? image->GetPointData()->GetArray(name) : nullptr;
  if (!array)
  {
    return;
  }
  int dims[3];
  image->GetDimensions(dims);
  std::vector<std::int64_t> shape{ dims[1], dims[0] };
  if (axes == Axes::Slabs)
  {
    shape.insert(shape.begin(), dims[2]);
  }
  else if (axes == Axes::Heads)
  {
    shape.insert(shape.begin(), { dims[2] / heads, heads });
  }
  trace.tensors[name] = tensorFromArray(array, std::move(shape));
}

/// Tensors whose layers are all in other processes: their block is empty, their shape is known.
void takeAbsentLayers(vtkFieldData* fields, Trace& trace)
{
  const auto add = [&](const char* name, const char* heads, std::int64_t rows)
  {
    if (fields->GetArray(heads) && !trace.has(name))
    {
      trace.tensors[name].shape = { 0, numberField(fields, heads), rows, trace.keys() };
    }
  };
  add(tn::AttentionAnswer, "heads", trace.answerLength());
  add(tn::AttentionFull, "attention.full.heads", trace.keys());
  if (fields->GetArray("hidden.width") && !trace.has(tn::HiddenStates))
  {
    trace.tensors[tn::HiddenStates].shape = { 0, trace.keys(),
      numberField(fields, "hidden.width") };
  }
}

/// False where there is no such picture.
bool takePicture(vtkMultiBlockDataSet* blocks, std::int64_t image, Trace& trace)
{
  vtkImageData* picture = findPicture(blocks, image);
  if (!picture)
  {
    return false;
  }
  int dims[3];
  picture->GetDimensions(dims);
  const Tensor upsideDown = tensorFromArray(
    picture->GetPointData()->GetArray(pictureName(image).c_str()), { dims[1], dims[0], 3 });
  std::vector<std::uint8_t> pixels(upsideDown.bytes());
  flipRows(upsideDown.data, reinterpret_cast<std::byte*>(pixels.data()), dims[1],
    static_cast<std::size_t>(dims[0]) * 3);
  trace.tensors[pictureName(image)] = Tensor::of(pixels, upsideDown.shape);
  return true;
}

void takeMetadata(vtkFieldData* fields, Trace& trace)
{
  trace.model = stringField(fields, "model");
  trace.prompt = stringField(fields, "prompt");
  trace.answer = stringField(fields, "answer");
  trace.grid = gridField(fields);
  trace.promptLength = numberField(fields, "prompt_length");
  trace.imageStart = numberField(fields, "image_start");
  if (const std::string regions = stringField(fields, "regions"); !regions.empty())
  {
    trace.regions = parseRegions(regions);
  }
  trace.layerBegin = numberField(fields, "layer_begin");
  trace.layerTotal = numberField(fields, "layer_total");
  for (int a = 0; a < fields->GetNumberOfArrays(); ++a)
  {
    auto* array = vtkStringArray::SafeDownCast(fields->GetAbstractArray(a));
    std::string name = array && array->GetName() ? array->GetName() : "";
    if (name.empty() || OwnFields.count(name) != 0 || array->GetNumberOfValues() != 1)
    {
      continue;
    }
    const bool prefixed = name.rfind(ExtraPrefix, 0) == 0;
    trace.extra[prefixed ? name.substr(std::strlen(ExtraPrefix)) : name] = array->GetValue(0);
  }
}
}

Trace traceFromBlocks(vtkMultiBlockDataSet* blocks)
{
  vtkFieldData* fields = blocks->GetFieldData();
  Trace trace;
  takeMetadata(fields, trace);
  takeTokens(blocks, trace);
  takeAnswer(blocks, trace);
  for (std::int64_t image = 0; takePicture(blocks, image, trace); ++image)
  {
  }
  for (const auto& [name, field] :
    { std::pair{ tn::AttentionAnswer, "heads" }, { tn::AttentionFull, "attention.full.heads" },
      { tn::AttentionVision, "attention.vision.heads" } })
  {
    const std::int64_t heads = fields->GetArray(field) ? numberField(fields, field) : 0;
    if (heads > 0)
    {
      takeImage(blocks, name, Axes::Heads, trace, heads);
    }
  }
  for (const char* name : { tn::HiddenStates, tn::LensId, tn::LensLogprob })
  {
    takeImage(blocks, name, Axes::Slabs, trace);
  }
  const std::int64_t pictures = pictureCount(trace);
  for (std::int64_t image = 0; image < pictures; ++image)
  {
    const std::string name = tilesName(image);
    takeImage(blocks, name.c_str(), Axes::Slabs, trace);
    if (trace.has(name))
    {
      Tensor& tiles = trace.tensors[name]; // [tiles, h, w * 3]
      tiles.shape = { tiles.extent(0), tiles.extent(1), tiles.extent(2) / 3, 3 };
    }
  }
  takeAbsentLayers(fields, trace);
  for (const char* name :
    { tn::RelevancyDecoder, tn::RelevancyVision, tn::RelevancyJoint, tn::RelevancyJointToken })
  {
    takeImage(blocks, name, Axes::Rows, trace);
  }
  for (const char* list : { tn::AttentionFullLayers, tn::HiddenLayers })
  {
    if (vtkDataArray* layers = fields->GetArray(list))
    {
      trace.tensors[list] =
        tensorFromArray(layers, { static_cast<std::int64_t>(layers->GetNumberOfValues()) });
    }
  }
  trace.validate();
  return trace;
}

} // namespace lvlm
