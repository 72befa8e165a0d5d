// SPDX-License-Identifier: Apache-2.0
/// @file Channel.h
/// How the ranks of a parallel run reach each other. Models/ knows nothing of MPI: VTK's controller
/// is behind this in ParaView, threads are in the tests.
#ifndef LVLM_RANKS_CHANNEL_H
#define LVLM_RANKS_CHANNEL_H

#include <cstddef>

namespace lvlm::ranks
{

/// Bytes between two ranks arrive in the order in which they were sent. All calls block; send() may
/// wait until the other side receives. A broken connection throws Error.
class Channel
{
public:
  /// Of one call: MPI counts with int.
  static constexpr std::size_t MaximumBytes = std::size_t(1) << 30;

  virtual ~Channel() = default;

  virtual int rank() const = 0; ///< of this process, in [0, size())
  virtual int size() const = 0; ///< at least 1

  virtual void send(int to, const void* data, std::size_t bytes) = 0;
  virtual void receive(int from, void* data, std::size_t bytes) = 0;
  /// Called by all ranks; the root's bytes reach the others.
  virtual void broadcast(int root, void* data, std::size_t bytes) = 0;
};

} // namespace lvlm::ranks

#endif
