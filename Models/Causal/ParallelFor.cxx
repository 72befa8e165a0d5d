// SPDX-License-Identifier: Apache-2.0
#include "ParallelFor.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace lvlm::causal
{

namespace
{

class Pool
{
public:
  Pool(int count, const std::function<void(int, const std::atomic<bool>&)>& work)
    : Count(count), Work(work)
  {
  }
  ~Pool() { this->join(); }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  void start(int threads)
  {
    for (int i = 0; i < threads; ++i)
    {
      try
      {
        this->Threads.emplace_back([this] { this->loop(); });
      }
      catch (const std::system_error&)
      {
        break; // no more threads to be had: the others do it
      }
    }
    if (this->Threads.empty())
    {
      this->loop();
    }
  }

  /// Waits a moment; false when all pieces are done or given up.
  bool busy()
  {
    std::unique_lock<std::mutex> lock(this->Mutex);
    return !this->Changed.wait_for(lock, std::chrono::milliseconds(50),
      [this] { return this->Done >= this->Count || this->Stop; });
  }

  int done() const { return this->Done; }
  void stop() { this->Stop = true; }

  void join()
  {
    for (std::thread& thread : this->Threads)
    {
      thread.join();
    }
    this->Threads.clear();
  }

  void rethrow() const
  {
    if (this->Failure)
    {
      std::rethrow_exception(this->Failure);
    }
  }

private:
  void loop()
  {
    for (int i = this->Next++; i < this->Count && !this->Stop; i = this->Next++)
    {
      try
      {
        this->Work(i, this->Stop);
        const std::lock_guard<std::mutex> lock(this->Mutex); // so that busy() misses no wake-up
        ++this->Done;
      }
      catch (...)
      {
        const std::lock_guard<std::mutex> lock(this->Mutex);
        this->Failure = this->Failure ? this->Failure : std::current_exception();
        this->Stop = true;
      }
      this->Changed.notify_all();
    }
  }

  const int Count;
  const std::function<void(int, const std::atomic<bool>&)>& Work;
  std::atomic<int> Next{ 0 };
  std::atomic<int> Done{ 0 };
  std::atomic<bool> Stop{ false };
  std::mutex Mutex;
  std::condition_variable Changed;
  std::exception_ptr Failure;
  std::vector<std::thread> Threads;
};

} // namespace

void parallelFor(int count, int threads, const Progress& progress, const std::string& text,
  const std::function<void(int, const std::atomic<bool>&)>& work)
{
  report(progress, 0.0, text);
  if (count <= 0)
  {
    return;
  }
  {
    Pool pool(count, work);
    pool.start(std::clamp(threads, 1, count));
    try
    {
      while (pool.busy())
      {
        report(progress, static_cast<double>(pool.done()) / count, text);
      }
    }
    catch (...)
    {
      pool.stop();
      throw; // the pool's destructor waits for the threads
    }
    pool.join();
    pool.rethrow();
  }
  report(progress, 1.0, text);
}

} // namespace lvlm::causal
