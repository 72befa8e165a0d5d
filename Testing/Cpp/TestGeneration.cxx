// SPDX-License-Identifier: Apache-2.0
// generation_config.json: greedy answers equal to those of Hugging Face's `generate()` under many
// settings (Testing/Golden/generation_goldens.py), and what is refused by name.
#include "Check.h"
#include "TempFolder.h"

#include "Models/Llava/LlavaModel.h"
#include "Models/Trace/Json.h"

#include <algorithm>
#include <filesystem>

namespace
{
using namespace lvlm;
using namespace lvlm::llava;
using Ids = std::vector<std::int64_t>;

const std::string Root = std::string(LVLM_TEST_DATA) + "/llava";

Question questionOf(const nlohmann::json& golden)
{
  Question question;
  question.images = { picture::readImage(Root + "/picture.png") };
  question.prompt = "What color is the star?";
  question.chatTemplate = "USER: {image}\n{prompt} ASSISTANT:";
  question.maxNewTokens = golden.at("steps").get<std::int64_t>();
  question.fullLayers.clear();
  question.captureAnswer = false;
  return question;
}

Ids answerOf(const std::string& folder, const Question& question)
{
  const Trace trace = LlavaModel::open(folder)->ask(question);
  const auto* ids = trace.tensor(tensor_name::TokenId).as<std::int64_t>();
  return { ids + trace.promptLength, ids + trace.positions() };
}

void testAgainstHuggingFace(const nlohmann::json& golden)
{
  for (const auto& [name, cases] : golden.at("models").items())
  {
    const lvlm_test::TempFolder temp;
    const std::string folder = temp.copyOf(Root + "/" + name, name);
    CHECK(cases.size() > 20);
    for (const auto& [setting, entry] : cases.items())
    {
      temp.write(name + "/generation_config.json", entry.at("config").dump());
      const Ids ours = answerOf(folder, questionOf(golden));
      const Ids theirs = entry.at("answer").get<Ids>();
      if (!CHECK(ours == theirs))
      {
        std::cerr << "  " << name << ", " << setting << ": " << nlohmann::json(ours) << " against "
                  << nlohmann::json(theirs) << "\n";
      }
    }
  }
}

/// A likely word that is suppressed is not drawn either, and the scores stay the model's own.
void testSamplingAndScores(const nlohmann::json& golden)
{
  const lvlm_test::TempFolder temp;
  const std::string folder = temp.copyOf(Root + "/multihead-f32", "m");
  Question question = questionOf(golden);
  const Trace plain = LlavaModel::open(folder)->ask(question);
  const std::int64_t first =
    plain.tensor(tensor_name::TokenId).as<std::int64_t>()[plain.promptLength];
  temp.write("m/generation_config.json",
    nlohmann::json{ { "suppress_tokens", { first } }, { "repetition_penalty", 1.3 } }.dump());
  const Trace other = LlavaModel::open(folder)->ask(question);
  CHECK(other.tensor(tensor_name::TopkId).as<std::int64_t>()[0] == first);
  CHECK(other.tensor(tensor_name::TopkLogprob).as<float>()[0] ==
    plain.tensor(tensor_name::AnswerLogprob).as<float>()[0]);
  question.temperature = 0.7;
  for (question.seed = 1; question.seed < 5; ++question.seed)
  {
    const Ids drawn = answerOf(folder, question);
    CHECK(std::count(drawn.begin(), drawn.end(), first) == 0);
  }
}

/// Without a generation_config.json config.json's own keys count, and before text_config's.
void testWithoutTheFile(const nlohmann::json& golden)
{
  const lvlm_test::TempFolder temp;
  const std::string folder = temp.copyOf(Root + "/multihead-f32", "m");
  std::filesystem::remove(folder + "/generation_config.json");
  const auto set = [&](const nlohmann::json& top, const nlohmann::json& text)
  {
    nlohmann::json config = readJsonFile(Root + "/multihead-f32/config.json");
    config.update(top);
    config["text_config"].update(text);
    temp.write("m/config.json", config.dump());
    return answerOf(folder, questionOf(golden));
  };
  const nlohmann::json& cases = golden.at("models").at("multihead-f32");
  const Ids plain = cases.at("plain").at("answer").get<Ids>();
  const nlohmann::json none = nlohmann::json::object();
  CHECK(set(none, none) == plain);
  CHECK(
    set({ { "repetition_penalty", 1.7 } }, none) == cases.at("repetition").at("answer").get<Ids>());
  CHECK(
    set(none, { { "repetition_penalty", 1.7 } }) == cases.at("repetition").at("answer").get<Ids>());
  CHECK(set({ { "no_repeat_ngram_size", 3 } }, { { "no_repeat_ngram_size", 2 } }) ==
    cases.at("ngram-3").at("answer").get<Ids>());
}

void testRefused()
{
  const lvlm_test::TempFolder temp;
  const std::string folder = temp.copyOf(Root + "/multihead-f32", "m");
  const auto open = [&](const std::string& text)
  {
    temp.write("m/generation_config.json", text);
    LlavaModel::open(folder)->ask(questionOf({ { "steps", 2 } }));
  };
  for (const char* harmless :
    { R"({"num_beams": 1, "do_sample": true, "temperature": 0.2, "top_k": 50, "penalty_alpha": null})",
      R"({"guidance_scale": 1.0, "encoder_repetition_penalty": 1, "max_length": 4096, "stop_strings": null})" })
  {
    open(harmless);
  }
  for (const auto& [text, named] : std::initializer_list<std::pair<const char*, const char*>>{
         { R"({"num_beams": 4})", "num_beams = 4 is not supported" },
         { R"({"num_return_sequences": 2})", "num_return_sequences = 2" },
         { R"({"penalty_alpha": 0.6})", "penalty_alpha = 0.6" },
         { R"({"guidance_scale": 1.5})", "guidance_scale = 1.5" },
         { R"({"encoder_repetition_penalty": 1.1})", "encoder_repetition_penalty = 1.1" },
         { R"({"encoder_no_repeat_ngram_size": 2})", "encoder_no_repeat_ngram_size = 2" },
         { R"({"stop_strings": ["."]})", "stop_strings = [\".\"] is not supported" },
         { R"({"forced_decoder_ids": [[1, 2]]})", "forced_decoder_ids" },
         { R"({"dola_layers": "high"})", "dola_layers" }, { R"({"max_time": 3.0})", "max_time" },
         { R"({"repetition_penalty": 0})", "repetition_penalty = 0" },
         { R"({"repetition_penalty": "2"})", "repetition_penalty = \"2\"" },
         { R"({"no_repeat_ngram_size": -1})", "no_repeat_ngram_size = -1" },
         { R"({"min_new_tokens": 1.5})", "min_new_tokens = 1.5" },
         { R"({"bad_words_ids": [[320]]})", "bad_words_ids names the token 320" },
         { R"({"bad_words_ids": [[]]})", "bad_words_ids holds []" },
         { R"({"bad_words_ids": [5]})", "bad_words_ids holds 5" },
         { R"({"bad_words_ids": {"a": 1}})", "bad_words_ids = " },
         { R"({"sequence_bias": [[[5]]]})", "sequence_bias holds" },
         { R"({"sequence_bias": [[[-5], 1.0]]})", "sequence_bias -5" },
         { R"({"forced_eos_token_id": 320})", "forced_eos_token_id names the token 320" },
         { R"({"suppress_tokens": ["a"]})", "suppress_tokens \"a\" is not a token id" },
         { R"({"exponential_decay_length_penalty": [5]})", "exponential_decay_length_penalty" },
         { R"([])", "generation_config.json: is not a JSON object" } })
  {
    CHECK_THROWS(open(text), named);
  }
}
}

int main()
{
  try
  {
    const nlohmann::json golden = readJsonFile(Root + "/generation.json");
    testAgainstHuggingFace(golden);
    testSamplingAndScores(golden);
    testWithoutTheFile(golden);
    testRefused();
  }
  catch (const std::exception& error)
  {
    std::cerr << "unexpected: " << error.what() << std::endl;
    return 1;
  }
  return lvlm_test::checkResult();
}
