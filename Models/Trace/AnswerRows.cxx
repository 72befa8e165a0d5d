// SPDX-License-Identifier: Apache-2.0
#include "AnswerRows.h"

#include "Error.h"
#include "MemoryAdvice.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace lvlm
{

namespace
{
namespace tn = tensor_name;
}

AnswerRows::AnswerRows(const Trace& trace, std::int64_t firstKey, std::int64_t keys)
  : Attention(trace.tensor(tn::AttentionAnswer)), LayerBegin(trace.layerBegin), FirstKey(firstKey),
    Row(static_cast<std::size_t>(keys))
{
}

bool AnswerRows::holds(std::int64_t layer) const
{
  return layer >= this->LayerBegin && layer < this->LayerBegin + this->Attention.extent(0);
}

void AnswerRows::prepare(std::int64_t layer, std::int64_t head, std::size_t chosenTokens) const
{
  const std::int64_t keys = this->Attention.extent(3);
  if (static_cast<std::int64_t>(chosenTokens) == this->tokens() &&
    2 * static_cast<std::int64_t>(this->Row.size()) >= keys)
  {
    const std::int64_t slab = (layer - this->LayerBegin) * this->heads() + head;
    expectReads(this->Attention, slab * this->tokens() * keys, this->tokens() * keys);
  }
}

const std::vector<float>& AnswerRows::read(
  std::int64_t layer, std::int64_t head, std::int64_t token)
{
  const std::int64_t row =
    ((layer - this->LayerBegin) * this->heads() + head) * this->tokens() + token;
  this->Attention.toFloat(row * this->Attention.extent(3) + this->FirstKey,
    static_cast<std::int64_t>(this->Row.size()), this->Row.data());
  this->checkFinite(layer, head, token);
  return this->Row;
}

/// A mean would spread such a value over the map, a maximum would drop it silently.
void AnswerRows::checkFinite(std::int64_t layer, std::int64_t head, std::int64_t token) const
{
  constexpr float Largest = std::numeric_limits<float>::max();
  bool good = true;
  for (const float value : this->Row) // without a branch, so that it costs next to nothing
  {
    good &= std::abs(value) <= Largest;
  }
  if (!good)
  {
    const auto bad = std::find_if(
      this->Row.begin(), this->Row.end(), [](float value) { return !std::isfinite(value); });
    fail("tensor '", tn::AttentionAnswer, "' holds ", *bad, ", which is not finite, at layer ",
      layer, ", head ", head, ", answer token ", token, ", position ",
      this->FirstKey + (bad - this->Row.begin()));
  }
}

} // namespace lvlm
