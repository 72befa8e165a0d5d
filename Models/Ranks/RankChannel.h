// SPDX-License-Identifier: Apache-2.0
/// @file RankChannel.h
/// How the ranks of a parallel run talk to each other. Models/ knows nothing of MPI: VTK's
/// controller is behind this in ParaView, threads are in the tests.
#ifndef LVLM_RANKS_RANKCHANNEL_H
#define LVLM_RANKS_RANKCHANNEL_H

#include <cstddef>

namespace lvlm::ranks
{

/// Messages between two ranks arrive in the order in which they were sent. All calls block; send()
/// may wait until the other side receives. A broken connection throws Error.
class RankChannel
{
public:
  virtual ~RankChannel() = default;

  virtual int rank() const = 0; ///< of this process, in [0, size())
  virtual int size() const = 0; ///< at least 1

  virtual void send(int to, const void* data, std::size_t bytes) = 0;
  virtual void receive(int from, void* data, std::size_t bytes) = 0;
  /// Called by all ranks; the root's bytes reach the others.
  virtual void broadcast(int root, void* data, std::size_t bytes) = 0;
};

/// A run of one rank: nobody to talk to.
class SingleRank : public RankChannel
{
public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  void send(int, const void*, std::size_t) override {}
  void receive(int, void*, std::size_t) override {}
  void broadcast(int, void*, std::size_t) override {}
};

} // namespace lvlm::ranks

#endif
