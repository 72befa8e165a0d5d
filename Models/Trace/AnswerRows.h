// SPDX-License-Identifier: Apache-2.0
/// @file AnswerRows.h
/// `attention.answer` [L, Hd, T, K] of the layers that this process has, a row at a time: nothing
/// but the keys that are asked for is read. For the analyses of Models/Trace.
#ifndef LVLM_TRACE_ANSWERROWS_H
#define LVLM_TRACE_ANSWERROWS_H

#include "Trace.h"

#include <cstdint>
#include <vector>

namespace lvlm
{

class AnswerRows
{
public:
  /// Rows are cut to the keys [firstKey, firstKey + keys). The trace stays.
  AnswerRows(const Trace& trace, std::int64_t firstKey, std::int64_t keys);

  std::int64_t heads() const { return this->Attention.extent(1); }
  std::int64_t tokens() const { return this->Attention.extent(2); }
  bool holds(std::int64_t layer) const;

  /// Called before the rows of a head are read: starts reading them together where that pays, that
  /// is when most of what lies between the first and the last one will be looked at.
  void prepare(std::int64_t layer, std::int64_t head, std::size_t chosenTokens) const;

  /// `layer` counts through the whole model and must be held; valid until the next call. Throws
  /// Error for what is not finite.
  const std::vector<float>& read(std::int64_t layer, std::int64_t head, std::int64_t token);

private:
  void checkFinite(std::int64_t layer, std::int64_t head, std::int64_t token) const;

  const Tensor& Attention;
  std::int64_t LayerBegin;
  std::int64_t FirstKey;
  std::vector<float> Row;
};

} // namespace lvlm

#endif
