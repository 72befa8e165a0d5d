// SPDX-License-Identifier: Apache-2.0
#include "ChatTemplate.h"

#include "Models/Trace/Error.h"
#include "Models/Trace/Json.h"

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

/// The user's text, with a picture wherever it names one.
void appendQuestion(Parts& parts, std::string_view prompt, std::string_view imageToken)
{
  for (std::size_t at = prompt.find(imageToken); at != std::string_view::npos;
       at = prompt.find(imageToken))
  {
    append(parts, Kind::Question, prompt.substr(0, at));
    append(parts, Kind::Image, imageToken);
    prompt.remove_prefix(at + imageToken.size());
  }
  append(parts, Kind::Question, prompt);
}

/// So many pictures, with line breaks between if one is behind them.
void appendImages(
  Parts& parts, std::size_t count, std::string_view imageToken, std::string_view behind)
{
  const bool apart = !behind.empty() && behind[0] == '\n';
  for (std::size_t i = 0; i < count; ++i)
  {
    append(parts, Kind::Template, i > 0 && apart ? "\n" : "");
    append(parts, Kind::Image, imageToken);
  }
}
}

void checkQuestion(const std::string& prompt, const std::string& imageToken)
{
  if (prompt.find_first_not_of(" \t\r\n") == std::string::npos)
  {
    fail("the prompt is empty");
  }
  if (imageToken.empty())
  {
    fail("the image token is empty");
  }
}

std::size_t imagesIn(std::string_view text, std::string_view imageToken)
{
  std::size_t count = 0;
  for (std::size_t at = text.find(imageToken); at != std::string_view::npos;
       at = text.find(imageToken, at + imageToken.size()))
  {
    ++count;
  }
  return count;
}

void checkImages(const std::string& text, const std::string& imageToken, std::size_t pictures)
{
  if (const std::size_t count = imagesIn(text, imageToken); count != pictures)
  {
    fail("the prompt has ", count, " image tokens ", imageToken, ", not ",
      pictures == 1 ? "one" : std::to_string(pictures) + ", one for each picture");
  }
}

Parts ChatTemplate::apply(const std::string& prompt, const std::string& system,
  const std::string& imageToken, std::size_t pictures) const
{
  checkQuestion(prompt, imageToken);
  const std::string layout = layoutText(name, !system.empty());
  const bool placedByUser = contains(prompt, imageToken);
  std::size_t slots = imagesIn(layout, ImageSlot);
  std::size_t left = pictures;
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
      const std::size_t here = --slots > 0 || left == 0 ? 1 : left;
      appendImages(parts, placedByUser ? 0 : here, imageToken, rest);
      left -= std::min(left, here);
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
  checkImages(whole, imageToken, pictures);
  return parts;
}

std::string layoutForModel(const std::string& modelDirectory)
{
  const std::string path = (std::filesystem::path(modelDirectory) / "config.json").string();
  const nlohmann::json config = readJsonFile(path, MaximumFileBytes);
  if (!config.is_object())
  {
    fail(path, ": not a JSON object");
  }
  const auto text = config.find("text_config");
  const nlohmann::json type = text != config.end() && text->is_object()
    ? text->value("model_type", nlohmann::json())
    : nlohmann::json();
  // LLaVA's configuration leaves the language model's type out when it is "llama".
  const std::string name = type.is_string() ? type.get<std::string>() : "llama";
  const auto starts = [&name](const char* prefix) { return name.rfind(prefix, 0) == 0; };
  return starts("mistral") || starts("mixtral") ? "Mistral"
    : starts("qwen")                            ? "ChatML"
    : starts("gemma")                           ? "Gemma"
                                                : "Vicuna";
}

} // namespace lvlm::text
