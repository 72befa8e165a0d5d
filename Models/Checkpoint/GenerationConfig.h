// SPDX-License-Identifier: Apache-2.0
/// @file GenerationConfig.h
/// What `generation_config.json` asks of the choice of tokens, as Hugging Face's `generate()` takes
/// it. Sampling (`do_sample`, `temperature`, `top_k` ...) and the longest answer (`max_length`,
/// `max_new_tokens`) are not read: the question itself says these.
#ifndef LVLM_CHECKPOINT_GENERATIONCONFIG_H
#define LVLM_CHECKPOINT_GENERATIONCONFIG_H

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace lvlm::checkpoint
{

struct ConfigSection;

struct GenerationConfig
{
  std::set<std::int64_t> endTokens; ///< eos_token_id; empty when no file names one
  double repetitionPenalty = 1;
  std::int64_t noRepeatNgramSize = 0;                      ///< 0: off
  std::map<std::vector<std::int64_t>, float> sequenceBias; ///< added to a sequence's last token
  std::set<std::vector<std::int64_t>> badWords;            ///< bad_words_ids
  std::int64_t minLength = 0;                              ///< of prompt and answer together
  std::int64_t minNewTokens = 0;
  std::optional<std::int64_t>
    forcedBegin;                    ///< forced_bos_token_id: only after a prompt of one token
  std::set<std::int64_t> forcedEnd; ///< forced_eos_token_id: the last of the longest answer
  bool removeInvalidValues = false;
  /// exponential_decay_length_penalty: the answer's length that it starts at, and its factor.
  std::optional<std::pair<std::int64_t, double>> decayPenalty;
  std::set<std::int64_t> suppressed;      ///< suppress_tokens
  std::set<std::int64_t> beginSuppressed; ///< begin_suppress_tokens
};

/// Reads a generation_config.json, or the object of config.json that stands in for it. Throws Error
/// on values that cannot be, and names what asks for another answer than this project's search
/// gives: beams, contrastive search, classifier-free guidance ...
GenerationConfig parseGenerationConfig(const ConfigSection& section);

} // namespace lvlm::checkpoint

#endif
