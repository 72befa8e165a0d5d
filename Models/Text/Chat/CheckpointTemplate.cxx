// SPDX-License-Identifier: Apache-2.0
#include "CheckpointTemplate.h"

#include "Models/Trace/Error.h"
#include "Models/Trace/Json.h"
#include "Models/Trace/MappedFile.h"
#include "Models/Trace/Utf8.h"

#include <algorithm>
#include <filesystem>

namespace lvlm::text
{

namespace
{
namespace fs = std::filesystem;
using jinja::Map;
using jinja::Value;
using Kind = PromptPart::Kind;

constexpr std::size_t MaximumFileBytes = 16u << 20;
/// Stands for words whose place is looked for; of the private use area, so that no template has it.
const std::string Mark = "\xEE\x80\x80words\xEE\x80\x81";

nlohmann::json readObject(const fs::path& path)
{
  nlohmann::json file = readJsonFile(path.string(), MaximumFileBytes);
  return file.is_object() ? file : nlohmann::json::object();
}

/// "chat_template" of a JSON file: a text, or the default one of several.
std::string templateIn(const fs::path& path)
{
  const nlohmann::json file = readObject(path);
  const auto found = file.find("chat_template");
  if (found == file.end() || found->is_string())
  {
    return found == file.end() ? std::string() : found->get<std::string>();
  }
  std::string chosen;
  for (const auto& entry : found->is_array() ? *found : nlohmann::json::array())
  {
    const bool named = entry.is_object() && entry.value("name", nlohmann::json()).is_string() &&
      entry.value("template", nlohmann::json()).is_string();
    if (named && (found->size() == 1 || entry["name"] == "default"))
    {
      chosen = entry["template"].get<std::string>();
    }
  }
  return chosen;
}

std::string templateOf(const fs::path& path)
{
  if (path.extension() == ".json")
  {
    return templateIn(path);
  }
  const auto file = MappedFile::open(path.string());
  if (file->size() > MaximumFileBytes)
  {
    fail(path.string(), ": a template of ", file->size(), " bytes");
  }
  return { reinterpret_cast<const char*>(file->data()), file->size() };
}

/// "bos_token" and its like, as a template sees them.
Map specialTokensOf(const fs::path& folder)
{
  Map tokens;
  for (const char* file :
    { "special_tokens_map.json", "tokenizer_config.json" }) // the last decides
  {
    std::error_code ignored;
    if (!fs::is_regular_file(folder / file, ignored))
    {
      continue;
    }
    const nlohmann::json content = readObject(folder / file);
    for (const char* name : { "bos_token", "eos_token", "unk_token", "sep_token", "pad_token",
           "cls_token", "mask_token", "image_token" })
    {
      const auto found = content.find(name);
      const nlohmann::json token = found == content.end() ? nlohmann::json()
        : found->is_object() ? found->value("content", nlohmann::json())
                             : *found;
      if (token.is_string())
      {
        tokens.set(name, token.get<std::string>());
      }
    }
  }
  return tokens;
}

Value message(const char* role, Value content)
{
  Map entries;
  entries.set("role", role);
  entries.set("content", std::move(content));
  return entries;
}

Value textPart(const std::string& text)
{
  Map entries;
  entries.set("type", "text");
  entries.set("text", text);
  return entries;
}

std::string trimmed(const std::string& text)
{
  constexpr const char* Space = " \t\r\n\v\f";
  const std::size_t begin = text.find_first_not_of(Space);
  return begin == std::string::npos ? std::string()
                                    : text.substr(begin, text.find_last_not_of(Space) + 1 - begin);
}

/// Where words ended up: what differs between the prompt and one that has Mark in their place.
/// Empty where the template does more with them than to write them once.
struct Span
{
  std::size_t begin = 0, end = 0;
};
Span spanOf(const std::string& text, const std::string& marked)
{
  const std::size_t at = marked.find(Mark);
  if (at == std::string::npos || marked.find(Mark, at + Mark.size()) != std::string::npos)
  {
    return {};
  }
  const std::size_t after = marked.size() - at - Mark.size();
  const bool same = text.size() >= at + after && text.compare(0, at, marked, 0, at) == 0 &&
    text.compare(text.size() - after, after, marked, at + Mark.size(), after) == 0;
  return same ? Span{ at, text.size() - after } : Span{};
}

std::string repeated(const std::string& text, std::size_t count)
{
  std::string all;
  for (std::size_t i = 0; i < count; ++i)
  {
    all += text;
  }
  return all;
}

/// Adds text of a kind, cut at the image token.
void append(
  std::vector<PromptPart>& parts, Kind kind, const std::string& text, const std::string& imageToken)
{
  const std::size_t at = text.find(imageToken);
  const std::string before = text.substr(0, at);
  if (!before.empty())
  {
    parts.push_back({ kind, before });
  }
  if (at != std::string::npos)
  {
    parts.push_back({ Kind::Image, imageToken });
    append(parts, kind, text.substr(at + imageToken.size()), imageToken);
  }
}
}

CheckpointTemplate::CheckpointTemplate(
  jinja::Template program, jinja::Map specialTokens, std::string file)
  : Program(std::move(program)), SpecialTokens(std::move(specialTokens)), File(std::move(file))
{
  if (const Value* begin = this->SpecialTokens.find("bos_token"))
  {
    this->Begin = *begin->asText();
  }
}

std::optional<CheckpointTemplate> CheckpointTemplate::find(const std::string& modelDirectory)
{
  const fs::path folder(modelDirectory);
  for (const char* file : { "chat_template.jinja", "chat_template.json", "processor_config.json",
         "tokenizer_config.json" })
  {
    const fs::path path = folder / file;
    std::error_code ignored;
    const std::string source =
      fs::is_regular_file(path, ignored) ? templateOf(path) : std::string();
    if (source.empty())
    {
      continue;
    }
    try
    {
      return CheckpointTemplate(jinja::Template(source), specialTokensOf(folder), path.string());
    }
    catch (const Error& error)
    {
      fail(path.string(),
        ": the chat template cannot be run (ChatTemplate can give another): ", error.what());
    }
  }
  return std::nullopt;
}

std::string CheckpointTemplate::render(const Words& words, Content content) const
{
  const bool placed = words.prompt.find(words.imageToken) != std::string::npos;
  const auto plain = [content](const std::string& text)
  { return content == Content::Text ? Value(text) : Value::list({ textPart(text) }); };
  std::vector<Value> messages;
  if (!words.system.empty())
  {
    messages.push_back(message("system", plain(words.system)));
  }
  if (placed)
  {
    messages.push_back(message("user", plain(words.prompt)));
  }
  else if (content == Content::Text)
  {
    const std::string images = repeated(words.imageToken + "\n", words.pictures);
    messages.push_back(message("user", images + words.prompt));
  }
  else
  {
    Map picture;
    picture.set("type", "image");
    std::vector<Value> all(words.pictures, picture);
    all.push_back(textPart(words.prompt));
    messages.push_back(message("user", Value::list(std::move(all))));
  }
  Map variables = this->SpecialTokens;
  variables.set("messages", Value::list(std::move(messages)));
  variables.set("tools", nullptr);
  variables.set("documents", nullptr);
  variables.set("add_generation_prompt", true);
  const std::string text = this->Program.render(variables);

  checkImages(text, words.imageToken, words.pictures);
  for (const auto& [part, name] :
    { std::pair(&words.prompt, "question"), std::pair(&words.system, "system prompt") })
  {
    if (text.find(trimmed(*part)) == std::string::npos)
    {
      fail("the template leaves the ", name, " out");
    }
  }
  return text;
}

std::vector<PromptPart> CheckpointTemplate::cut(const Words& words, Content content) const
{
  const std::string text = this->render(words, content);
  const auto place = [&](std::string Words::*part)
  {
    Words marked = words;
    // Where the words name the pictures' places, so must what stands for them.
    const std::string placed = repeated(words.imageToken, imagesIn(words.*part, words.imageToken));
    marked.*part = placed + Mark;
    try
    {
      std::string rendered = this->render(marked, content);
      if (const std::size_t at = rendered.find(placed + Mark); at != std::string::npos)
      {
        rendered.erase(at, placed.size());
      }
      return spanOf(text, rendered);
    }
    catch (const Error&)
    {
      return Span{}; // a template that looks at the words: they cannot be told from its own
    }
  };
  const Span question = place(&Words::prompt);
  const Span system = words.system.empty() ? Span{} : place(&Words::system);
  std::vector<std::pair<Span, Kind>> spans{ { system, Kind::System },
    { question, Kind::Question } };
  if (question.begin < system.begin)
  {
    std::swap(spans[0], spans[1]);
  }
  std::vector<PromptPart> parts;
  std::size_t done = 0;
  for (const auto& [span, kind] : spans)
  {
    if (span.end > span.begin && span.begin >= done)
    {
      append(parts, Kind::Template, text.substr(done, span.begin - done), words.imageToken);
      append(parts, kind, text.substr(span.begin, span.end - span.begin), words.imageToken);
      done = span.end;
    }
  }
  append(parts, Kind::Template, text.substr(done), words.imageToken);
  return parts;
}

std::vector<PromptPart> CheckpointTemplate::apply(const std::string& prompt,
  const std::string& system, const std::string& imageToken, std::size_t pictures) const
{
  checkQuestion(prompt, imageToken);
  const Words words{ toValidUtf8(prompt), toValidUtf8(system), imageToken, pictures };
  std::string problem;
  try
  {
    return this->cut(words, Content::Parts);
  }
  catch (const Error& error)
  {
    problem = error.what(); // many templates take texts only
  }
  try
  {
    return this->cut(words, Content::Text);
  }
  catch (const Error& error)
  {
    const std::string second = error.what();
    fail(this->File, ": the chat template cannot be used (ChatTemplate can give another): ", second,
      second == problem ? "" : "; with the content in parts: " + problem);
  }
}

} // namespace lvlm::text
