// SPDX-License-Identifier: Apache-2.0
/// @file RelevancyCase.h
/// A golden file of relevancy_goldens.py as a trace and the model folder that belongs to it.
#ifndef LVLM_TESTING_RELEVANCYCASE_H
#define LVLM_TESTING_RELEVANCYCASE_H

#include "TempFolder.h"

#include "Models/Llava/LlavaModel.h"
#include "Models/Trace/Safetensors.h"

#include <filesystem>
#include <fstream>
#include <iterator>

namespace lvlm_test
{
namespace fs = std::filesystem;

struct RelevancyCase
{
  lvlm::SafetensorsFile golden;
  TempFolder edited;
  std::string folder; ///< of the model

  explicit RelevancyCase(const std::string& name)
    : golden(std::string(LVLM_TEST_DATA "/relevancy/") + name + ".safetensors")
  {
    const std::string& checkpoint = this->golden.metadata().at("checkpoint");
    const fs::path own = fs::path(LVLM_TEST_DATA "/relevancy") / checkpoint;
    const fs::path shared = fs::path(LVLM_TEST_DATA "/llava") / checkpoint;
    this->folder = (fs::exists(own) ? own : shared).string();
    const auto layer = this->golden.metadata().find("feature_layer");
    if (layer != this->golden.metadata().end())
    {
      this->useFeatureLayer(layer->second);
    }
  }

  double temperature() const { return std::stod(this->golden.metadata().at("temperature")); }
  std::int64_t answerLength() const { return this->golden.tensor("answer").count(); }

  /// The trace of the answer cut to its first tokens.
  lvlm::Trace trace(std::int64_t tokens, const lvlm::llava::LlavaModel& model) const
  {
    namespace tn = lvlm::tensor_name;
    const auto list = [&](const char* name)
    {
      const lvlm::Tensor& tensor = this->golden.tensor(name);
      return std::vector<std::int64_t>(
        tensor.as<std::int64_t>(), tensor.as<std::int64_t>() + tensor.count());
    };
    std::vector<std::int64_t> ids = list("ids");
    lvlm::Trace trace;
    trace.model = this->golden.metadata().at("checkpoint");
    trace.promptLength = static_cast<std::int64_t>(ids.size());
    trace.imageStart = std::stoll(this->golden.metadata().at("image_start"));
    trace.grid = { model.config().vision.gridEdge(), model.config().vision.gridEdge() };
    trace.roles.assign(ids.size(), lvlm::Role::Question);
    for (std::int64_t i = 0; i < trace.grid.count(); ++i)
    {
      trace.roles[static_cast<std::size_t>(trace.imageStart + i)] = lvlm::Role::Image;
    }
    const std::vector<std::int64_t> answer = list("answer");
    ids.insert(ids.end(), answer.begin(), answer.begin() + tokens);
    trace.roles.resize(ids.size(), lvlm::Role::Answer);
    trace.tokens.resize(ids.size(), "x");
    const float* logprob = this->golden.tensor("logprob").as<float>();
    trace.tensors[tn::TokenId] = lvlm::Tensor::of(ids, { static_cast<std::int64_t>(ids.size()) });
    trace.tensors[tn::AnswerLogprob] =
      lvlm::Tensor::of(std::vector<float>(logprob, logprob + tokens), { tokens });
    trace.tensors[tn::Image] = this->golden.tensor("image");
    return trace;
  }

private:
  /// The same weights with another `vision_feature_layer`.
  void useFeatureLayer(const std::string& layer)
  {
    std::ifstream file(fs::path(this->folder) / "config.json");
    std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    const std::string key = "\"vision_feature_layer\": ";
    const std::size_t at = text.find(key) + key.size();
    const std::size_t end = text.find_first_of(",\n}", at);
    if (text.find(key) == std::string::npos || text.substr(at, end - at) == layer)
    {
      return;
    }
    text.replace(at, end - at, layer);
    for (const auto& entry : fs::directory_iterator(this->folder))
    {
      if (entry.path().filename() != "config.json")
      {
        fs::copy_file(entry.path(), this->edited.path(entry.path().filename().string()));
      }
    }
    this->edited.write("config.json", text);
    this->folder = this->edited.path();
  }
};
} // namespace lvlm_test

#endif
