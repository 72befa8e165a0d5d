// SPDX-License-Identifier: Apache-2.0
/// @file Arrivals.h
/// Values that leave a device while it goes on computing. Internal to Models/Llava.
#ifndef LVLM_LLAVA_ARRIVALS_H
#define LVLM_LLAVA_ARRIVALS_H

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace lvlm::llava
{

/// For one computation, and one device, at a time.
class Arrivals
{
public:
  using Use = std::function<void(const at::Tensor& values)>;

  /// Hands the values, contiguous, of this type and on the CPU, to `use`: at once where they are on
  /// the CPU already, else when they have come, in the order of the calls and in finish() at the
  /// latest.
  void bring(const at::Tensor& values, at::ScalarType type, Use use);
  /// Waits for the device, and uses what has come. What `use` throws ends the list.
  void finish();

private:
  struct Coming
  {
    at::Tensor values; ///< in pinned memory, which the device writes to by itself
    Use use;
  };
  std::vector<Coming> OnTheWay;
  std::int64_t Bytes = 0;
  at::Device From = at::kCPU;
};

/// Throws Error, at the arrivals' next finish() at the latest, if a value is not finite: "`where`
/// is not finite", and what that may come from.
void requireFinite(Arrivals& arrivals, const at::Tensor& values, const std::string& where);

} // namespace lvlm::llava

#endif
