// SPDX-License-Identifier: Apache-2.0
/// Prompts equal to those of the checkpoints' own templates:
/// Testing/Golden/chat_template_goldens.py wrote them.
#include "Check.h"
#include "TokenizerFiles.h"

#include "Models/Text/Chat/ChatTemplate.h"
#include "Models/Text/Chat/CheckpointTemplate.h"

#include <algorithm>
#include <string>
#include <vector>

using lvlm::text::CheckpointTemplate;
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
    if (!CHECK(ours == golden["text"].get<std::string>()))
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

/// A folder with these files and a configuration.
struct Folder
{
  lvlm_test::TempFolder temp;

  explicit Folder(const std::string& modelType,
    const std::vector<std::pair<std::string, nlohmann::json>>& files = {})
  {
    nlohmann::json config{ { "model_type", "llava" } };
    if (!modelType.empty())
    {
      config["text_config"]["model_type"] = modelType;
    }
    this->temp.write("config.json", config.dump());
    for (const auto& [name, content] : files)
    {
      this->temp.write(name, content.is_string() ? content.get<std::string>() : content.dump());
    }
  }
  std::string prompt(const std::string& question, const std::string& system = "") const
  {
    const auto own = CheckpointTemplate::find(this->temp.path());
    return own ? joined(own->apply(question, system)) : "no template";
  }
};

nlohmann::json inJson(const nlohmann::json& content)
{
  return { { "chat_template", content } };
}

void testLayoutForModel()
{
  const auto layout = [](const std::string& modelType)
  { return lvlm::text::layoutForModel(Folder(modelType).temp.path()); };
  CHECK(layout("") == "Vicuna");
  CHECK(layout("llama") == "Vicuna");
  CHECK(layout("mistral") == "Mistral");
  CHECK(layout("qwen2") == "ChatML");
  CHECK(layout("gemma2") == "Gemma");
  CHECK_THROWS(lvlm::text::layoutForModel("/nowhere"), "/nowhere/config.json");
}

/// Where a template lies, and which of several counts.
void testFiles()
{
  const char* one = "{% for m in messages %}1{{ m.content }}{% endfor %}";
  const char* two = "{% for m in messages %}2{{ m.content }}{% endfor %}";
  CHECK(Folder("llama").prompt("Why?") == "no template");
  CHECK(Folder("llama", { { "tokenizer_config.json", inJson(two) } }).prompt("Why?") ==
    "2<image>\nWhy?");
  CHECK(Folder("llama", { { "chat_template.jinja", one }, { "chat_template.json", inJson(two) } })
          .prompt("Why?") == "1<image>\nWhy?");
  CHECK(Folder("llama",
          { { "chat_template.json", inJson(one) }, { "tokenizer_config.json", inJson(two) } })
          .prompt("Why?") == "1<image>\nWhy?");
  CHECK(Folder("llama",
          { { "chat_template.json", nlohmann::json::object() },
            { "processor_config.json", inJson(two) }, { "tokenizer_config.json", "[]" } })
          .prompt("Why?") == "2<image>\nWhy?");
  const nlohmann::json named = { { { "name", "tool_use" }, { "template", two } },
    { { "name", "default" }, { "template", one } } };
  CHECK(Folder("llama", { { "tokenizer_config.json", inJson(named) } }).prompt("Why?") ==
    "1<image>\nWhy?");
  CHECK(
    Folder("llama", { { "tokenizer_config.json", inJson(7) } }).prompt("Why?") == "no template");
  CHECK_THROWS(
    Folder("llama", { { "chat_template.json", "{" } }).prompt("Why?"), "chat_template.json");
  CHECK_THROWS(Folder("llama", { { "chat_template.jinja", "{% if %}" } }).prompt("Why?"),
    "chat_template.jinja: the chat template cannot be run (ChatTemplate can give another): line 1");
}

/// Prompts as Hugging Face makes them from the templates in shared places of real folders: list
/// contents as in LLaVA's processors, texts as in tokenizers, a default system prompt.
void testCheckpointPrompts()
{
  const Folder llava("llama",
    { { "chat_template.json",
      inJson(
        "{% for message in messages %}{{ message['role'].upper() + ': ' }}{% for content in "
        "message['content'] | selectattr('type', 'equalto', 'image') %}{{ '<image>\n' }}{% "
        "endfor %}{% for content in message['content'] | selectattr('type', 'equalto', 'text') "
        "%}{{ content['text'] + ' ' }}{% endfor %}{% endfor %}{% if add_generation_prompt %}{{ "
        "'ASSISTANT:' }}{% endif %}") } });
  CHECK(llava.prompt("Why?") == "USER: <image>\nWhy? ASSISTANT:");
  CHECK(llava.prompt("Why?", "Be brief.") == "SYSTEM: Be brief. USER: <image>\nWhy? ASSISTANT:");
  CHECK(llava.prompt("Look: <image> Why?") == "USER: Look: <image> Why? ASSISTANT:");
  CHECK_THROWS(llava.prompt("<image> and <image>"), "2 image tokens");
  CHECK_THROWS(llava.prompt(" \n"), "the prompt is empty");

  const Folder plain("llama",
    { { "tokenizer_config.json",
      inJson("{% for message in messages %}{{ 'USER: ' + message['content'] | trim + '\n' }}{% "
             "endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}") } });
  CHECK(plain.prompt("Why?") == "USER: <image>\nWhy?\nASSISTANT:");

  const Folder strict("llama",
    { { "chat_template.jinja",
        "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}{% "
        "endif "
        "%}{{ bos_token }}[INST] {{ m.content }} [/INST]{% endfor %}" },
      { "tokenizer_config.json", nlohmann::json{ { "bos_token", { { "content", "<s>" } } } } } });
  CHECK(strict.prompt("Why?") == "<s>[INST] <image>\nWhy? [/INST]");
  CHECK_THROWS(strict.prompt("Why?", "Be brief."), "the template refuses: no system");
  CHECK(CheckpointTemplate::find(strict.temp.path())->beginToken() == "<s>");

  const Folder deaf("llama", { { "chat_template.jinja", "<image>{{ messages[-1].role }}" } });
  CHECK_THROWS(deaf.prompt("Why?"), "leaves the question out");
  const Folder noSystem("llama", { { "chat_template.jinja", "{{ messages[-1].content }}" } });
  CHECK_THROWS(noSystem.prompt("Why?", "Be brief."), "leaves the system prompt out");
}

/// What belongs to whom: a template's own words, even where they repeat the question's.
void testCheckpointParts()
{
  const Folder folder("llama",
    { { "chat_template.jinja",
      "Why? {% for m in messages %}{{ m.role }}={{ m.content | trim }};{% endfor %}Why?" } });
  const auto own = CheckpointTemplate::find(folder.temp.path());
  const auto parts = own->apply("Why?\n", " Why? ");
  const std::vector<std::pair<Kind, std::string>> expected = { { Kind::Template, "Why? system=" },
    { Kind::System, "Why?" }, { Kind::Template, ";user=" }, { Kind::Image, "<image>" },
    { Kind::Template, "\n" }, { Kind::Question, "Why?" }, { Kind::Template, ";Why?" } };
  CHECK(parts.size() == expected.size());
  for (std::size_t i = 0; i < std::min(parts.size(), expected.size()); ++i)
  {
    CHECK(parts[i].kind == expected[i].first && parts[i].text == expected[i].second);
  }
  const auto placed = own->apply("a <image> b", "");
  CHECK(placed.size() == 5 && placed[1].kind == Kind::Question && placed[1].text == "a " &&
    placed[2].kind == Kind::Image && placed[3].kind == Kind::Question && placed[3].text == " b");
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
  testLayoutForModel();
  testFiles();
  testCheckpointPrompts();
  testCheckpointParts();
  return lvlm_test::checkResult();
}
