// SPDX-License-Identifier: Apache-2.0
/// @file Intervention.h
/// What a recorded answer would have been worth to the model if it had been kept from seeing
/// something: patches of the picture hidden, attention cut. Free of Torch.
#ifndef LVLM_LLAVA_INTERVENTION_H
#define LVLM_LLAVA_INTERVENTION_H

#include "AttentionCut.h"
#include "LlavaModel.h"

namespace lvlm::llava
{

/// What takes the place of hidden patches. Pixels are hidden in the picture as the model sees it,
/// before the tower, where every patch sees the others; embeddings are hidden behind the projector.
enum class PatchFill
{
  MeanColor,     ///< of the whole picture
  Black,         //
  Blur,          ///< the picture itself, blurred with a standard deviation of one patch
  MeanEmbedding, ///< of all patches
  ZeroEmbedding
};

/// One change, or several together, of what the model sees.
struct Variant
{
  Indices patches; ///< that are hidden, row-major
  PatchFill fill = PatchFill::MeanColor;
  std::vector<AttentionCut> cuts;

  bool operator==(const Variant& other) const
  {
    return this->patches == other.patches && this->fill == other.fill && this->cuts == other.cuts;
  }
};

/// Log-probabilities of the recorded answer's tokens, each after the recorded ones before it.
struct AnswerScores
{
  std::vector<double> original;              ///< [T]
  std::vector<std::vector<double>> variants; ///< a list [T] for each variant
};

/// Equal to the same intervention made with hooks in Hugging Face's eager model. What does not
/// change is computed once: of each variant only the positions from the first changed one on, and
/// they go through a layer together, so that its weights are read once for as many variants as make
/// 2 x DecoderBlockRows - 1 rows.
///
/// Throws Error when the trace cannot be this model's (picture size, vocabulary, image span, grid,
/// log-probabilities), for an index out of range, a position that would see nothing at all, and too
/// little memory; Aborted when `progress` says so.
///
/// Memory: keys and values of the sequence, and one layer's buffers for that many rows, as of a
/// prompt of the same length.
///
/// In a parallel run all ranks call it at the same time with the same variants, and all get the
/// scores. `progress` is rank 0's.
AnswerScores answerScores(const LlavaModel& model, const Trace& trace,
  const std::vector<Variant>& variants, const Progress& progress, ranks::Team& team);

/// What the model answers to the trace's prompt and picture with attention cut, while it reads the
/// prompt and at each token of the answer: sampled as the trace says that its own answer was. The
/// result has the captures that the trace has, and `said`, what is cut in words, as metadata
/// `intervention`. Positions from P on are those of the new answer, of at most `maxNewTokens`
/// tokens.
///
/// Throws Error and Aborted as answerScores() does, and works on several ranks as that does; of the
/// captures each rank gets those of its own layers.
Trace answerUnder(const LlavaModel& model, const Trace& trace,
  const std::vector<AttentionCut>& cuts, std::int64_t maxNewTokens, const std::string& said,
  const Progress& progress, ranks::Team& team);

/// What of a layer's work states are taken over from.
enum class StatePart
{
  Hidden,     ///< the residual stream after the layer
  Attention,  ///< what attention adds to it
  FeedForward ///< what the feed-forward part adds to it
};

/// A run in which positions have, in or after a layer, what they have in the clean run.
struct Transplant
{
  Indices positions;
  std::int64_t layer = 0;

  bool operator==(const Transplant& other) const
  {
    return this->positions == other.positions && this->layer == other.layer;
  }
};

/// Log-probabilities of the clean answer's tokens, each after those before it: [T].
struct PatchScores
{
  std::vector<double> clean;
  std::vector<double> corrupted; ///< on the corrupted trace's prompt and picture
  std::vector<std::vector<double>> variants;
};

/// Activation patching (K. Meng et al., "Locating and Editing Factual Associations in GPT", NeurIPS
/// 2022): the model reads the corrupted trace's question with states of the clean one's at some
/// positions. Equal to the same made with hooks in Hugging Face's eager model. Both questions go
/// through a layer together, then the variants, each from its layer and its first position on, as
/// many together as answerScores() takes.
///
/// Throws Error when the traces are of prompts of different lengths or of different models, and
/// else as answerScores(). Memory beyond that: states of all positions after each layer, twice.
PatchScores patchScores(const LlavaModel& model, const Trace& clean, const Trace& corrupted,
  StatePart part, const std::vector<Transplant>& variants, const Progress& progress,
  ranks::Team& team);

} // namespace lvlm::llava

#endif
