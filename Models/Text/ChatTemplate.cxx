// SPDX-License-Identifier: Apache-2.0
#include "ChatTemplate.h"

#include "Models/Trace/Error.h"
#include "Models/Trace/Json.h"
#include "Models/Trace/MappedFile.h"

#include <algorithm>
#include <filesystem>
#include <string_view>

namespace lvlm::text
{

namespace
{
using Kind = PromptPart::Kind;
using Parts = std::vector<PromptPart>;

constexpr std::string_view ImageSlot = "{image}";
constexpr std::string_view PromptSlot = "{prompt}";
constexpr std::string_view SystemSlot = "{system}";
constexpr std::size_t MaximumFileBytes = 16u << 20;

struct Layout
{
  const char* name;
  const char* system; ///< put before `turn` when there is a system prompt
  const char* turn;
  const char* turnWithSystem; ///< instead of both, where the system prompt is inside the turn
};

constexpr Layout Layouts[] = {
  { "Vicuna", "{system} ", "USER: {image}\n{prompt} ASSISTANT:", nullptr },
  { "Mistral", "<<SYS>>\n{system}\n<</SYS>>\n\n", "[INST] {image}\n{prompt} [/INST]", nullptr },
  { "Llama2", nullptr, "[INST] {image}\n{prompt} [/INST]",
    "[INST] <<SYS>>\n{system}\n<</SYS>>\n\n{image}\n{prompt} [/INST]" },
  { "Llama3", "<|start_header_id|>system<|end_header_id|>\n\n{system}<|eot_id|>",
    "<|start_header_id|>user<|end_header_id|>\n\n{image}\n{prompt}<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n",
    nullptr },
  { "ChatML", "<|im_start|>system\n{system}<|im_end|>\n",
    "<|im_start|>user\n{image}\n{prompt}<|im_end|>\n<|im_start|>assistant\n", nullptr },
  { "Gemma", nullptr, "<start_of_turn>user\n{image}\n{prompt}<end_of_turn>\n<start_of_turn>model\n",
    "<start_of_turn>user\n{system}\n\n{image}\n{prompt}<end_of_turn>\n<start_of_turn>model\n" },
};

bool contains(std::string_view text, std::string_view needle)
{
  return text.find(needle) != std::string_view::npos;
}

std::size_t countOf(std::string_view text, std::string_view needle)
{
  std::size_t count = 0;
  for (std::size_t at = text.find(needle); at != std::string_view::npos;
       at = text.find(needle, at + needle.size()))
  {
    ++count;
  }
  return count;
}

/// The template's text with its slots: of a known name, or the free-form text itself.
std::string layoutText(const std::string& name, bool withSystem)
{
  std::string known;
  for (const Layout& layout : Layouts)
  {
    if (name == layout.name)
    {
      return !withSystem        ? layout.turn
        : layout.turnWithSystem ? layout.turnWithSystem
                                : std::string(layout.system) + layout.turn;
    }
    known += std::string(layout.name) + ", ";
  }
  for (const std::string_view slot : { ImageSlot, PromptSlot })
  {
    if (!contains(name, slot))
    {
      fail(
        "chat template \"", name, "\" is none of ", known, "and as free-form text it lacks ", slot);
    }
  }
  if (withSystem && !contains(name, SystemSlot))
  {
    fail("chat template \"", name, "\" has no ", SystemSlot, " for the system prompt");
  }
  return name;
}

void append(Parts& parts, Kind kind, std::string_view text)
{
  if (text.empty())
  {
    return;
  }
  if (!parts.empty() && parts.back().kind == kind && kind == Kind::Template)
  {
    parts.back().text += text;
    return;
  }
  parts.push_back({ kind, std::string(text) });
}

/// The user's text, with the image where it names it.
void appendQuestion(Parts& parts, std::string_view prompt, std::string_view imageToken)
{
  const std::size_t at = prompt.find(imageToken);
  append(parts, Kind::Question, prompt.substr(0, at));
  if (at != std::string_view::npos)
  {
    append(parts, Kind::Image, imageToken);
    append(parts, Kind::Question, prompt.substr(at + imageToken.size()));
  }
}
}

Parts ChatTemplate::apply(
  const std::string& prompt, const std::string& system, const std::string& imageToken) const
{
  if (prompt.find_first_not_of(" \t\r\n") == std::string::npos)
  {
    fail("the prompt is empty");
  }
  if (imageToken.empty())
  {
    fail("the image token is empty");
  }
  const std::string layout = layoutText(name, !system.empty());
  const bool placedByUser = contains(prompt, imageToken);
  Parts parts;
  std::string_view rest = layout;
  const auto take = [&rest](std::string_view slot)
  {
    const bool here = rest.substr(0, slot.size()) == slot;
    rest.remove_prefix(here ? slot.size() : 0);
    return here;
  };
  while (!rest.empty())
  {
    const std::size_t plain = std::min(rest.find('{'), rest.size());
    append(parts, Kind::Template, rest.substr(0, plain));
    rest.remove_prefix(plain);
    if (take(ImageSlot))
    {
      append(parts, Kind::Image, placedByUser ? "" : imageToken);
      rest.remove_prefix(placedByUser && !rest.empty() && rest[0] == '\n' ? 1 : 0);
    }
    else if (take(PromptSlot))
    {
      appendQuestion(parts, prompt, imageToken);
    }
    else if (take(SystemSlot))
    {
      append(parts, Kind::System, system);
    }
    else if (!rest.empty()) // a brace that opens no slot
    {
      append(parts, Kind::Template, rest.substr(0, 1));
      rest.remove_prefix(1);
    }
  }

  std::string whole;
  for (const PromptPart& part : parts)
  {
    whole += part.text;
  }
  if (const std::size_t count = countOf(whole, imageToken); count != 1)
  {
    fail("the prompt has ", count, " image tokens ", imageToken, ", not one");
  }
  return parts;
}

namespace
{
/// "chat_template" of a JSON file: a string, or a list of named ones, joined; empty when there is
/// none.
std::string templateIn(const std::string& path)
{
  const nlohmann::json file = readJsonFile(path, MaximumFileBytes);
  const auto found = file.is_object() ? file.find("chat_template") : file.end();
  std::string text;
  if (file.is_object() && found != file.end())
  {
    for (const auto& entry : found->is_array() ? *found : nlohmann::json::array({ *found }))
    {
      const nlohmann::json content =
        entry.is_object() ? entry.value("template", nlohmann::json()) : entry;
      text += content.is_string() ? content.get<std::string>() : "";
    }
  }
  return text;
}

std::string readText(const std::string& path)
{
  const auto file = MappedFile::open(path);
  return { reinterpret_cast<const char*>(file->data()), std::min(file->size(), MaximumFileBytes) };
}

/// The language model's type; LLaVA's configuration leaves it out when it is "llama".
std::string languageModelType(const std::string& path)
{
  const nlohmann::json config = readJsonFile(path, MaximumFileBytes);
  if (!config.is_object())
  {
    fail(path, ": not a JSON object");
  }
  const auto text = config.find("text_config");
  if (text == config.end() || !text->is_object() || !text->contains("model_type"))
  {
    return "llama";
  }
  const nlohmann::json& type = (*text)["model_type"];
  return type.is_string() ? type.get<std::string>() : "llama";
}

bool startsWith(std::string_view text, std::string_view prefix)
{
  return text.substr(0, prefix.size()) == prefix;
}

std::string chooseByMarkers(std::string_view text, std::string_view modelType)
{
  const std::pair<const char*, const char*> markers[] = { { "<|im_start|>", "ChatML" },
    { "<start_of_turn>", "Gemma" }, { "<|start_header_id|>", "Llama3" },
    // Both write [INST]; and Mistral's template in LLaVA has <<SYS>> too, outside of it.
    { "[INST]", modelType == "llama" ? "Llama2" : "Mistral" },
    // Not "USER:": LLaVA-1.5's template writes the role in upper case instead.
    { "ASSISTANT:", "Vicuna" } };
  for (const auto& [marker, name] : markers)
  {
    if (contains(text, marker))
    {
      return name;
    }
  }
  return {};
}
}

std::string chooseChatTemplate(const std::string& modelDirectory)
{
  const std::filesystem::path folder(modelDirectory);
  const std::string modelType = languageModelType((folder / "config.json").string());
  for (const char* file : { "chat_template.jinja", "chat_template.json", "processor_config.json",
         "tokenizer_config.json" })
  {
    const std::filesystem::path path = folder / file;
    std::error_code ignored;
    if (!std::filesystem::is_regular_file(path, ignored))
    {
      continue;
    }
    const std::string text =
      path.extension() == ".json" ? templateIn(path.string()) : readText(path.string());
    if (std::string name = chooseByMarkers(text, modelType); !name.empty())
    {
      return name;
    }
  }
  return startsWith(modelType, "mistral") || startsWith(modelType, "mixtral") ? "Mistral"
    : startsWith(modelType, "qwen")                                           ? "ChatML"
    : startsWith(modelType, "gemma")                                          ? "Gemma"
                                                                              : "Vicuna";
}

} // namespace lvlm::text
