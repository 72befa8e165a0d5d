// SPDX-License-Identifier: Apache-2.0
#include "Parcel.h"

#include "Models/Trace/Error.h"

namespace lvlm::ranks
{

void Parcel::putBytes(const void* data, std::size_t bytes)
{
  if (bytes > 0)
  {
    const std::size_t before = this->Content.size();
    this->Content.resize(before + bytes);
    std::memcpy(this->Content.data() + before, data, bytes);
  }
}

const std::byte* Parcel::takeBytes(std::int64_t bytes)
{
  const auto left = static_cast<std::int64_t>(this->Content.size() - this->At);
  if (bytes < 0 || bytes > left)
  {
    fail("a message between ranks ends ", left, " bytes from here, ", bytes,
      " were expected: ", "the ranks do not run the same program on the same model");
  }
  const std::byte* data = this->Content.data() + this->At;
  this->At += static_cast<std::size_t>(bytes);
  return data;
}

std::string Parcel::takeText()
{
  const std::int64_t bytes = this->takeSize(1);
  const std::byte* data = this->takeBytes(bytes);
  return { reinterpret_cast<const char*>(data), static_cast<std::size_t>(bytes) };
}

std::int64_t Parcel::takeSize(std::size_t element)
{
  std::int64_t bytes = 0;
  const auto count = this->take<std::int64_t>();
  return __builtin_mul_overflow(count, static_cast<std::int64_t>(element), &bytes) ? -1 : bytes;
}

} // namespace lvlm::ranks
