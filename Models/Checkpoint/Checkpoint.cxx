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
  { "model.multi_modal_projector.", "projector." }, { "multi_modal_projector.", "projector." },
  { "model.image_newline", "image_newline" } };

/// The shard of each tensor that the index names. Each must be a plain name inside the folder.
std::map<std::string, std::string> weightMapOf(const std::string& index)
{
  const nlohmann::json json = readJsonFile(index);
  if (!json.is_object() || !json.contains("weight_map") || !json["weight_map"].is_object())
  {
    fail(index, ": no object 'weight_map'");
  }
  std::map<std::string, std::string> shards;
  for (const auto& [tensor, file] : json["weight_map"].items())
  {
    const std::string name = file.is_string() ? file.get<std::string>() : std::string();
    if (name.empty() || name == ".." || name.find('/') != std::string::npos ||
      name.find('\0') != std::string::npos || fs::path(name).extension() != ".safetensors")
    {
      fail(index, ": tensor '", tensor, "' names the shard ", excerpt(file, 80),
        ", which is not a .safetensors file of this folder");
    }
    shards.emplace(tensor, name);
  }
  return shards;
}

/// What is said of a folder without safetensors files.
std::string otherWeights(const std::string& directory)
{
  std::string found;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(directory, ignored))
  {
    const std::string name = entry.path().filename().string();
    const std::string extension = entry.path().extension().string();
    const bool pickled = extension == ".bin" || extension == ".pt" || extension == ".pth" ||
      extension == ".ckpt" || name == "pytorch_model.bin.index.json";
    if ((pickled || extension == ".gguf" || extension == ".safetensors") &&
      (found.empty() || name < found))
    {
      found = name;
    }
  }
  if (found.empty())
  {
    return {};
  }
  const std::string extension = fs::path(found).extension().string();
  return extension == ".gguf"
    ? " (" + found + " is of llama.cpp: take the folder that it was made from)"
    : extension == ".safetensors"
    ? " (" + found + " alone is not read: the index says which tensors belong to the model)"
    : " (" + found +
      " is pickled, which is not read: load the folder with transformers and save it again, "
      "model.save_pretrained(folder, safe_serialization=True))";
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
    this->addShard(single, {});
    return;
  }
  if (!fs::exists(index, ignored))
  {
    fail(directory, ": neither model.safetensors nor model.safetensors.index.json is there",
      otherWeights(directory));
  }
  const std::map<std::string, std::string> weightMap = weightMapOf(index);
  std::set<std::string> shards;
  for (const auto& [tensor, shard] : weightMap)
  {
    shards.insert(shard);
  }
  for (const std::string& shard : shards)
  {
    this->addShard(directory + "/" + shard, weightMap);
  }
}

void Checkpoint::addShard(
  const std::string& path, const std::map<std::string, std::string>& weightMap)
{
  const SafetensorsFile file(path);
  const std::string shard = fs::path(path).filename().string();
  for (const auto& [name, tensor] : file.tensors())
  {
    const auto mapped = weightMap.find(name);
    if (mapped != weightMap.end() && mapped->second != shard)
    {
      continue; // another shard's, whatever this one has under the name
    }
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
    const std::string quantized = name.substr(0, name.rfind('.')) + ".qweight";
    fail(this->Directory, ": the checkpoint has no tensor '", name, "'",
      this->has(quantized) ? ", but '" + quantized + "' (quantized checkpoints are not supported)"
                           : std::string());
  }
  const Tensor& tensor = found->second;
  // The type first: packed numbers have another shape, too.
  if (tensor.dtype != DType::F32 && tensor.dtype != DType::BF16 && tensor.dtype != DType::F16 &&
    tensor.dtype != DType::F64)
  {
    fail(this->Directory, ": tensor '", name, "' is ", nameOf(tensor.dtype),
      ", not one of F32, BF16, F16, F64 (quantized checkpoints are not supported)");
  }
  if (tensor.shape != shape)
  {
    fail(this->Directory, ": tensor '", name, "' has shape ", shapeText(tensor.shape),
      ", config.json asks for ", shapeText(shape));
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
