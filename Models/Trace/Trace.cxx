// SPDX-License-Identifier: Apache-2.0
#include "Trace.h"

#include "Error.h"
#include "Regions.h"

#include <algorithm>
#include <set>

namespace lvlm
{

namespace
{
/// More than any model has; for traces that do not tell how many theirs has.
constexpr std::int64_t MaximumLayers = 1 << 16;

constexpr const char* RoleNames[] = { "system", "image", "question", "answer", "special" };

bool isFloating(DType type)
{
  return type == DType::F16 || type == DType::BF16 || type == DType::F32 || type == DType::F64;
}

/// -1 in `expected` accepts any extent of at least 1.
void checkShape(const Trace& trace, const char* name, const std::vector<std::int64_t>& expected)
{
  const Tensor& tensor = trace.tensor(name);
  bool good = tensor.shape.size() == expected.size();
  for (std::size_t i = 0; good && i < expected.size(); ++i)
  {
    good = expected[i] < 0 ? tensor.shape[i] >= 1 : tensor.shape[i] == expected[i];
  }
  if (!good)
  {
    fail("tensor '", name, "' has shape ", shapeText(tensor.shape), ", expected ",
      shapeText(expected), " (-1: any)");
  }
}

void checkFloating(const Trace& trace, const char* name, const std::vector<std::int64_t>& expected)
{
  checkShape(trace, name, expected);
  if (!isFloating(trace.tensor(name).dtype))
  {
    fail("tensor '", name, "' is ", nameOf(trace.tensor(name).dtype), ", not floating point");
  }
}

void checkType(const Trace& trace, const char* name, DType type)
{
  if (trace.tensor(name).dtype != type)
  {
    fail("tensor '", name, "' is ", nameOf(trace.tensor(name).dtype), ", expected ", nameOf(type));
  }
}

void checkGrid(const Trace& trace)
{
  const PatchGrid& grid = trace.grid;
  constexpr std::int64_t MaximumEdge = 1 << 16;
  if (grid.rows < 1 || grid.cols < 1 || grid.rows > MaximumEdge || grid.cols > MaximumEdge)
  {
    fail("impossible grid ", grid.rows, ",", grid.cols);
  }
  if (trace.imageStart < 0 || trace.imageStart > trace.promptLength - grid.count())
  {
    fail("image span of ", grid.count(), " positions from ", trace.imageStart,
      " is not inside the prompt of ", trace.promptLength, " positions");
  }
  for (std::int64_t p = 0; p < trace.promptLength; ++p)
  {
    const bool inImage = p >= trace.imageStart && p < trace.imageStart + grid.count();
    const Role role = trace.roles[static_cast<std::size_t>(p)];
    if (inImage != (role == Role::Image))
    {
      fail("position ", p, " has role '", nameOf(role),
        "', which contradicts prompt_length, image_start and grid");
    }
  }
}

void checkSequence(const Trace& trace)
{
  const std::int64_t positions = trace.positions();
  if (trace.promptLength < 1 || trace.promptLength >= positions)
  {
    fail("prompt_length ", trace.promptLength, " leaves no prompt or no answer in ", positions,
      " positions");
  }
  if (static_cast<std::int64_t>(trace.roles.size()) != positions)
  {
    fail(trace.roles.size(), " roles for ", positions, " positions");
  }
  if (!trace.texts.empty() && static_cast<std::int64_t>(trace.texts.size()) != positions)
  {
    fail(trace.texts.size(), " texts for ", positions, " positions");
  }
  for (std::int64_t p = 0; p < positions; ++p)
  {
    const Role role = trace.roles[static_cast<std::size_t>(p)];
    if ((p >= trace.promptLength) != (role == Role::Answer))
    {
      fail("position ", p, " has role '", nameOf(role), "', which contradicts prompt_length ",
        trace.promptLength);
    }
  }
  trace.regions.empty() ? checkGrid(trace) : checkRegions(trace);
}

void checkAnswerTensors(const Trace& trace)
{
  namespace tn = tensor_name;
  const std::int64_t T = trace.answerLength();
  checkShape(trace, tn::TokenId, { trace.positions() });
  checkType(trace, tn::TokenId, DType::I64);
  if (trace.has(tn::AnswerLogprob))
  {
    checkFloating(trace, tn::AnswerLogprob, { T });
  }
  if (trace.has(tn::TopkId) != trace.has(tn::TopkLogprob))
  {
    fail("'", tn::TopkId, "' and '", tn::TopkLogprob, "' only come together");
  }
  if (trace.has(tn::TopkId))
  {
    checkShape(trace, tn::TopkId, { T, -1 });
    checkType(trace, tn::TopkId, DType::I64);
    checkFloating(trace, tn::TopkLogprob, { T, trace.tensor(tn::TopkId).extent(1) });
  }
}

void checkAttention(const Trace& trace)
{
  namespace tn = tensor_name;
  const std::int64_t T = trace.answerLength();
  const std::int64_t K = trace.keys();
  if (trace.has(tn::AttentionAnswer))
  {
    // No layers at all are fine in one of several processes.
    const auto& shape = trace.tensor(tn::AttentionAnswer).shape;
    const std::int64_t layers = shape.empty() || trace.layerTotal < 1 ? -1 : shape[0];
    checkFloating(trace, tn::AttentionAnswer, { layers, -1, T, K });
    if (trace.layerBegin < 0 || trace.layerBegin > trace.layerTotal - layers)
    {
      fail(
        "layers [", trace.layerBegin, ", ", trace.layerBegin + layers, ") of ", trace.layerTotal);
    }
  }
  if (trace.has(tn::AttentionFull) != trace.has(tn::AttentionFullLayers))
  {
    fail("'", tn::AttentionFull, "' and '", tn::AttentionFullLayers, "' only come together");
  }
  if (trace.has(tn::AttentionFull))
  {
    checkShape(trace, tn::AttentionFullLayers, { -1 });
    checkType(trace, tn::AttentionFullLayers, DType::I64);
    const Tensor& listed = trace.tensor(tn::AttentionFullLayers);
    for (std::int64_t i = 0; trace.has(tn::AttentionAnswer) && i < listed.count(); ++i)
    {
      const std::int64_t layer = listed.as<std::int64_t>()[i];
      if (layer < 0 || layer >= trace.layerTotal)
      {
        fail(
          "tensor '", tn::AttentionFullLayers, "' names layer ", layer, " of ", trace.layerTotal);
      }
    }
    const auto held = static_cast<std::int64_t>(trace.fullLayers().size());
    checkFloating(trace, tn::AttentionFull, { held, -1, K, K });
  }
  if (trace.has(tn::AttentionVision))
  {
    checkFloating(trace, tn::AttentionVision, { -1, -1, -1, -1 });
    const auto& shape = trace.tensor(tn::AttentionVision).shape;
    if (shape[2] != shape[3])
    {
      fail("tensor '", tn::AttentionVision, "' has shape ", shapeText(shape), ": not square");
    }
  }
}

void checkHiddenLayers(const Trace& trace)
{
  namespace tn = tensor_name;
  checkShape(trace, tn::HiddenLayers, { -1 });
  checkType(trace, tn::HiddenLayers, DType::I64);
  const Tensor& listed = trace.tensor(tn::HiddenLayers);
  const std::int64_t last = trace.has(tn::AttentionAnswer) ? trace.layerTotal : MaximumLayers;
  std::set<std::int64_t> seen;
  for (std::int64_t i = 0; i < listed.count(); ++i)
  {
    const std::int64_t layer = listed.as<std::int64_t>()[i];
    if (layer < 0 || layer > last)
    {
      fail("tensor '", tn::HiddenLayers, "' names layer ", layer, ", which is not in [0, ", last,
        "] (0: the embeddings)");
    }
    if (!seen.insert(layer).second)
    {
      fail("tensor '", tn::HiddenLayers, "' names layer ", layer, " twice");
    }
  }
}

void checkHidden(const Trace& trace)
{
  namespace tn = tensor_name;
  const std::int64_t K = trace.keys();
  for (const char* name : { tn::HiddenStates, tn::LensId, tn::LensLogprob })
  {
    if (trace.has(name) && !trace.has(tn::HiddenLayers))
    {
      fail("'", name, "' needs '", tn::HiddenLayers, "', which tells its layers");
    }
  }
  if (trace.has(tn::HiddenLayers))
  {
    checkHiddenLayers(trace);
  }
  if (trace.has(tn::HiddenStates))
  {
    const auto held = static_cast<std::int64_t>(trace.hiddenLayers().size());
    checkFloating(trace, tn::HiddenStates, { held, K, -1 });
  }
  if (trace.has(tn::LensId) != trace.has(tn::LensLogprob))
  {
    fail("'", tn::LensId, "' and '", tn::LensLogprob, "' only come together");
  }
  if (trace.has(tn::LensId))
  {
    const std::int64_t layers = trace.tensor(tn::HiddenLayers).extent(0);
    checkShape(trace, tn::LensId, { layers, K, -1 });
    checkType(trace, tn::LensId, DType::I64);
    checkFloating(trace, tn::LensLogprob, { layers, K, trace.tensor(tn::LensId).extent(2) });
  }
}

void checkRelevancy(const Trace& trace)
{
  namespace tn = tensor_name;
  const std::int64_t T = trace.answerLength();
  if (trace.has(tn::RelevancyDecoder))
  {
    checkFloating(trace, tn::RelevancyDecoder, { T, trace.keys() });
  }
  for (const char* name : { tn::RelevancyVision, tn::RelevancyJoint, tn::RelevancyJointToken })
  {
    if (trace.has(name))
    {
      checkFloating(trace, name, { T, trace.grid.count() });
    }
  }
}
}

const char* nameOf(Role role)
{
  return RoleNames[static_cast<int>(role)];
}

Role roleFromName(const std::string& name)
{
  const auto found = std::find(std::begin(RoleNames), std::end(RoleNames), name);
  if (found == std::end(RoleNames))
  {
    fail("unknown role '", name, "'");
  }
  return static_cast<Role>(found - std::begin(RoleNames));
}

std::string Trace::told(const std::string& key) const
{
  const auto found = this->extra.find(key);
  return found == this->extra.end() ? std::string() : found->second;
}

const Tensor& Trace::tensor(const std::string& name) const
{
  const auto found = this->tensors.find(name);
  if (found == this->tensors.end())
  {
    fail("the trace has no tensor '", name, "'");
  }
  return found->second;
}

namespace
{
/// Of the layers that `list` names, those whose slabs `data` has here. `layerOf` gives the model
/// layer of a listed number.
template <typename LayerOf>
std::vector<std::int64_t> heldLayers(
  const Trace& trace, const char* list, const char* data, const LayerOf& layerOf)
{
  const Tensor& listed = trace.tensor(list);
  const auto* layers = listed.as<std::int64_t>();
  std::vector<std::int64_t> held(layers, layers + listed.count());
  const Tensor& slabs = trace.tensor(data);
  if (trace.has(tensor_name::AttentionAnswer) && !slabs.shape.empty() &&
    slabs.shape[0] != listed.count())
  {
    const std::int64_t end =
      trace.layerBegin + trace.tensor(tensor_name::AttentionAnswer).extent(0);
    const auto isElsewhere = [&](std::int64_t number)
    { return layerOf(number) < trace.layerBegin || layerOf(number) >= end; };
    held.erase(std::remove_if(held.begin(), held.end(), isElsewhere), held.end());
  }
  return held;
}
}

std::vector<std::int64_t> Trace::fullLayers() const
{
  return heldLayers(*this, tensor_name::AttentionFullLayers, tensor_name::AttentionFull,
    [](std::int64_t layer) { return layer; });
}

std::vector<std::int64_t> Trace::hiddenLayers() const
{
  return heldLayers(*this, tensor_name::HiddenLayers, tensor_name::HiddenStates, layerOfHidden);
}

void Trace::validate() const
{
  checkSequence(*this);
  const std::int64_t pictures = pictureCount(*this);
  for (std::int64_t image = 0; image < pictures; ++image)
  {
    checkShape(*this, pictureName(image).c_str(), { -1, -1, 3 });
    checkType(*this, pictureName(image).c_str(), DType::U8);
    if (const std::string tiles = tilesName(image); this->has(tiles))
    {
      checkShape(*this, tiles.c_str(), { -1, -1, -1, 3 });
      checkType(*this, tiles.c_str(), DType::U8);
    }
  }
  checkAnswerTensors(*this);
  checkAttention(*this);
  checkHidden(*this);
  checkRelevancy(*this);
}

} // namespace lvlm
