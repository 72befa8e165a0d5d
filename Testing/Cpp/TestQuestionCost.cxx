// SPDX-License-Identifier: Apache-2.0
// The memory that a question is said to take, against what it takes: models of several widths and
// types, prompts up to thousands of positions, all kinds of capture.
#include "Check.h"
#include "TempFolder.h"

#include "Models/Llava/LlavaModel.h"
#include "Models/Llava/Runtime.h"
#include "Models/Trace/Json.h"
#include "Models/Trace/Safetensors.h"
#include "Testing/Benchmarks/Memory.h"

#include <cstdio>
#include <random>

#include <malloc.h>

namespace
{
using namespace lvlm;
using namespace lvlm::llava;
using lvlm_test::TempFolder;

const std::string Tiny = LVLM_SOURCE_DIR "/Models/TinyLlava";

struct Shape
{
  std::int64_t hidden, heads, keyValueHeads, intermediate;
  DType type;
};

/// Extents of a tensor of the embedded model in one of another decoder.
std::vector<std::int64_t> extentsOf(
  const std::string& name, std::vector<std::int64_t> extents, const Shape& shape)
{
  const auto has = [&name](const char* part) { return name.find(part) != std::string::npos; };
  if (has("vision_tower"))
  {
    return extents;
  }
  if (has("multi_modal_projector"))
  {
    extents[0] = shape.hidden;
    if (has("linear_2.weight"))
    {
      extents[1] = shape.hidden;
    }
    return extents;
  }
  for (std::int64_t& extent : extents)
  {
    extent = extent == 128 ? shape.hidden : extent == 352 ? shape.intermediate : extent;
  }
  if (has("k_proj") || has("v_proj"))
  {
    extents[0] = shape.hidden / shape.heads * shape.keyValueHeads;
  }
  return extents;
}

/// The embedded model with another decoder, of random weights.
std::string modelOf(const TempFolder& folder, const std::string& name, const Shape& shape)
{
  const std::string path = folder.path(name);
  std::filesystem::create_directory(path);
  for (const char* file : { "tokenizer.json", "preprocessor_config.json" })
  {
    std::filesystem::copy(Tiny + "/" + file, path + "/" + file);
  }
  nlohmann::json config = readJsonFile(Tiny + "/config.json");
  nlohmann::json& text = config["text_config"];
  text["hidden_size"] = shape.hidden;
  text["intermediate_size"] = shape.intermediate;
  text["num_attention_heads"] = shape.heads;
  text["num_key_value_heads"] = shape.keyValueHeads;
  text.erase("head_dim");
  folder.write(name + "/config.json", config.dump());
  std::mt19937 random(1);
  std::map<std::string, Tensor> tensors;
  const SafetensorsFile embedded(Tiny + "/model.safetensors");
  for (const auto& [tensorName, tensor] : embedded.tensors())
  {
    Tensor other;
    other.dtype = shape.type;
    other.shape = extentsOf(tensorName, tensor.shape, shape);
    const auto bytes = std::make_shared<std::vector<std::byte>>(other.bytes());
    const std::size_t size = sizeOf(shape.type);
    for (std::size_t i = 0; i < bytes->size() / size; ++i)
    {
      const float value = static_cast<float>(random() % 2001) * 2e-5f - 0.02f;
      const std::uint16_t half = floatToBfloat16(value);
      std::memcpy(bytes->data() + i * size,
        size == 2 ? static_cast<const void*>(&half) : static_cast<const void*>(&value), size);
    }
    other.data = bytes->data();
    other.owner = bytes;
    tensors[tensorName] = other;
  }
  writeSafetensors(path + "/model.safetensors", tensors, {});
  return path;
}

Question questionOf(std::int64_t words)
{
  Question question;
  question.image = picture::readImage(Tiny + "/scenes/red_heart.png");
  for (std::int64_t i = 0; i < words; ++i)
  {
    question.prompt += "red ";
  }
  question.maxNewTokens = 2;
  question.fullLayers.clear();
  return question;
}

/// Beyond this everything is a multiple of something in the question: libraries have small buffers
/// of their own, and what the C library keeps for its threads differs by some 20 MB between two
/// runs of this program (157 to 178 MB for the same question of 4654 positions).
constexpr double OwnBytes = 24e6;

void check(const LlavaModel& model, const Question& question, const char* what)
{
  const std::int64_t positions = model.promptLength(question);
  const QuestionCost cost = model.cost(question, positions);
  const auto told = static_cast<double>(cost.total());
  ::malloc_trim(0);
  PeakMemory memory;
  model.ask(question);
  const auto taken = static_cast<double>(memory.growth());
  std::printf("%-28s %6lld positions: %7.1f MB told, %7.1f MB taken, %.2f\n", what,
    static_cast<long long>(positions), told / 1e6, taken / 1e6, taken / told);
  CHECK(taken <= 1.2 * told + OwnBytes);
  // The half of a full matrix that nobody sees is not touched, unless the answer ends early.
  const double unseen = 0.5 * static_cast<double>(cost.attentionFull);
  CHECK(taken >= (told - unseen) / 1.2 - OwnBytes);
}

void checkAll(const std::string& folder, const std::string& name, const ModelOptions& options,
  const std::vector<std::int64_t>& lengths)
{
  const auto model = LlavaModel::open(folder, options);
  model->ask(questionOf(10)); // whatever is made once
  for (const std::int64_t words : lengths)
  {
    Question question = questionOf(words);
    check(*model, question, name.c_str());
    if (words <= 1500)
    {
      question.captureHidden = true;
      check(*model, question, (name + ", hidden").c_str());
      question.captureLens = true;
      question.captureHidden = false;
      question.alternatives = 20;
      check(*model, question, (name + ", lens").c_str());
      question = questionOf(words);
      question.fullLayers = { -1 };
      question.captureVision = true;
      check(*model, question, (name + ", full layer").c_str());
      question.captureAnswer = false;
      question.maxNewTokens = 1;
      check(*model, question, (name + ", no answer's").c_str());
    }
  }
}
}

int main()
{
  const TempFolder folder;
  ModelOptions options;
  checkAll(Tiny, "embedded", options, { 100, 1500, 4000, 8000 });
  const std::string grouped = modelOf(folder, "grouped", { 512, 8, 2, 1408, DType::BF16 });
  checkAll(grouped, "grouped, bf16", options, { 100, 1500, 4500 });
  const std::string wide = modelOf(folder, "wide", { 1024, 8, 8, 2816, DType::F32 });
  checkAll(wide, "wide, f32", options, { 100, 1500 });
  options.precision = Precision::Float64;
  checkAll(grouped, "grouped in float64", options, { 800 });
  return lvlm_test::checkResult();
}
