// SPDX-License-Identifier: Apache-2.0
/// @file BufferPool.h
/// Large tensors whose memory is used again. Fresh memory costs a page fault for every 4 KiB, a
/// tenth of the time of reading a prompt. Internal to Models/Llava.
#ifndef LVLM_LLAVA_BUFFERPOOL_H
#define LVLM_LLAVA_BUFFERPOOL_H

#include <ATen/ATen.h>

#include <cstddef>
#include <map>
#include <memory>

namespace lvlm::llava
{

/// Tensors may outlive it; for one thread at a time.
class BufferPool
{
public:
  /// An uninitialized tensor. On a CPU its memory comes back to the pool with its last owner; other
  /// devices have pools of their own.
  at::Tensor empty(at::IntArrayRef shape, at::ScalarType type, at::Device device = at::kCPU);

private:
  struct Free
  {
    void operator()(void* p) const;
  };
  using Block = std::unique_ptr<void, Free>;
  using Blocks = std::multimap<std::size_t, Block>; // by bytes

  std::shared_ptr<Blocks> Idle = std::make_shared<Blocks>();
};

} // namespace lvlm::llava

#endif
