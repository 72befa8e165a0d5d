// SPDX-License-Identifier: Apache-2.0
/// @file RankExchange.h
/// The one place where the ranks of a parallel run (pvserver, pvbatch under MPI) exchange results.
#ifndef LVLM_READERS_RANKEXCHANGE_H
#define LVLM_READERS_RANKEXCHANGE_H

#include "Models/Trace/Error.h"

#include "lvlmReadersModule.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <string>
#include <type_traits>
#include <vector>

class vtkMultiProcessController;

namespace lvlm
{

/// Work that all ranks do together, inside run(). They meet before each exchange and at the end:
/// whoever fails or is aborted between two meetings says so at the next one, and all of them throw
/// the same. Therefore nobody waits for a rank that has given up, wherever that happened.
///
/// All ranks must call run() alike, and exchange in the same order. With one rank, or without MPI,
/// everything is a plain call.
class LVLMREADERS_EXPORT RankExchange
{
public:
  /// The ranks of VTK's global controller.
  RankExchange();

  int rank() const { return this->Rank; }
  int ranks() const { return this->Ranks; }
  bool isFirst() const { return this->Rank == 0; }

  /// `work` on this rank. Throws what it threw; when it threw on some ranks, the same on all: the
  /// error of the lowest of them, or Aborted.
  template <typename Work>
  void run(Work&& work)
  {
    this->Broken = false;
    this->Asked = nullptr;
    try
    {
      work();
    }
    catch (...)
    {
      this->finish(std::current_exception());
      throw;
    }
    this->finish(nullptr);
  }

  /// Inside run(): the values of all ranks, in the order of the ranks, on each.
  template <typename T>
  std::vector<std::vector<T>> gather(const std::vector<T>& own)
  {
    static_assert(std::is_trivially_copyable_v<T>);
    std::vector<std::vector<T>> all;
    for (const std::vector<char>& bytes : this->gatherBytes(own.data(), own.size() * sizeof(T)))
    {
      all.emplace_back(bytes.size() / sizeof(T));
      std::memcpy(all.back().data(), bytes.data(), bytes.size());
    }
    return all;
  }

  /// Inside run(): the root's values on all ranks.
  template <typename T>
  void broadcast(std::vector<T>& values, int root)
  {
    static_assert(std::is_trivially_copyable_v<T>);
    std::vector<char> bytes;
    const auto* data = reinterpret_cast<const char*>(values.data());
    this->broadcastBytes(
      root == this->Rank ? std::vector<char>(data, data + values.size() * sizeof(T)) : bytes, root,
      bytes);
    values.resize(bytes.size() / sizeof(T));
    std::memcpy(values.data(), bytes.data(), bytes.size());
  }

  /// Inside run(): bytes of the rank `from`, which not all ranks need. Bounded chunks, please.
  void sendToFirst(std::vector<char>& bytes, int from);

  /// Inside run(), for this rank's own work: reports to `own`, which stops the work on rank 0
  /// alone, and looks now and then whether another rank has given up. The exchange must stay.
  Progress progress(Progress own);

private:
  enum class State : std::int64_t
  {
    Working,
    Gathering,
    Broadcasting,
    Sending,
    Done,
    Aborted,
    Failed
  };

  std::vector<std::vector<char>> gatherBytes(const void* own, std::size_t bytes);
  void broadcastBytes(const std::vector<char>& own, int root, std::vector<char>& result);
  /// Returns once all ranks are in `state`, which is not Working. Throws when one has given up.
  void meet(State state, const std::string& message = {});
  /// One look at all ranks: what they have in common, Working when that is nothing.
  State look(State state, const std::string& message);
  [[noreturn]] void giveUp(const std::string& message, const std::vector<State>& states);
  std::vector<std::vector<char>> exchangeBytes(const void* own, std::size_t bytes);
  void finish(std::exception_ptr error);

  vtkMultiProcessController* Controller; // outlives every filter
  int Rank = 0;
  int Ranks = 1;
  bool Broken = false; ///< this run() has failed: no more meetings
  Progress Asked;      ///< on rank 0 while it waits
  std::chrono::steady_clock::time_point LastLook;
};

} // namespace lvlm

#endif
