// SPDX-License-Identifier: Apache-2.0
#include "DeviceWeights.h"

namespace lvlm::llava
{

namespace
{
/// Left for keys and values, activations and attention.
constexpr std::int64_t RoomForQuestion = std::int64_t{ 2 } << 30;
}

DeviceWeights::DeviceWeights(at::Device device) : Device(device) {}

at::Tensor DeviceWeights::of(const at::Tensor& stored)
{
  const at::Tensor resident = this->kept(stored);
  return resident.defined() ? resident : this->streamed(stored);
}

std::int64_t DeviceWeights::residentBytes() const
{
  const std::lock_guard<std::mutex> lock(this->Mutex);
  return this->Bytes;
}

/// Undefined when there is no room.
at::Tensor DeviceWeights::kept(const at::Tensor& stored)
{
  const std::lock_guard<std::mutex> lock(this->Mutex);
  const Key key(stored.data_ptr(), stored.numel());
  if (const auto found = this->Kept.find(key); found != this->Kept.end())
  {
    return found->second;
  }
  if (this->Full)
  {
    return {};
  }
  try
  {
    const at::Tensor weight = at::empty_like(stored, stored.options().device(this->Device));
    // LibTorch tells no device's free memory on every version: whether there is room is tried.
    at::empty({ RoomForQuestion }, at::TensorOptions(at::kByte).device(this->Device));
    weight.copy_(stored);
    this->Bytes += static_cast<std::int64_t>(weight.nbytes());
    this->Kept.emplace(key, weight);
    return weight;
  }
  catch (const c10::OutOfMemoryError&)
  {
    this->Full = true;
    return {};
  }
}

/// The staging memory goes back to LibTorch's allocator, which gives it out again when the device
/// has read it: the copy into it waits for no product.
at::Tensor DeviceWeights::streamed(const at::Tensor& stored) const
{
  const at::Tensor staged = at::empty(stored.sizes(), stored.options().pinned_memory(true));
  staged.copy_(stored);
  return staged.to(this->Device, /*non_blocking=*/true);
}

} // namespace lvlm::llava
