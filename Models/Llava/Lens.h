// SPDX-License-Identifier: Apache-2.0
/// @file Lens.h
/// The logit lens of a trace, with the model that made it. Free of Torch.
#ifndef LVLM_LLAVA_LENS_H
#define LVLM_LLAVA_LENS_H

#include "LlavaModel.h"

#include "Models/Trace/Lens.h"

namespace lvlm::llava
{

/// What every position says after some layers (see Models/Trace/Lens.h for the words): the `best`
/// most probable words, and the probabilities of `words`, ids of the model.
///
/// The hidden states are those that the trace carries; for one that carries none, the model reads
/// question and answer once more. Throws Error when the trace cannot be this model's (widths,
/// vocabulary; log-probabilities, where the last layer is looked at and its answer's tokens are
/// among `words`), for what is not finite and too little memory; Aborted when `progress` says so.
///
/// In a parallel run all ranks call it at the same time, each with its layers of the trace, and all
/// get the lens, bit by bit that of one rank. `progress` is rank 0's.
Lens logitLens(const LlavaModel& model, const Trace& trace, const Indices& layers,
  const Indices& words, std::int64_t best, const Progress& progress, ranks::Team& team);

/// The lens of what leaves the last layer, of `words` and behind them of the word that the position
/// `said` says (-1: none), as the last one of Lens::words if it is not among them. Throws and runs
/// as logitLens(); hidden states of the trace are used where they are the last layer's.
Lens lastLens(const LlavaModel& model, const Trace& trace, const Indices& words, std::int64_t said,
  const Progress& progress, ranks::Team& team);

/// The id of a word that is one token: in the form that begins a word, as text alone, or as the
/// tokenizer's own piece. Throws Error that tells the pieces of one that is several.
std::int64_t wordId(const LlavaModel& model, const std::string& word);

} // namespace lvlm::llava

#endif
