// SPDX-License-Identifier: Apache-2.0
#include "MemoryAdvice.h"

#include <cstdint>

#include <sys/mman.h>
#include <unistd.h>

namespace lvlm
{

namespace
{
/// Advises on the whole pages within the bytes. Errors don't matter: it is advice.
void advise(const std::byte* data, std::size_t bytes, int advice)
{
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = (reinterpret_cast<std::uintptr_t>(data) + page - 1) / page * page;
  const auto end = (reinterpret_cast<std::uintptr_t>(data) + bytes) / page * page;
  if (begin < end)
  {
    ::madvise(reinterpret_cast<void*>(begin), end - begin, advice);
  }
}
}

void expectScatteredReads(const Tensor& tensor)
{
  advise(tensor.data, tensor.bytes(), MADV_RANDOM);
}

void expectReads(const Tensor& tensor, std::int64_t first, std::int64_t n)
{
  const std::size_t size = sizeOf(tensor.dtype);
  advise(tensor.data + static_cast<std::size_t>(first) * size, static_cast<std::size_t>(n) * size,
    MADV_WILLNEED);
}

} // namespace lvlm
