// SPDX-License-Identifier: Apache-2.0
/// @file ThreadRanks.h
/// Ranks that are threads of one process. A message that nobody sends is an error after a while
/// instead of a test that hangs, and one that nobody receives is told at the end.
#ifndef LVLM_TESTING_THREADRANKS_H
#define LVLM_TESTING_THREADRANKS_H

#include "Models/Ranks/Team.h"
#include "Models/Trace/Error.h"

#include <chrono>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace lvlm_test
{
class ThreadRanks
{
public:
  explicit ThreadRanks(int size) : Size(size) {}

  /// What `work` threw on each rank, "" where it threw nothing.
  std::vector<std::string> run(const std::function<void(lvlm::ranks::Team&)>& work)
  {
    std::vector<std::string> thrown(static_cast<std::size_t>(this->Size));
    std::vector<std::thread> threads;
    for (int rank = 0; rank < this->Size; ++rank)
    {
      threads.emplace_back(
        [this, rank, &work, &thrown]
        {
          lvlm::ranks::Team team(std::make_unique<Channel>(*this, rank));
          try
          {
            work(team);
          }
          catch (const std::exception& error)
          {
            thrown[static_cast<std::size_t>(rank)] = error.what();
          }
        });
    }
    for (std::thread& thread : threads)
    {
      thread.join();
    }
    return thrown;
  }

  /// Messages that were sent and never received.
  std::size_t leftOver() const
  {
    std::size_t count = 0;
    for (const auto& [ends, messages] : this->Boxes)
    {
      count += messages.size();
    }
    return count;
  }

private:
  using Message = std::vector<char>;

  class Channel : public lvlm::ranks::Channel
  {
  public:
    Channel(ThreadRanks& ranks, int rank) : Ranks(ranks), Rank(rank) {}
    int rank() const override { return this->Rank; }
    int size() const override { return this->Ranks.Size; }

    void send(int to, const void* data, std::size_t bytes) override
    {
      const std::lock_guard<std::mutex> lock(this->Ranks.Mutex);
      const auto* begin = static_cast<const char*>(data);
      this->Ranks.Boxes[{ this->Rank, to }].emplace_back(begin, begin + bytes);
      this->Ranks.Arrived.notify_all();
    }

    void receive(int from, void* data, std::size_t bytes) override
    {
      std::unique_lock<std::mutex> lock(this->Ranks.Mutex);
      std::deque<Message>& box = this->Ranks.Boxes[{ from, this->Rank }];
      if (!this->Ranks.Arrived.wait_for(
            lock, std::chrono::seconds(60), [&box] { return !box.empty(); }))
      {
        lvlm::fail("rank ", this->Rank, " waits in vain for rank ", from);
      }
      const Message message = std::move(box.front());
      box.pop_front();
      if (message.size() != bytes)
      {
        lvlm::fail("rank ", from, " sent ", message.size(), " bytes, rank ", this->Rank,
          " expected ", bytes);
      }
      std::memcpy(data, message.data(), bytes);
    }

    void broadcast(int root, void* data, std::size_t bytes) override
    {
      if (this->Rank != root)
      {
        this->receive(root, data, bytes);
        return;
      }
      for (int rank = 0; rank < this->size(); ++rank)
      {
        if (rank != root)
        {
          this->send(rank, data, bytes);
        }
      }
    }

  private:
    ThreadRanks& Ranks;
    int Rank;
  };

  int Size;
  std::mutex Mutex;
  std::condition_variable Arrived;
  std::map<std::pair<int, int>, std::deque<Message>> Boxes; ///< by sender and receiver
};

/// True when all ranks threw the same message, which holds the needle.
inline bool allThrew(const std::vector<std::string>& thrown, const std::string& needle)
{
  for (const std::string& message : thrown)
  {
    if (message != thrown[0] || message.find(needle) == std::string::npos)
    {
      std::fprintf(stderr, "a rank threw '%s', rank 0 '%s'\n", message.c_str(), thrown[0].c_str());
      return false;
    }
  }
  return true;
}

inline bool noneThrew(const std::vector<std::string>& thrown)
{
  return allThrew(thrown, "") && thrown[0].empty();
}
} // namespace lvlm_test

#endif
