// SPDX-License-Identifier: Apache-2.0
/// @file FuzzInput.h
/// What the fuzz targets share. A target is one LLVMFuzzerTestOneInput; reading bad input may end
/// in lvlm::Error and in nothing else: any other exception, a sanitizer's report, a hang or much
/// memory is a bug.
#ifndef LVLM_TESTING_FUZZINPUT_H
#define LVLM_TESTING_FUZZINPUT_H

#include "Models/Trace/Error.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include <sys/mman.h>
#include <unistd.h>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace lvlm_fuzz
{

/// The input as a file, in memory only, for readers that take a path.
class InputFile
{
public:
  InputFile(const std::uint8_t* data, std::size_t size)
    : Descriptor(::memfd_create("fuzz", MFD_CLOEXEC))
  {
    for (std::size_t done = 0; done < size;)
    {
      const ssize_t written = ::write(this->Descriptor, data + done, size - done);
      if (written <= 0)
      {
        std::abort();
      }
      done += static_cast<std::size_t>(written);
    }
  }
  ~InputFile() { ::close(this->Descriptor); }
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  std::string path() const { return "/proc/self/fd/" + std::to_string(this->Descriptor); }

private:
  int Descriptor;
};

/// The input as text.
inline std::string textOf(const std::uint8_t* data, std::size_t size)
{
  return { reinterpret_cast<const char*>(data), size };
}

/// Runs `work`; only lvlm::Error is caught, and it must say something.
template <typename Work>
void expectErrorAtMost(Work&& work)
{
  try
  {
    work();
  }
  catch (const lvlm::Error& error)
  {
    if (std::string(error.what()).empty())
    {
      std::abort();
    }
  }
}

/// Aborts where the code under test breaks its own promise.
inline void require(bool condition)
{
  if (!condition)
  {
    std::abort();
  }
}

} // namespace lvlm_fuzz

#endif
