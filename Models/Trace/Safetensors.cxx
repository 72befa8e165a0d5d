// SPDX-License-Identifier: Apache-2.0
#include "Safetensors.h"

#include "Error.h"
#include "Json.h"
#include "MappedFile.h"

#include <algorithm>
#include <cstring>
#include <tuple>

namespace lvlm
{

namespace
{
/// The reference implementation's own limit.
constexpr std::uint64_t MaximumHeader = 100u << 20;

using Json = nlohmann::json;

struct Span
{
  std::uint64_t begin;
  std::uint64_t end;
  std::string name;
};

std::uint64_t readHeaderLength(const MappedFile& file, const std::string& path)
{
  std::uint64_t length = 0;
  if (file.size() < sizeof length)
  {
    fail(path, ": truncated: ", file.size(), " bytes cannot hold a safetensors header");
  }
  std::memcpy(&length, file.data(), sizeof length);
  if (length > MaximumHeader)
  {
    fail(path, ": header length ", length, " is more than the ", MaximumHeader, " accepted");
  }
  if (length > file.size() - sizeof length)
  {
    fail(path, ": truncated: header length ", length, " in a file of ", file.size(), " bytes");
  }
  return length;
}

std::uint64_t unsignedOf(const Json& value, const std::string& where)
{
  if (!value.is_number_integer() || (value.is_number_integer() && !value.is_number_unsigned()))
  {
    fail(where, ": ", excerpt(value), " is not a length");
  }
  return value.get<std::uint64_t>();
}

std::vector<std::int64_t> readShape(const Json& value, const std::string& where)
{
  if (!value.is_array() || value.size() > 16)
  {
    fail(where, ": shape is not a list of at most 16 numbers");
  }
  std::vector<std::int64_t> shape;
  for (const Json& extent : value)
  {
    const std::uint64_t number = unsignedOf(extent, where);
    if (number > INT64_MAX)
    {
      fail(where, ": impossible extent ", number);
    }
    shape.push_back(static_cast<std::int64_t>(number));
  }
  return shape;
}

/// The tensor and its span in the data section, which holds `dataSize` bytes.
Tensor readEntry(const Json& entry, const std::string& where, std::uint64_t dataSize, Span& span)
{
  if (!entry.is_object() || !entry.contains("dtype") || !entry["dtype"].is_string() ||
    !entry.contains("shape") || !entry.contains("data_offsets") ||
    !entry["data_offsets"].is_array() || entry["data_offsets"].size() != 2)
  {
    fail(where, ": entry without dtype, shape and data_offsets");
  }
  Tensor tensor;
  try
  {
    tensor.dtype = dtypeFromName(entry["dtype"].get<std::string>());
    tensor.shape = readShape(entry["shape"], where);
    tensor.count();
  }
  catch (const Error& error)
  {
    fail(where, ": ", error.what());
  }
  span.begin = unsignedOf(entry["data_offsets"][0], where);
  span.end = unsignedOf(entry["data_offsets"][1], where);
  if (span.begin > span.end || span.end > dataSize)
  {
    fail(where, ": data_offsets [", span.begin, ", ", span.end, ") leave the ", dataSize,
      " bytes of data: truncated or hostile file");
  }
  std::uint64_t bytes = 0;
  if (__builtin_mul_overflow(static_cast<std::uint64_t>(tensor.count()),
        static_cast<std::uint64_t>(sizeOf(tensor.dtype)), &bytes) ||
    bytes != span.end - span.begin)
  {
    fail(where, ": shape ", shapeText(tensor.shape), " of ", nameOf(tensor.dtype),
      " does not fill the ", span.end - span.begin, " bytes of its data_offsets");
  }
  return tensor;
}

void checkOverlaps(std::vector<Span>& spans, const std::string& path)
{
  std::sort(spans.begin(), spans.end(),
    [](const Span& a, const Span& b)
    { return std::tie(a.begin, a.end) < std::tie(b.begin, b.end); });
  for (std::size_t i = 1; i < spans.size(); ++i)
  {
    if (spans[i].begin < spans[i - 1].end)
    {
      fail(path, ": tensors '", spans[i - 1].name, "' and '", spans[i].name, "' overlap");
    }
  }
}

/// Points the tensor at its bytes; copies them first in the rare file that does not align them.
void place(Tensor& tensor, const std::byte* data, const std::shared_ptr<const MappedFile>& file)
{
  const std::size_t bytes = tensor.bytes();
  if (reinterpret_cast<std::uintptr_t>(data) % sizeOf(tensor.dtype) == 0)
  {
    tensor.data = data;
    tensor.owner = file;
    return;
  }
  auto copy = std::shared_ptr<std::byte[]>(new std::byte[bytes]);
  std::memcpy(copy.get(), data, bytes);
  tensor.data = copy.get();
  tensor.owner = std::move(copy);
}

std::map<std::string, std::string> readMetadata(const Json& header, const std::string& path)
{
  std::map<std::string, std::string> metadata;
  const auto found = header.find("__metadata__");
  if (found == header.end())
  {
    return metadata;
  }
  if (!found->is_object())
  {
    fail(path, ": __metadata__ is not an object of strings");
  }
  for (const auto& [key, value] : found->items())
  {
    if (!value.is_string())
    {
      fail(path, ": __metadata__ key '", key, "' is not a string");
    }
    metadata[key] = value.get<std::string>();
  }
  return metadata;
}
}

SafetensorsFile::SafetensorsFile(const std::string& path) : Path(path)
{
  const auto file = MappedFile::open(path);
  try
  {
    this->read(file);
  }
  catch (const Error&)
  {
    file->requireIntact(); // rather say this than what is wrong with half a header
    throw;
  }
  file->requireIntact();
}

void SafetensorsFile::read(const std::shared_ptr<const MappedFile>& file)
{
  const std::string& path = this->Path;
  const std::uint64_t headerLength = readHeaderLength(*file, path);
  const std::byte* text = file->data() + sizeof headerLength;
  const Json header = parseUniqueJson(
    { reinterpret_cast<const char*>(text), static_cast<std::size_t>(headerLength) }, path);
  if (!header.is_object())
  {
    fail(path, ": the safetensors header is not a JSON object");
  }
  this->Metadata = readMetadata(header, path);
  const std::byte* data = text + headerLength;
  const std::uint64_t dataSize = file->size() - sizeof headerLength - headerLength;
  std::vector<Span> spans;
  for (const auto& [name, entry] : header.items())
  {
    if (name == "__metadata__")
    {
      continue;
    }
    Span span{ 0, 0, name };
    Tensor tensor = readEntry(entry, path + ": tensor '" + name + "'", dataSize, span);
    if (span.end > span.begin)
    {
      spans.push_back(span);
    }
    this->Tensors.emplace(name, std::move(tensor));
    this->Tensors[name].data = data + span.begin;
  }
  checkOverlaps(spans, path); // before any copy: overlapping spans could ask for unbounded memory
  for (auto& [name, tensor] : this->Tensors)
  {
    place(tensor, tensor.data, file);
  }
}

const Tensor& SafetensorsFile::tensor(const std::string& name) const
{
  const auto found = this->Tensors.find(name);
  if (found == this->Tensors.end())
  {
    fail(this->Path, ": no tensor '", name, "'");
  }
  return found->second;
}

} // namespace lvlm
