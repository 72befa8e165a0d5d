// SPDX-License-Identifier: Apache-2.0
#include "CaptureBuffer.h"

#include "Models/Trace/Error.h"

#include <algorithm>
#include <cstring>

#include <sys/mman.h>
#include <unistd.h>

namespace lvlm::llava
{

struct CaptureBuffer::Mapping
{
  std::byte* data = nullptr;
  std::size_t bytes = 0;

  explicit Mapping(std::size_t size) : bytes(size)
  {
    void* memory = ::mmap(
      nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
    {
      fail("no room for ", size, " bytes of what is captured");
    }
    this->data = static_cast<std::byte*>(memory);
  }
  ~Mapping()
  {
    if (this->bytes > 0)
    {
      ::munmap(this->data, this->bytes);
    }
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  void shrink(std::size_t used)
  {
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    const std::size_t keep = std::max(page, (used + page - 1) / page * page);
    if (keep < this->bytes)
    {
      ::munmap(this->data + keep, this->bytes - keep);
      this->bytes = keep;
    }
  }
};

std::size_t CaptureBuffer::bytes(
  std::int64_t slabs, std::int64_t heads, std::int64_t rows, std::int64_t cols, DType type)
{
  const std::int64_t count = elementCount({ slabs, heads, rows, cols });
  std::size_t bytes = 0;
  if (__builtin_mul_overflow(static_cast<std::size_t>(count), sizeOf(type), &bytes))
  {
    fail("capturing a tensor of shape ", shapeText({ slabs, heads, rows, cols }), " overflows");
  }
  return bytes;
}

CaptureBuffer::CaptureBuffer(std::int64_t slabs, std::int64_t heads, std::int64_t rowCapacity,
  std::int64_t colCapacity, DType type)
  : Memory(std::make_shared<Mapping>(
      std::max<std::size_t>(1, bytes(slabs, heads, rowCapacity, colCapacity, type)))),
    Slabs(slabs), Heads(heads), Rows(rowCapacity), Cols(colCapacity), Type(type)
{
}

void CaptureBuffer::write(
  std::int64_t slab, std::int64_t head, std::int64_t row, const void* values, std::int64_t n)
{
  if (slab < 0 || slab >= this->Slabs || head < 0 || head >= this->Heads || row < 0 ||
    row >= this->Rows || n < 0 || n > this->Cols)
  {
    fail("row (", slab, ", ", head, ", ", row, ") of ", n, " numbers leaves the capture of ",
      shapeText({ this->Slabs, this->Heads, this->Rows, this->Cols }));
  }
  const std::size_t size = sizeOf(this->Type);
  std::byte* to = this->Memory->data +
    static_cast<std::size_t>(((slab * this->Heads + head) * this->Rows + row) * this->Cols) * size;
  std::memcpy(to, values, static_cast<std::size_t>(n) * size);
}

Tensor CaptureBuffer::take(std::int64_t rows, std::int64_t cols)
{
  if (rows > this->Rows || cols > this->Cols)
  {
    fail("a capture of ", this->Rows, " x ", this->Cols, " cannot give ", rows, " x ", cols);
  }
  std::byte* data = this->Memory->data;
  const std::size_t size = sizeOf(this->Type);
  const std::size_t length = static_cast<std::size_t>(cols) * size;
  for (std::int64_t head = 0; head < this->Slabs * this->Heads; ++head)
  {
    for (std::int64_t row = 0; row < rows; ++row)
    {
      std::byte* to = data + static_cast<std::size_t>(head * rows + row) * length;
      const std::byte* from =
        data + static_cast<std::size_t>((head * this->Rows + row) * this->Cols) * size;
      if (to != from) // forwards: a row never moves past one that is still to be read
      {
        std::memmove(to, from, length);
      }
    }
  }
  this->Memory->shrink(bytes(this->Slabs, this->Heads, rows, cols, this->Type));
  Tensor tensor;
  tensor.dtype = this->Type;
  tensor.shape = { this->Slabs, this->Heads, rows, cols };
  tensor.data = data;
  tensor.owner = std::move(this->Memory);
  return tensor;
}

} // namespace lvlm::llava
