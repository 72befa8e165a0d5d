// SPDX-License-Identifier: Apache-2.0
/// @file TouchTensors.h
/// Reads what an accepted file promises to hold.
#ifndef LVLM_TESTING_TOUCHTENSORS_H
#define LVLM_TESTING_TOUCHTENSORS_H

#include "Models/Trace/Tensor.h"

#include <map>
#include <string>
#include <vector>

namespace lvlm_fuzz
{

/// Every byte of every tensor must be readable, and floating ones convertible. Returns a sum, so
/// that no reading is optimized away.
inline double touch(const std::map<std::string, lvlm::Tensor>& tensors)
{
  double sum = 0;
  for (const auto& [name, tensor] : tensors)
  {
    const std::size_t bytes = tensor.bytes();
    for (std::size_t i = 0; i < bytes; ++i)
    {
      sum += static_cast<double>(tensor.data[i]);
    }
    const bool floating = tensor.dtype == lvlm::DType::F16 || tensor.dtype == lvlm::DType::BF16 ||
      tensor.dtype == lvlm::DType::F32 || tensor.dtype == lvlm::DType::F64;
    std::vector<float> values(floating ? static_cast<std::size_t>(tensor.count()) : 0);
    if (floating)
    {
      tensor.toFloat(0, tensor.count(), values.data());
    }
    sum += static_cast<double>(values.size()) + static_cast<double>(name.size());
  }
  return sum;
}

} // namespace lvlm_fuzz

#endif
