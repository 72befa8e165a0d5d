// SPDX-License-Identifier: Apache-2.0
#include "TraceFile.h"

#include "Error.h"
#include "Json.h"
#include "Regions.h"
#include "Utf8.h"

#include <charconv>
#include <set>

namespace lvlm
{

namespace
{
using Metadata = std::map<std::string, std::string>;

constexpr const char* FormatName = "lvlm-trace";
constexpr const char* FormatVersion = "1";
constexpr const char* VersionWithRegions = "2";
const std::set<std::string> OwnKeys{ "format", "version", "model", "prompt", "answer", "tokens",
  "text", "roles", "prompt_length", "image_start", "grid", "regions" };

const std::string& required(const Metadata& metadata, const std::string& key)
{
  const auto found = metadata.find(key);
  if (found == metadata.end())
  {
    fail("metadata key '", key, "' is missing");
  }
  return found->second;
}

std::string optional(const Metadata& metadata, const std::string& key)
{
  const auto found = metadata.find(key);
  return found == metadata.end() ? std::string() : found->second;
}

std::int64_t integer(const std::string& text, const std::string& key)
{
  std::int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, value);
  if (result.ec != std::errc() || result.ptr != end)
  {
    fail("metadata key '", key, "': '", toValidUtf8(text.substr(0, 40)), "' is not a whole number");
  }
  return value;
}

PatchGrid gridOf(const std::string& text)
{
  const std::size_t comma = text.find(',');
  if (comma == std::string::npos)
  {
    fail("metadata key 'grid': '", toValidUtf8(text.substr(0, 40)), "' is not \"rows,cols\"");
  }
  std::string cols = text.substr(comma + 1);
  cols.erase(0, cols.find_first_not_of(' '));
  return { integer(text.substr(0, comma), "grid"), integer(cols, "grid") };
}

std::vector<std::string> stringList(const Metadata& metadata, const std::string& key)
{
  const nlohmann::json list = parseJson(required(metadata, key), "metadata key '" + key + "'");
  std::vector<std::string> strings;
  if (!list.is_array())
  {
    fail("metadata key '", key, "' is not a JSON list");
  }
  strings.reserve(list.size());
  for (const auto& entry : list)
  {
    if (!entry.is_string())
    {
      fail("metadata key '", key, "' holds something that is not a string");
    }
    strings.push_back(entry.get<std::string>());
  }
  return strings;
}

Trace traceOf(const SafetensorsFile& file)
{
  const Metadata& metadata = file.metadata();
  const std::string& version = required(metadata, "version");
  if (required(metadata, "format") != FormatName ||
    (version != FormatVersion && version != VersionWithRegions))
  {
    fail("format '", metadata.at("format"), "' version '", version, "' is not '", FormatName,
      "' version '", FormatVersion, "' or '", VersionWithRegions, "'");
  }
  Trace trace;
  trace.model = optional(metadata, "model");
  trace.prompt = optional(metadata, "prompt");
  trace.answer = optional(metadata, "answer");
  trace.tokens = stringList(metadata, "tokens");
  if (metadata.count("text") != 0)
  {
    trace.texts = stringList(metadata, "text");
  }
  for (const std::string& role : stringList(metadata, "roles"))
  {
    trace.roles.push_back(roleFromName(role));
  }
  trace.promptLength = integer(required(metadata, "prompt_length"), "prompt_length");
  for (const auto& [key, value] : metadata)
  {
    if (OwnKeys.count(key) == 0)
    {
      trace.extra[key] = value;
    }
  }
  trace.tensors = file.tensors();
  if (version == VersionWithRegions && metadata.count("regions") != 0)
  {
    trace.regions = parseRegions(metadata.at("regions"));
    settleRegions(trace);
  }
  else
  {
    trace.imageStart = integer(required(metadata, "image_start"), "image_start");
    trace.grid = gridOf(required(metadata, "grid"));
  }
  if (trace.has(tensor_name::AttentionAnswer))
  {
    const Tensor& attention = trace.tensor(tensor_name::AttentionAnswer);
    trace.layerTotal = attention.shape.empty() ? 0 : attention.shape[0];
  }
  trace.validate();
  return trace;
}

Metadata metadataOf(const Trace& trace)
{
  const auto text = [](const nlohmann::json& json)
  { return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace); };
  nlohmann::json roles = nlohmann::json::array();
  for (const Role role : trace.roles)
  {
    roles.push_back(nameOf(role));
  }
  Metadata metadata = trace.extra;
  metadata["format"] = FormatName;
  metadata["version"] = trace.regions.empty() ? FormatVersion : VersionWithRegions;
  metadata["model"] = trace.model;
  metadata["prompt"] = trace.prompt;
  metadata["answer"] = trace.answer;
  metadata["tokens"] = text(trace.tokens);
  if (!trace.texts.empty())
  {
    metadata["text"] = text(trace.texts);
  }
  metadata["roles"] = text(roles);
  metadata["prompt_length"] = std::to_string(trace.promptLength);
  if (!trace.regions.empty())
  {
    metadata["regions"] = textOfRegions(trace.regions);
    return metadata;
  }
  metadata["image_start"] = std::to_string(trace.imageStart);
  metadata["grid"] = std::to_string(trace.grid.rows) + "," + std::to_string(trace.grid.cols);
  return metadata;
}
}

Trace readTrace(const std::string& path)
{
  const SafetensorsFile file(path);
  try
  {
    return traceOf(file);
  }
  catch (const Error& error)
  {
    fail(path, ": ", error.what());
  }
}

void writeTrace(const std::string& path, const Trace& trace)
{
  writeTrace(path, trace,
    [](const std::string&, const Tensor& tensor, const PutBytes& put)
    { put(tensor.data, tensor.bytes()); });
}

void writeTrace(const std::string& path, const Trace& trace, const TensorBytes& bytes)
{
  try
  {
    trace.validate();
  }
  catch (const Error& error)
  {
    fail(path, ": not written: ", error.what());
  }
  const auto isWhole = [&trace](const char* data, const char* layers)
  { return !trace.has(data) || trace.tensor(data).extent(0) == trace.tensor(layers).extent(0); };
  const bool whole = (!trace.has(tensor_name::AttentionAnswer) ||
                       trace.tensor(tensor_name::AttentionAnswer).extent(0) == trace.layerTotal) &&
    isWhole(tensor_name::AttentionFull, tensor_name::AttentionFullLayers) &&
    isWhole(tensor_name::HiddenStates, tensor_name::HiddenLayers);
  if (!whole)
  {
    fail(path, ": not written: this process holds a part of the trace's layers only");
  }
  writeSafetensors(path, trace.tensors, metadataOf(trace), bytes);
}

} // namespace lvlm
