// SPDX-License-Identifier: Apache-2.0
#include "Tokenizer.h"

#include "AddedTokens.h"
#include "Bpe.h"
#include "Normalizer.h"
#include "PreTokenizer.h"
#include "SpecialTemplate.h"
#include "TokenDecoder.h"
#include "TokenizerConfig.h"
#include "TokenizerJson.h"
#include "Unicode.h"

#include "Models/Trace/Error.h"
#include "Models/Trace/Json.h"
#include "Models/Trace/Utf8.h"

#include <algorithm>
#include <filesystem>

namespace lvlm::text
{

namespace
{
constexpr std::size_t MaximumFileBytes = 64u << 20; // twice the largest in use (Gemma 3: 33 MB)
constexpr std::size_t MaximumTextBytes = 4u << 20;

nlohmann::json field(const nlohmann::json& file, const char* key)
{
  const auto found = file.find(key);
  return found == file.end() ? nlohmann::json() : *found;
}

nlohmann::json readObject(const std::string& path)
{
  nlohmann::json file = readJsonFile(path, MaximumFileBytes);
  if (!file.is_object())
  {
    fail(path, ": not a JSON object");
  }
  return file;
}
}

struct Tokenizer::Impl
{
  Impl(const nlohmann::json& file, const TokenizerConfig& config, const std::string& path)
    : model(member(file, "model", path), path), normalizer(field(file, "normalizer"), path),
      added(config.addedTokens(field(file, "added_tokens")), model, normalizer, path),
      preTokenizer(field(file, "pre_tokenizer"), path), decoder(field(file, "decoder"), path),
      special(field(file, "post_processor"), size(), path)
  {
  }

  std::int64_t size() const { return std::max(model.idEnd(), added.idEnd()); }

  Bpe model;
  Normalizer normalizer;
  AddedTokens added;
  PreTokenizer preTokenizer;
  TokenDecoder decoder;
  SpecialTemplate special;
};

Tokenizer::Tokenizer(const std::string& path)
{
  const std::string directory = std::filesystem::path(path).parent_path().string();
  const TokenizerConfig config(directory.empty() ? "." : directory);
  Self = std::make_unique<Impl>(readObject(path), config, path);
  Self->special.applyTokenizerConfig(
    config.config(), [this](const std::string& text) { return id(text); }, config.source());
}

Tokenizer::~Tokenizer() = default;
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;

std::vector<std::int64_t> Tokenizer::encode(const std::string& text, bool addSpecialTokens) const
{
  if (text.size() > MaximumTextBytes)
  {
    fail("a text of ", text.size(), " bytes is longer than the ", MaximumTextBytes,
      " that are tokenized");
  }
  std::vector<std::int32_t> ids;
  for (auto& part : Self->added.split(toValidUtf8(text), Self->normalizer))
  {
    if (part.id >= 0)
    {
      ids.push_back(part.id);
      continue;
    }
    for (const PreToken& word : Self->preTokenizer.apply(std::move(part.word)))
    {
      Self->model.encode(word.text, ids);
    }
  }
  std::vector<std::int64_t> wide(ids.begin(), ids.end());
  return addSpecialTokens ? Self->special.apply(std::move(wide)) : wide;
}

std::string Tokenizer::decode(const std::vector<std::int64_t>& ids, bool skipSpecialTokens) const
{
  std::vector<std::string> pieces;
  for (const std::int64_t id : ids)
  {
    const std::string text = piece(id);
    if (!text.empty() && !(skipSpecialTokens && isSpecial(id)))
    {
      pieces.push_back(text);
    }
  }
  return Self->decoder.apply(std::move(pieces));
}

std::string Tokenizer::piece(std::int64_t id) const
{
  const std::string* content = Self->added.content(id);
  return content ? *content : Self->model.piece(id);
}

std::int64_t Tokenizer::id(const std::string& piece) const
{
  const std::int32_t known = Self->added.id(piece);
  return known >= 0 ? known : Self->model.id(piece);
}

bool Tokenizer::isSpecial(std::int64_t id) const
{
  return Self->added.isSpecial(id);
}

std::int64_t Tokenizer::size() const
{
  return Self->size();
}

} // namespace lvlm::text
