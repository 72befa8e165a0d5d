// SPDX-License-Identifier: Apache-2.0
#include "Checkpoint.h"

#include "Models/Trace/Error.h"
#include "Models/Trace/Json.h"
#include "Models/Trace/MappedFile.h"
#include "Models/Trace/Safetensors.h"

#include <filesystem>
#include <set>

namespace lvlm::checkpoint
{

namespace
{
namespace fs = std::filesystem;

struct Renaming
{
  const char* from;
  const char* to;
};

/// The first prefix that fits is replaced: longer forms come before their own prefixes.
constexpr Renaming Renamings[] = { { "language_model.model.", "decoder." },
  { "model.language_model.", "decoder." }, { "language_model.lm_head.", "lm_head." },
  { "model.vision_tower.vision_model.", "vision." }, { "vision_tower.vision_model.", "vision." },
  { "model.vision_tower.", "vision." }, { "vision_tower.", "vision." },
  { "model.multi_modal_projector.", "projector." }, { "multi_modal_projector.", "projector." } };

/// Shard files named by the index. Each must be a plain name inside the folder.
std::set<std::string> shardsOf(const std::string& index)
{
  const nlohmann::json json = readJsonFile(index);
  if (!json.is_object() || !json.contains("weight_map") || !json["weight_map"].is_object())
  {
    fail(index, ": no object 'weight_map'");
  }
  std::set<std::string> shards;
  for (const auto& [tensor, file] : json["weight_map"].items())
  {
    const std::string name = file.is_string() ? file.get<std::string>() : std::string();
    if (name.empty() || name == ".." || name.find('/') != std::string::npos ||
      name.find('\0') != std::string::npos || fs::path(name).extension() != ".safetensors")
    {
      fail(index, ": tensor '", tensor, "' names the shard ", excerpt(file, 80),
        ", which is not a .safetensors file of this folder");
    }
    shards.insert(name);
  }
  return shards;
}
}

std::string Checkpoint::canonicalName(const std::string& name)
{
  for (const Renaming& renaming : Renamings)
  {
    const std::string from = renaming.from;
    if (name.compare(0, from.size(), from) == 0)
    {
      return renaming.to + name.substr(from.size());
    }
  }
  return name;
}

Checkpoint::Checkpoint(const std::string& directory) : Directory(directory)
{
  std::error_code ignored;
  const std::string single = directory + "/model.safetensors";
  const std::string index = single + ".index.json";
  if (fs::exists(single, ignored))
  {
    this->addShard(single);
    return;
  }
  if (!fs::exists(index, ignored))
  {
    fail(directory, ": neither model.safetensors nor model.safetensors.index.json is there",
      fs::exists(directory + "/pytorch_model.bin", ignored) ||
          fs::exists(directory + "/pytorch_model.bin.index.json", ignored)
        ? " (pickled pytorch_model.bin files are not read: convert them to safetensors)"
        : "");
  }
  for (const std::string& shard : shardsOf(index))
  {
    this->addShard(directory + "/" + shard);
  }
}

void Checkpoint::addShard(const std::string& path)
{
  const SafetensorsFile file(path);
  for (const auto& [name, tensor] : file.tensors())
  {
    if (!this->Tensors.emplace(canonicalName(name), tensor).second)
    {
      fail(path, ": tensor '", name, "' is there twice");
    }
  }
}

const Tensor& Checkpoint::tensor(
  const std::string& name, const std::vector<std::int64_t>& shape) const
{
  const auto found = this->Tensors.find(name);
  if (found == this->Tensors.end())
  {
    fail(this->Directory, ": the checkpoint has no tensor '", name, "'");
  }
  const Tensor& tensor = found->second;
  if (tensor.shape != shape)
  {
    fail(this->Directory, ": tensor '", name, "' has shape ", shapeText(tensor.shape),
      ", config.json asks for ", shapeText(shape));
  }
  if (tensor.dtype != DType::F32 && tensor.dtype != DType::BF16 && tensor.dtype != DType::F16 &&
    tensor.dtype != DType::F64)
  {
    fail(this->Directory, ": tensor '", name, "' is ", nameOf(tensor.dtype),
      ", not one of F32, BF16, F16, F64 (quantized checkpoints are not supported)");
  }
  return tensor;
}

void Checkpoint::requireIntact() const
{
  lvlm::requireIntact(this->Tensors);
}

std::size_t Checkpoint::bytes() const
{
  std::size_t sum = 0;
  for (const auto& [name, tensor] : this->Tensors)
  {
    sum += tensor.bytes();
  }
  return sum;
}

DType Checkpoint::storedType() const
{
  std::map<DType, std::size_t> bytes;
  for (const auto& [name, tensor] : this->Tensors)
  {
    bytes[tensor.dtype] += tensor.bytes();
  }
  DType most = DType::F32;
  for (const auto& [type, sum] : bytes)
  {
    most = bytes[most] < sum ? type : most;
  }
  return most;
}

} // namespace lvlm::checkpoint
