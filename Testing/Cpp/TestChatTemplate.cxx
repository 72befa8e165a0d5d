// SPDX-License-Identifier: Apache-2.0
/// Prompts equal to those of the checkpoints' own templates:
/// Testing/Golden/chat_template_goldens.py wrote them.
#include "Check.h"
#include "TokenizerFiles.h"

#include "Models/Text/ChatTemplate.h"

#include <string>
#include <vector>

using lvlm::text::chooseChatTemplate;
using lvlm::text::PromptPart;
using Kind = lvlm::text::PromptPart::Kind;

namespace
{
std::string joined(const std::vector<PromptPart>& parts)
{
  std::string text;
  for (const PromptPart& part : parts)
  {
    text += part.text;
  }
  return text;
}

std::string prompt(
  const std::string& name, const std::string& question, const std::string& system = "")
{
  return joined(lvlm::text::ChatTemplate{ name }.apply(question, system));
}

void testGoldens()
{
  const nlohmann::json goldens = lvlm_test::testData("chat_templates.json");
  CHECK(goldens.size() >= 50);
  for (const auto& golden : goldens)
  {
    const auto ours = prompt(golden["template"], golden["prompt"], golden["system"]);
    if (!CHECK(ours == golden["text"]))
    {
      std::cerr << golden.dump() << "\nours " << nlohmann::json(ours).dump() << std::endl;
    }
  }
}

/// Templates that no package at hand renders, from the pages that publish them.
void testPublished()
{
  // llava-hf/llava-v1.6-mistral-7b-hf, chat_template.json: the system prompt before the
  // instruction.
  CHECK(prompt("Mistral", "Why?", "Be brief.") ==
    "<<SYS>>\nBe brief.\n<</SYS>>\n\n[INST] <image>\nWhy? [/INST]");
  // xtuner/llava-llama-3-8b-v1_1-transformers, model card.
  CHECK(prompt("Llama3", "What are these?") ==
    "<|start_header_id|>user<|end_header_id|>\n\n<image>\nWhat are these?<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n");
  // google/gemma-2b-it, chat template; Gemma 3's puts the system prompt into the user's turn.
  CHECK(prompt("Gemma", "Why?") ==
    "<start_of_turn>user\n<image>\nWhy?<end_of_turn>\n<start_of_turn>model\n");
  CHECK(prompt("Gemma", "Why?", "Be brief.") ==
    "<start_of_turn>user\nBe brief.\n\n<image>\nWhy?<end_of_turn>\n<start_of_turn>model\n");
}

void testParts()
{
  const auto parts = lvlm::text::ChatTemplate{ "Vicuna" }.apply("Why?", "Be brief.");
  const std::vector<std::pair<Kind, std::string>> expected = { { Kind::System, "Be brief." },
    { Kind::Template, " USER: " }, { Kind::Image, "<image>" }, { Kind::Template, "\n" },
    { Kind::Question, "Why?" }, { Kind::Template, " ASSISTANT:" } };
  CHECK(parts.size() == expected.size());
  for (std::size_t i = 0; i < std::min(parts.size(), expected.size()); ++i)
  {
    CHECK(parts[i].kind == expected[i].first);
    CHECK(parts[i].text == expected[i].second);
  }
  for (const char* name : { "Vicuna", "Mistral", "Llama2", "Llama3", "ChatML", "Gemma" })
  {
    for (const PromptPart& part : lvlm::text::ChatTemplate{ name }.apply("Why?", ""))
    {
      CHECK(!part.text.empty());
    }
  }
}

void testImageInPrompt()
{
  CHECK(
    prompt("Vicuna", "Look at <image> and tell.") == "USER: Look at <image> and tell. ASSISTANT:");
  CHECK(prompt("Vicuna", "<image>\nWhy?") == "USER: <image>\nWhy? ASSISTANT:");
  const auto parts = lvlm::text::ChatTemplate{ "Mistral" }.apply("A<image>B", "");
  CHECK(parts.size() == 5);
  CHECK(parts.size() == 5 && parts[1].kind == Kind::Question && parts[2].kind == Kind::Image &&
    parts[3].kind == Kind::Question && parts[3].text == "B");
  const auto other = lvlm::text::ChatTemplate{ "Vicuna" }.apply("Why?", "", "<|img|>");
  CHECK(joined(other) == "USER: <|img|>\nWhy? ASSISTANT:");
}

void testFreeForm()
{
  CHECK(prompt("Q: {prompt}\n{image}\nA:", "Why?") == "Q: Why?\n<image>\nA:");
  CHECK(prompt("{system}|{image}{prompt}", "Why?") == "|<image>Why?");
  CHECK(prompt("{system}|{image}{prompt}", "Why?", "Brief.") == "Brief.|<image>Why?");
  CHECK(prompt("{{image}} {other} {prompt}{", "Why?") == "{<image>} {other} Why?{");
  CHECK(prompt("{image}\n{prompt}", "a <image> b") == "a <image> b");
}

void testErrors()
{
  CHECK_THROWS(prompt("Vicuna", ""), "the prompt is empty");
  CHECK_THROWS(prompt("Vicuna", " \n\t"), "the prompt is empty");
  CHECK_THROWS(prompt("Vicuna", "<image> and <image>"), "2 image tokens");
  CHECK_THROWS(prompt("Vicuna", "Why?", "See <image>"), "2 image tokens");
  CHECK_THROWS(prompt("{image} <image> {prompt}", "Why?"), "2 image tokens");
  CHECK_THROWS(prompt("{image}{image}{prompt}", "Why?"), "2 image tokens");
  CHECK_THROWS(prompt("Alpaca", "Why?"), "\"Alpaca\" is none of Vicuna");
  CHECK_THROWS(prompt("", "Why?"), "lacks {image}");
  CHECK_THROWS(prompt("{image}", "Why?"), "lacks {prompt}");
  CHECK_THROWS(prompt("<image>\n{prompt}", "Why?"), "lacks {image}");
  CHECK_THROWS(prompt("{image}{prompt}", "Why?", "Be brief."), "{system}");
  CHECK_THROWS(lvlm::text::ChatTemplate{ "Vicuna" }.apply("Why?", "", ""), "image token is empty");
}

/// What is chosen for a folder with this configuration and these other files.
std::string chosen(
  const std::string& modelType, const std::vector<std::pair<std::string, std::string>>& files = {})
{
  const lvlm_test::TempFolder folder;
  nlohmann::json config{ { "model_type", "llava" } };
  if (!modelType.empty())
  {
    config["text_config"]["model_type"] = modelType;
  }
  folder.write("config.json", config.dump());
  for (const auto& [name, content] : files)
  {
    folder.write(name, content);
  }
  return chooseChatTemplate(folder.path());
}

std::string inJson(const nlohmann::json& content)
{
  return nlohmann::json{ { "chat_template", content } }.dump();
}

void testChoice()
{
  CHECK(chosen("") == "Vicuna");
  CHECK(chosen("llama") == "Vicuna");
  CHECK(chosen("mistral") == "Mistral");
  CHECK(chosen("qwen2") == "ChatML");
  CHECK(chosen("gemma2") == "Gemma");
  // As in llava-1.5-7b-hf: "USER" comes from the role's name, only "ASSISTANT:" is written out.
  const char* vicuna = "{{ message['role'].upper() + ': ' }}{{ 'ASSISTANT:' }}";
  CHECK(chosen("qwen2", { { "chat_template.json", inJson(vicuna) } }) == "Vicuna");
  CHECK(chosen("llama", { { "chat_template.jinja", "{{ '<|im_start|>' }}" } }) == "ChatML");
  CHECK(chosen("llama", { { "tokenizer_config.json", inJson("<start_of_turn>user") } }) == "Gemma");
  CHECK(
    chosen("llama", { { "tokenizer_config.json", inJson("<|start_header_id|>") } }) == "Llama3");
  // Mistral's template in LLaVA holds <<SYS>> as well.
  const std::string inst = "{{ '<<SYS>>\n' }}{{ '[INST] ' }}";
  CHECK(chosen("mistral", { { "chat_template.json", inJson(inst) } }) == "Mistral");
  CHECK(chosen("llama", { { "processor_config.json", inJson(inst) } }) == "Llama2");
  const nlohmann::json list = { { { "name", "default" }, { "template", "[INST]" } } };
  CHECK(chosen("mistral", { { "tokenizer_config.json", inJson(list) } }) == "Mistral");
  // The first file that has a marker decides; one without does not.
  CHECK(chosen("llama",
          { { "chat_template.json", inJson("{{ message }}") },
            { "tokenizer_config.json", inJson("<|im_start|>") } }) == "ChatML");
  CHECK(chosen("mistral", { { "chat_template.json", "{}" }, { "tokenizer_config.json", "[]" } }) ==
    "Mistral");
  CHECK(chosen("gemma", { { "chat_template.json", inJson(7) } }) == "Gemma");
  CHECK_THROWS(chosen("llama", { { "chat_template.json", "{" } }), "chat_template.json");
  CHECK_THROWS(chooseChatTemplate("/nowhere"), "/nowhere/config.json");
}
}

int main()
{
  testGoldens();
  testPublished();
  testParts();
  testImageInPrompt();
  testFreeForm();
  testErrors();
  testChoice();
  return lvlm_test::checkResult();
}
