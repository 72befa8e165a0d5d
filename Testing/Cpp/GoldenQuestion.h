// SPDX-License-Identifier: Apache-2.0
/// @file GoldenQuestion.h
/// The tiny checkpoints of Data/llava, and the question whose numbers are in their golden files.
#ifndef LVLM_TESTING_GOLDENQUESTION_H
#define LVLM_TESTING_GOLDENQUESTION_H

#include "Models/Llava/LlavaModel.h"
#include "Models/Trace/Safetensors.h"
#include "TestDevice.h"

#include <memory>
#include <string>

namespace lvlm_test
{
/// Of Data/llava: plain, biased in bfloat16, a tower without class token, scaled norms,
/// multipliers.
inline constexpr const char* OneOfEachKind[] = { "multihead-f32", "bias-bf16-qwen2", "siglip-llama",
  "gemma", "granite" };

inline std::shared_ptr<const lvlm::llava::LlavaModel> openModel(const std::string& name,
  lvlm::llava::Precision precision = lvlm::llava::Precision::Float32, int rank = 0, int ranks = 1)
{
  lvlm::llava::ModelOptions options;
  options.precision = precision;
  options.device = testDevice();
  options.threads = 1; // tiny: threads would only wait for each other
  options.rank = rank;
  options.ranks = ranks;
  return lvlm::llava::LlavaModel::open(LVLM_TEST_DATA "/llava/" + name, options);
}

/// Without complete matrices.
inline lvlm::llava::Question goldenQuestion(const std::string& name)
{
  const lvlm::SafetensorsFile golden(LVLM_TEST_DATA "/llava/" + name + "/golden.safetensors");
  lvlm::llava::Question question;
  question.images = { lvlm::picture::readImage(LVLM_TEST_DATA "/llava/picture.png") };
  question.prompt = "What color is the star?";
  question.chatTemplate = golden.metadata().at("prompt");
  question.chatTemplate.replace(question.chatTemplate.find("<image>"), 7, "{image}");
  const std::size_t at = question.chatTemplate.find(question.prompt);
  question.chatTemplate.replace(at, question.prompt.size(), "{prompt}");
  question.maxNewTokens = golden.tensor("answer").count();
  question.fullLayers = {};
  return question;
}
} // namespace lvlm_test

#endif
