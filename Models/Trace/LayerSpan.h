// SPDX-License-Identifier: Apache-2.0
/// @file LayerSpan.h
/// A run of consecutive layers.
#ifndef LVLM_TRACE_LAYERSPAN_H
#define LVLM_TRACE_LAYERSPAN_H

#include <cstdint>

namespace lvlm
{

/// The layers [begin, end).
struct LayerSpan
{
  std::int64_t begin = 0;
  std::int64_t end = 0;

  std::int64_t count() const { return this->end - this->begin; }
  bool contains(std::int64_t layer) const { return layer >= this->begin && layer < this->end; }
};

} // namespace lvlm

#endif
