// SPDX-License-Identifier: Apache-2.0
#include "GenerationConfig.h"

#include "ConfigSection.h"

#include <functional>

namespace lvlm::checkpoint
{

namespace
{
using Json = nlohmann::json;

constexpr std::int64_t MaximumTokens = 1 << 24;
constexpr std::size_t MaximumSequences = 1u << 16;
constexpr std::size_t MaximumSequence = 1024;
constexpr double LargestFactor = 1e6;
constexpr double LargestBias = 1e30;

std::int64_t tokenOf(const ConfigSection& section, const char* key, const Json& value)
{
  if (!value.is_number_integer() || value < 0 || value > MaximumVocabulary)
  {
    fail(section.where, ": ", key, " ", excerpt(value), " is not a token id");
  }
  return value.get<std::int64_t>();
}

/// One id or a list of them.
std::set<std::int64_t> tokensOf(const ConfigSection& section, const char* key)
{
  std::set<std::int64_t> tokens;
  if (const Json* value = section.find(key))
  {
    for (const Json& entry : value->is_array() ? *value : Json::array({ *value }))
    {
      tokens.insert(tokenOf(section, key, entry));
    }
  }
  return tokens;
}

std::vector<std::int64_t> sequenceOf(
  const ConfigSection& section, const char* key, const Json& value)
{
  if (!value.is_array() || value.empty() || value.size() > MaximumSequence)
  {
    fail(section.where, ": ", key, " holds ", excerpt(value), ", not a list of 1 to ",
      MaximumSequence, " token ids");
  }
  std::vector<std::int64_t> sequence;
  for (const Json& entry : value)
  {
    sequence.push_back(tokenOf(section, key, entry));
  }
  return sequence;
}

/// Calls `take` with each entry of a list.
void forEach(
  const ConfigSection& section, const char* key, const std::function<void(const Json& entry)>& take)
{
  const Json* list = section.find(key);
  if (!list)
  {
    return;
  }
  if (!list->is_array() || list->size() > MaximumSequences)
  {
    fail(section.where, ": ", key, " = ", excerpt(*list), " is not a list of at most ",
      MaximumSequences, " entries");
  }
  for (const Json& entry : *list)
  {
    take(entry);
  }
}

void readSequences(const ConfigSection& section, GenerationConfig& config)
{
  forEach(section, "bad_words_ids",
    [&](const Json& entry)
    {
      const auto sequence = sequenceOf(section, "bad_words_ids", entry);
      // generate() lets an answer end, whatever the list says.
      if (sequence.size() > 1 || config.endTokens.count(sequence[0]) == 0)
      {
        config.badWords.insert(sequence);
      }
    });
  forEach(section, "sequence_bias",
    [&](const Json& entry)
    {
      if (!entry.is_array() || entry.size() != 2 || !entry[1].is_number() ||
        !(std::abs(entry[1].get<double>()) <= LargestBias))
      {
        fail(section.where, ": sequence_bias holds ", excerpt(entry),
          ", not a list of token ids and a number");
      }
      config.sequenceBias[sequenceOf(section, "sequence_bias", entry[0])] = entry[1].get<float>();
    });
}

void readDecay(const ConfigSection& section, GenerationConfig& config)
{
  constexpr const char* key = "exponential_decay_length_penalty";
  const Json* value = section.find(key);
  if (!value)
  {
    return;
  }
  const bool pair = value->is_array() && value->size() == 2 && (*value)[0].is_number_integer() &&
    (*value)[0] >= 0 && (*value)[0] <= MaximumTokens && (*value)[1].is_number() &&
    std::abs((*value)[1].get<double>()) <= LargestFactor;
  if (!pair)
  {
    fail(section.where, ": ", key, " = ", excerpt(*value), " is not [a length, a factor]");
  }
  config.decayPenalty.emplace((*value)[0].get<std::int64_t>(), (*value)[1].get<double>());
}

/// What changes the answer and is not done: to leave it out in silence would be another answer than
/// Hugging Face's.
void refuseOthers(const ConfigSection& section)
{
  struct Limit
  {
    const char* key;
    double harmless; ///< a number up to this asks for nothing
  };
  constexpr Limit Numbers[] = { { "num_beams", 1 }, { "num_beam_groups", 1 },
    { "num_return_sequences", 1 }, { "penalty_alpha", 0 }, { "diversity_penalty", 0 },
    { "encoder_no_repeat_ngram_size", 0 } };
  for (const Limit& limit : Numbers)
  {
    if (section.number(limit.key, limit.harmless, -LargestFactor, LargestFactor) > limit.harmless)
    {
      fail(section.where, ": ", limit.key, " = ", excerpt(*section.find(limit.key)),
        " is not supported: answers are found greedily or sampled, one at a time (take the key out "
        "to have that)");
    }
  }
  for (const char* key : { "guidance_scale", "encoder_repetition_penalty" })
  {
    if (section.number(key, 1, -LargestFactor, LargestFactor) != 1)
    {
      fail(section.where, ": ", key, " = ", excerpt(*section.find(key)),
        " is not supported (take the key out to do without)");
    }
  }
  for (const char* key : { "constraints", "force_words_ids", "forced_decoder_ids", "dola_layers",
         "watermarking_config", "stop_strings", "max_time" })
  {
    if (const Json* value = section.find(key))
    {
      fail(section.where, ": ", key, " = ", excerpt(*value),
        " is not supported (take the key out to do without)");
    }
  }
}
}

GenerationConfig parseGenerationConfig(const ConfigSection& section)
{
  if (!section.json.is_object())
  {
    fail(section.where, ": is not a JSON object");
  }
  refuseOthers(section);
  GenerationConfig config;
  config.endTokens = tokensOf(section, "eos_token_id");
  config.repetitionPenalty = section.number("repetition_penalty", 1, 1e-6, LargestFactor);
  config.noRepeatNgramSize = section.integer("no_repeat_ngram_size", 0, 0, MaximumTokens);
  readSequences(section, config);
  config.minNewTokens = section.integer("min_new_tokens", 0, 0, MaximumTokens);
  // generate() takes but one of them.
  config.minLength =
    section.find("min_new_tokens") ? 0 : section.integer("min_length", 0, 0, MaximumTokens);
  if (const Json* begin = section.find("forced_bos_token_id"))
  {
    config.forcedBegin = tokenOf(section, "forced_bos_token_id", *begin);
  }
  config.forcedEnd = tokensOf(section, "forced_eos_token_id");
  config.removeInvalidValues = section.flag("remove_invalid_values", false);
  readDecay(section, config);
  config.suppressed = tokensOf(section, "suppress_tokens");
  config.beginSuppressed = tokensOf(section, "begin_suppress_tokens");
  return config;
}

} // namespace lvlm::checkpoint
