// SPDX-License-Identifier: Apache-2.0
#include "TraceLayers.h"

#include "Error.h"

#include <algorithm>

namespace lvlm
{

namespace
{
namespace tn = tensor_name;

/// Slabs [first, first + count) along the first axis.
Tensor slabsOf(const Tensor& tensor, std::int64_t first, std::int64_t count)
{
  Tensor part = tensor;
  const std::size_t slab = tensor.bytes() / static_cast<std::size_t>(tensor.extent(0));
  part.data = count > 0 ? tensor.data + static_cast<std::size_t>(first) * slab : nullptr;
  part.shape[0] = count;
  return part;
}

/// Cuts a tensor, a slab for each of `layers`, to those that are inside if that is possible without
/// copying.
template <typename Inside>
void cutLayers(Tensor& tensor, const std::vector<std::int64_t>& layers, const Inside& inside)
{
  const auto first = std::find_if(layers.begin(), layers.end(), inside);
  const auto end = std::find_if_not(first, layers.end(), inside);
  if (std::any_of(end, layers.end(), inside))
  {
    return;
  }
  tensor = slabsOf(tensor, first - layers.begin(), end - first);
}
}

Trace withLayers(const Trace& whole, const LayerSpan& span)
{
  Trace part = whole;
  if (!whole.has(tn::AttentionAnswer))
  {
    return part;
  }
  const Tensor& answer = whole.tensor(tn::AttentionAnswer);
  const std::int64_t first = span.begin - whole.layerBegin;
  if (first < 0 || span.count() < 0 || first + span.count() > answer.extent(0))
  {
    fail("layers [", span.begin, ", ", span.end, ") are not among [", whole.layerBegin, ", ",
      whole.layerBegin + answer.extent(0), ")");
  }
  if (whole.has(tn::AttentionFull))
  {
    cutLayers(part.tensors.at(tn::AttentionFull), whole.fullLayers(),
      [&span](std::int64_t layer) { return span.contains(layer); });
  }
  if (whole.has(tn::HiddenStates))
  {
    cutLayers(part.tensors.at(tn::HiddenStates), whole.hiddenLayers(),
      [&span](std::int64_t hidden) { return span.contains(layerOfHidden(hidden)); });
  }
  part.tensors[tn::AttentionAnswer] = slabsOf(answer, first, span.count());
  part.layerBegin = span.begin;
  return part;
}

} // namespace lvlm
