// SPDX-License-Identifier: Apache-2.0
/// @file DeviceWeights.h
/// Stored weights on a device that is not the CPU. Internal to Models/Llava.
#ifndef LVLM_LLAVA_DEVICEWEIGHTS_H
#define LVLM_LLAVA_DEVICEWEIGHTS_H

#include <ATen/ATen.h>

#include <cstdint>
#include <map>
#include <mutex>
#include <utility>

namespace lvlm::llava
{

/// Weights stay on the device from their first use on, in their stored type, as long as that leaves
/// room for a question. The others are copied for each use: through pinned memory, which is filled
/// while the device still computes with the weight before.
class DeviceWeights
{
public:
  explicit DeviceWeights(at::Device device);

  /// A weight of the mapped file, on the device; the file must stay mapped as long as this lives.
  /// Throws c10::Error when the device has no room for even one.
  at::Tensor of(const at::Tensor& stored);

  /// Bytes that have stayed so far.
  std::int64_t residentBytes() const;

private:
  at::Tensor kept(const at::Tensor& stored);
  at::Tensor streamed(const at::Tensor& stored) const;

  using Key = std::pair<const void*, std::int64_t>; // where it lies, how many numbers

  at::Device Device;
  mutable std::mutex Mutex; // filters that share a model may run in different threads
  std::map<Key, at::Tensor> Kept;
  std::int64_t Bytes = 0;
  bool Full = false;
};

} // namespace lvlm::llava

#endif
