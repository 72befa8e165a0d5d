// SPDX-License-Identifier: Apache-2.0
#include "Message.h"

#include "Channel.h"
#include "MessageHead.h"

#include "Models/Trace/Error.h"

#include <algorithm>
#include <cstdint>
#include <new>

namespace lvlm::ranks
{

namespace
{
/// As Torch allocates: products must not depend on where their factors come from.
constexpr std::align_val_t Alignment{ 64 };

std::vector<std::uint8_t> packedHead(const Message& message)
{
  nlohmann::json tensors = nlohmann::json::array();
  for (const Tensor& tensor : message.tensors)
  {
    tensors.push_back(nlohmann::json::array({ nameOf(tensor.dtype), tensor.shape }));
  }
  return nlohmann::json::to_msgpack(nlohmann::json::array({ message.head, tensors }));
}

/// Memory for a tensor that is about to arrive.
Tensor awaited(const nlohmann::json& description)
{
  Tensor tensor;
  tensor.dtype = dtypeFromName(description.at(0).get<std::string>());
  tensor.shape = description.at(1).get<std::vector<std::int64_t>>();
  if (tensor.count() > PTRDIFF_MAX / static_cast<std::int64_t>(sizeOf(tensor.dtype)))
  {
    fail("a tensor of shape ", shapeText(tensor.shape), " is too large");
  }
  const std::shared_ptr<std::byte> memory(
    static_cast<std::byte*>(::operator new(tensor.bytes(), Alignment)),
    [](std::byte* bytes) { ::operator delete(bytes, Alignment); });
  tensor.data = memory.get();
  tensor.owner = memory;
  return tensor;
}

Message unpackedHead(const std::vector<std::uint8_t>& head)
{
  try
  {
    const nlohmann::json packed = nlohmann::json::from_msgpack(head);
    Message message{ packed.at(0).get<std::string>(), {} };
    for (const nlohmann::json& description : packed.at(1))
    {
      message.tensors.push_back(awaited(description));
    }
    return message;
  }
  catch (const std::exception& error)
  {
    fail(
      "a message between ranks cannot be read, they do not run the same program: ", error.what());
  }
}
}

std::string packed(const nlohmann::json& value)
{
  std::string head;
  nlohmann::json::to_msgpack(value, head);
  return head;
}

nlohmann::json unpacked(const std::string& head)
{
  try
  {
    return head.empty() ? nlohmann::json() : nlohmann::json::from_msgpack(head);
  }
  catch (const std::exception& error)
  {
    fail("the head of a message between ranks cannot be read: ", error.what());
  }
}

Message transferred(Message message, bool sender, const Transfer& transfer)
{
  std::vector<std::uint8_t> head = sender ? packedHead(message) : std::vector<std::uint8_t>();
  auto length = static_cast<std::int64_t>(head.size());
  transfer(&length, sizeof length);
  head.resize(static_cast<std::size_t>(length));
  transfer(head.data(), head.size());
  if (!sender)
  {
    message = unpackedHead(head);
  }
  for (const Tensor& tensor : message.tensors)
  {
    // The sender's bytes are only read, the receiver's are this function's own.
    auto* data = const_cast<std::byte*>(tensor.data);
    for (std::size_t at = 0; at < tensor.bytes(); at += Channel::MaximumBytes)
    {
      transfer(data + at, std::min(Channel::MaximumBytes, tensor.bytes() - at));
    }
  }
  return message;
}

} // namespace lvlm::ranks
