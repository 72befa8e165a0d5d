// SPDX-License-Identifier: Apache-2.0
#include "BufferPool.h"

#include <algorithm>
#include <cstdlib>
#include <new>

namespace lvlm::llava
{

namespace
{
constexpr std::size_t CacheLine = 64;
constexpr std::size_t SmallBytes = 1 << 20; // malloc keeps those itself
constexpr std::size_t MaximumIdle = 8;      // more shapes than a layer's are not used again
}

void BufferPool::Free::operator()(void* p) const
{
  std::free(p);
}

at::Tensor BufferPool::empty(at::IntArrayRef shape, at::ScalarType type, at::Device device)
{
  std::size_t bytes = c10::elementSize(type);
  for (const std::int64_t extent : shape)
  {
    bytes *= static_cast<std::size_t>(extent);
  }
  if (bytes < SmallBytes || !device.is_cpu())
  {
    return at::empty(shape, at::TensorOptions(type).device(device));
  }
  bytes = (bytes + CacheLine - 1) / CacheLine * CacheLine;
  Block block;
  // A last block of rows is smaller than those before it.
  if (const auto found = this->Idle->lower_bound(bytes);
      found != this->Idle->end() && found->first <= 2 * bytes)
  {
    bytes = found->first;
    block = std::move(found->second);
    this->Idle->erase(found);
  }
  else
  {
    block.reset(std::aligned_alloc(CacheLine, bytes));
    if (!block)
    {
      throw std::bad_alloc();
    }
  }
  void* data = block.release();
  const auto giveBack = [idle = std::weak_ptr<Blocks>(this->Idle), bytes](void* p)
  {
    Block back(p);
    const std::shared_ptr<Blocks> pool = idle.lock();
    if (pool && pool->size() < MaximumIdle)
    {
      pool->emplace(bytes, std::move(back));
    }
  };
  return at::from_blob(data, shape, giveBack, at::TensorOptions(type));
}

} // namespace lvlm::llava
