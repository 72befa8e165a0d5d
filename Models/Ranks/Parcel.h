// SPDX-License-Identifier: Apache-2.0
/// @file Parcel.h
/// What one rank hands to another: numbers, lists and texts in the order in which they were put in.
#ifndef LVLM_RANKS_PARCEL_H
#define LVLM_RANKS_PARCEL_H

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace lvlm::ranks
{

class Parcel
{
public:
  Parcel() = default;
  explicit Parcel(std::vector<std::byte> content) : Content(std::move(content)) {}

  const std::vector<std::byte>& content() const { return this->Content; }

  void putBytes(const void* data, std::size_t bytes);
  template <typename T>
  void put(const T& number)
  {
    static_assert(std::is_arithmetic_v<T>);
    this->putBytes(&number, sizeof number);
  }
  template <typename T>
  void put(const std::vector<T>& list)
  {
    this->put(static_cast<std::int64_t>(list.size()));
    this->putBytes(list.data(), list.size() * sizeof(T));
  }
  void put(const std::string& text)
  {
    this->put(static_cast<std::int64_t>(text.size()));
    this->putBytes(text.data(), text.size());
  }

  /// The next bytes; they stay the parcel's. Throws Error when so many are not left.
  const std::byte* takeBytes(std::int64_t bytes);
  template <typename T>
  T take()
  {
    static_assert(std::is_arithmetic_v<T>);
    T number{};
    std::memcpy(&number, this->takeBytes(sizeof number), sizeof number);
    return number;
  }
  template <typename T>
  std::vector<T> takeList()
  {
    static_assert(std::is_arithmetic_v<T>);
    const auto bytes = this->takeSize(sizeof(T));
    const std::byte* data = this->takeBytes(bytes);
    std::vector<T> list(static_cast<std::size_t>(bytes) / sizeof(T));
    if (bytes > 0)
    {
      std::memcpy(list.data(), data, static_cast<std::size_t>(bytes));
    }
    return list;
  }
  std::string takeText();

private:
  /// Bytes of a list that announces its number of elements.
  std::int64_t takeSize(std::size_t element);

  std::vector<std::byte> Content;
  std::size_t At = 0;
};

} // namespace lvlm::ranks

#endif
