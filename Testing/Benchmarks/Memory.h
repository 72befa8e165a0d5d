// SPDX-License-Identifier: Apache-2.0
/// @file Memory.h
/// How much memory a benchmark takes.
#ifndef LVLM_TESTING_BENCHMARKS_MEMORY_H
#define LVLM_TESTING_BENCHMARKS_MEMORY_H

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <fstream>
#include <string>
#include <thread>

/// A line of /proc/self/status, "VmData:" say, in bytes.
inline std::size_t statusBytes(const char* name)
{
  std::ifstream status("/proc/self/status");
  std::string word;
  std::size_t kilobytes = 0;
  while (status >> word)
  {
    if (word == name)
    {
      status >> kilobytes;
    }
  }
  return kilobytes * 1024;
}

/// The growth of this process's anonymous resident memory while the object lives.
class PeakMemory
{
public:
  PeakMemory() : Start(anonymous()), Sampler([this] { this->sample(); }) {}

  ~PeakMemory() { this->stop(); }
  PeakMemory(const PeakMemory&) = delete;
  PeakMemory& operator=(const PeakMemory&) = delete;

  /// Bytes, from the start to the highest point. It ends the measurement.
  std::size_t growth()
  {
    this->stop();
    return this->Peak - std::min(this->Peak.load(), this->Start);
  }

private:
  void stop()
  {
    this->Stop = true;
    if (this->Sampler.joinable())
    {
      this->Sampler.join();
    }
  }

  static std::size_t anonymous() { return statusBytes("RssAnon:"); }

  void sample()
  {
    while (!this->Stop)
    {
      this->Peak = std::max(this->Peak.load(), anonymous());
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  }

  std::size_t Start;
  std::atomic<std::size_t> Peak{ 0 };
  std::atomic<bool> Stop{ false };
  std::thread Sampler;
};

#endif
