// SPDX-License-Identifier: Apache-2.0
/// @file Message.h
/// What one rank hands to another: a small head, and tensors, whose
/// bytes travel from where they lie and are received where they stay.
#ifndef LVLM_RANKS_MESSAGE_H
#define LVLM_RANKS_MESSAGE_H

#include "Models/Trace/Tensor.h"

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace lvlm::ranks
{

struct Message
{
  std::string head; ///< any bytes: see MessageHead.h
  std::vector<Tensor> tensors;
};

/// Moves bytes to or from another rank: those at `data` go out, or are overwritten.
using Transfer = std::function<void(void* data, std::size_t bytes)>;

/// Sends `message` (the sender), or gives the one that arrived. A tensor that arrived has memory of
/// its own, which nobody else knows. Throws Error for tensors that cannot be.
Message transferred(Message message, bool sender, const Transfer& transfer);

/// A list as a message, and back. T is an element type of Tensor. listOf() throws Error when the
/// message holds something else.
template <typename T>
Message messageOf(const std::vector<T>& list)
{
  return { {}, { Tensor::of(list, { static_cast<std::int64_t>(list.size()) }) } };
}
template <typename T>
std::vector<T> listOf(const Message& message, std::size_t tensor = 0)
{
  const Tensor& list = message.tensors.at(tensor);
  return { list.as<T>(), list.as<T>() + list.count() };
}

} // namespace lvlm::ranks

#endif
