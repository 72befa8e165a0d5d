// SPDX-License-Identifier: Apache-2.0
#include "LogitsProcessors.h"

#include "Models/Trace/Error.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

namespace lvlm::llava
{

namespace
{
using Ids = std::vector<std::int64_t>;
constexpr float Never = -std::numeric_limits<float>::infinity();

bool has(const at::Tensor& scores, std::int64_t id)
{
  return id >= 0 && id < scores.size(0);
}

template <typename Tokens>
void setAll(const Tokens& tokens, float value, at::Tensor& scores)
{
  for (const std::int64_t id : tokens)
  {
    if (has(scores, id))
    {
      scores.data_ptr<float>()[id] = value;
    }
  }
}

/// Whether the sequence without its last token is what `ids` end with.
bool completes(const Ids& ids, const Ids& sequence)
{
  return sequence.size() == 1 ||
    (sequence.size() <= ids.size() &&
      std::equal(sequence.rbegin() + 1, sequence.rend(), ids.rbegin()));
}

template <typename Tokens>
void checkTokens(const Tokens& tokens, std::int64_t vocabulary, const char* key)
{
  for (const std::int64_t id : tokens)
  {
    if (id >= vocabulary)
    {
      fail(
        "generation_config.json: ", key, " names the token ", id, ", the model has ", vocabulary);
    }
  }
}

bool asksForNothing(const checkpoint::GenerationConfig& c)
{
  return c.repetitionPenalty == 1 && c.noRepeatNgramSize == 0 && c.sequenceBias.empty() &&
    c.badWords.empty() && c.minLength == 0 && c.minNewTokens == 0 && !c.forcedBegin &&
    c.forcedEnd.empty() && !c.removeInvalidValues && !c.decayPenalty && c.suppressed.empty() &&
    c.beginSuppressed.empty();
}
}

LogitsProcessors::LogitsProcessors(const checkpoint::GenerationConfig& config,
  std::int64_t promptLength, std::int64_t maxNewTokens, std::int64_t vocabulary)
  : Config(config), PromptLength(promptLength), LongestLength(promptLength + maxNewTokens),
    Idle(asksForNothing(config))
{
  for (const auto& [sequence, bias] : config.sequenceBias)
  {
    checkTokens(sequence, vocabulary, "sequence_bias");
  }
  for (const Ids& sequence : config.badWords)
  {
    checkTokens(sequence, vocabulary, "bad_words_ids");
  }
  checkTokens(config.forcedEnd, vocabulary, "forced_eos_token_id");
  checkTokens(
    config.forcedBegin ? Ids{ *config.forcedBegin } : Ids(), vocabulary, "forced_bos_token_id");
}

void LogitsProcessors::addBias(const Ids& ids, at::Tensor& scores) const
{
  std::map<std::int64_t, float> sums; // added up first: float32 rounds
  for (const auto& [sequence, bias] : this->Config.sequenceBias)
  {
    if (completes(ids, sequence))
    {
      sums[sequence.back()] += bias;
    }
  }
  for (const auto& [id, bias] : sums)
  {
    scores.data_ptr<float>()[id] += bias;
  }
}

void LogitsProcessors::penalizeRepetition(const Ids& ids, at::Tensor& scores) const
{
  if (this->Config.repetitionPenalty == 1)
  {
    return;
  }
  const auto penalty = static_cast<float>(this->Config.repetitionPenalty);
  for (const std::int64_t id : std::set<std::int64_t>(ids.begin(), ids.end()))
  {
    if (has(scores, id))
    {
      float& score = scores.data_ptr<float>()[id];
      score = score < 0 ? score * penalty : score / penalty;
    }
  }
}

void LogitsProcessors::banNgrams(const Ids& ids, at::Tensor& scores) const
{
  const auto n = static_cast<std::size_t>(this->Config.noRepeatNgramSize);
  if (n == 0 || ids.size() + 1 < n)
  {
    return;
  }
  const auto start = ids.end() - static_cast<std::ptrdiff_t>(n - 1); // of the n-gram to come
  for (std::size_t i = 0; i + n <= ids.size(); ++i)
  {
    if (std::equal(start, ids.end(), ids.begin() + static_cast<std::ptrdiff_t>(i)))
    {
      setAll(Ids{ ids[i + n - 1] }, Never, scores);
    }
  }
}

void LogitsProcessors::banWords(const Ids& ids, at::Tensor& scores) const
{
  for (const Ids& sequence : this->Config.badWords)
  {
    if (completes(ids, sequence))
    {
      scores.data_ptr<float>()[sequence.back()] += Never; // NaN of an infinite one, as it is there
    }
  }
}

void LogitsProcessors::lengthen(std::int64_t length, at::Tensor& scores) const
{
  if (length < this->Config.minLength || length - this->PromptLength < this->Config.minNewTokens)
  {
    setAll(this->Config.endTokens, Never, scores);
  }
}

void LogitsProcessors::force(std::int64_t length, at::Tensor& scores) const
{
  if (this->Config.forcedBegin && length == 1)
  {
    scores.fill_(Never);
    setAll(Ids{ *this->Config.forcedBegin }, 0, scores);
  }
  if (!this->Config.forcedEnd.empty() && length == this->LongestLength - 1)
  {
    scores.fill_(Never);
    setAll(this->Config.forcedEnd, 0, scores);
  }
}

void LogitsProcessors::shorten(std::int64_t length, at::Tensor& scores) const
{
  if (!this->Config.decayPenalty)
  {
    return;
  }
  const auto& [start, factor] = *this->Config.decayPenalty;
  const std::int64_t over = length - this->PromptLength - start;
  for (const std::int64_t id : this->Config.endTokens)
  {
    if (over > 0 && has(scores, id))
    {
      float& score = scores.data_ptr<float>()[id];
      // Beyond float32 it is infinite there, too.
      const double growth = std::pow(factor, static_cast<double>(over)) - 1;
      score += std::abs(score) *
        (std::abs(growth) <= std::numeric_limits<float>::max()
            ? static_cast<float>(growth)
            : std::copysign(-Never, static_cast<float>(growth > 0 ? 1 : -1)));
    }
  }
}

void LogitsProcessors::suppress(std::int64_t length, at::Tensor& scores) const
{
  setAll(this->Config.suppressed, Never, scores);
  if (length == this->PromptLength + (this->PromptLength == 1 && this->Config.forcedBegin ? 1 : 0))
  {
    setAll(this->Config.beginSuppressed, Never, scores);
  }
}

at::Tensor LogitsProcessors::apply(const Ids& ids, const at::Tensor& logits) const
{
  if (this->Idle)
  {
    return logits;
  }
  at::Tensor scores = logits.to(at::kCPU, at::kFloat, false, /*copy=*/true).contiguous(); // [V]
  const auto length = static_cast<std::int64_t>(ids.size());
  this->addBias(ids, scores);
  this->penalizeRepetition(ids, scores);
  this->banNgrams(ids, scores);
  this->banWords(ids, scores);
  this->lengthen(length, scores);
  this->force(length, scores);
  if (this->Config.removeInvalidValues)
  {
    scores = at::nan_to_num(scores); // NaN: 0, infinities: the largest numbers
  }
  this->shorten(length, scores);
  this->suppress(length, scores);
  return scores;
}

} // namespace lvlm::llava
