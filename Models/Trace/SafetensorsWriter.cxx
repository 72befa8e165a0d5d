// SPDX-License-Identifier: Apache-2.0
#include "Error.h"
#include "FileReplacement.h"
#include "Json.h"
#include "MappedFile.h"
#include "Safetensors.h"

#include <algorithm>

namespace lvlm
{

namespace
{
using Entry = std::pair<std::string, const Tensor*>;

std::vector<Entry> inFileOrder(const std::map<std::string, Tensor>& tensors)
{
  std::vector<Entry> order;
  order.reserve(tensors.size());
  for (const auto& [name, tensor] : tensors)
  {
    order.emplace_back(name, &tensor);
  }
  std::stable_sort(order.begin(), order.end(),
    [](const Entry& a, const Entry& b)
    { return sizeOf(a.second->dtype) > sizeOf(b.second->dtype); });
  return order;
}

std::string headerOf(
  const std::vector<Entry>& order, const std::map<std::string, std::string>& metadata)
{
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty())
  {
    header["__metadata__"] = metadata;
  }
  std::uint64_t offset = 0;
  for (const auto& [name, tensor] : order)
  {
    const std::uint64_t end = offset + tensor->bytes();
    header[name] = { { "dtype", nameOf(tensor->dtype) }, { "shape", tensor->shape },
      { "data_offsets", { offset, end } } };
    offset = end;
  }
  // A tokenizer's piece may be a part of a character: such bytes become U+FFFD in the header.
  std::string text = header.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  text.resize((text.size() + 7) / 8 * 8, ' '); // so that the data start aligned
  return text;
}

void writeAll(FileReplacement& file, const std::string& path, const std::string& header,
  const std::vector<Entry>& order, const TensorBytes& bytes)
{
  const std::uint64_t length = header.size();
  file.write(&length, sizeof length);
  file.write(header.data(), header.size());
  for (const auto& [name, tensor] : order)
  {
    std::size_t written = 0;
    bytes(name, *tensor,
      [&](const void* data, std::size_t count)
      {
        file.write(data, count);
        written += count;
      });
    if (written != tensor->bytes())
    {
      fail(path, ": tensor '", name, "' has ", tensor->bytes(), " bytes, ", written, " came");
    }
  }
}
}

void writeSafetensors(const std::string& path, const std::map<std::string, Tensor>& tensors,
  const std::map<std::string, std::string>& metadata)
{
  writeSafetensors(path, tensors, metadata,
    [](const std::string&, const Tensor& tensor, const PutBytes& put)
    { put(tensor.data, tensor.bytes()); });
}

void visitInFileOrder(const std::map<std::string, Tensor>& tensors, const TensorBytes& bytes)
{
  for (const auto& [name, tensor] : inFileOrder(tensors))
  {
    bytes(name, *tensor, [](const void*, std::size_t) {});
  }
}

void writeSafetensors(const std::string& path, const std::map<std::string, Tensor>& tensors,
  const std::map<std::string, std::string>& metadata, const TensorBytes& bytes)
{
  const std::vector<Entry> order = inFileOrder(tensors);
  // `path` itself may be the file that the tensors are mapped from: that stays as it was.
  FileReplacement file(path);
  try
  {
    writeAll(file, path, headerOf(order, metadata), order, bytes);
  }
  catch (const SystemError&)
  {
    requireIntact(tensors); // the system cannot write what it cannot read
    throw;
  }
  requireIntact(tensors);
  file.commit();
}

} // namespace lvlm
