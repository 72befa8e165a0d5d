// SPDX-License-Identifier: Apache-2.0
/// @file AnswerPass.h
/// Rows through the decoder, over all ranks, to the log-probabilities of an answer's tokens.
/// Internal to Models/Llava.
#ifndef LVLM_LLAVA_ANSWERPASS_H
#define LVLM_LLAVA_ANSWERPASS_H

#include "Models/Llava/Network/LlavaModelImpl.h"
#include "Models/Llava/Relevancy/TracedSequence.h"
#include "Models/Ranks/Team.h"

#include <functional>
#include <string>
#include <vector>

namespace lvlm::llava
{

/// Rows that go through a layer together: as many as the layer takes in one piece.
inline constexpr std::int64_t GroupRows = 2 * DecoderBlockRows - 1;

class AnswerPass
{
public:
  /// `sequence`: whose answer is scored.
  AnswerPass(const LlavaModel::Impl& model, const TracedSequence& sequence, ranks::Team& team)
    : Model(model), Sequence(sequence), Team(team)
  {
  }

  Workspace& buffers() { return this->Buffers; }
  /// The tower's and the projector's of a picture: [image tokens, D]
  at::Tensor tower(const picture::SeenPicture& seen, const Progress& progress);
  /// A sequence with its pictures, as it enters the decoder: [S, D]
  at::Tensor embed(const TracedSequence& sequence, const Progress& progress);

  using Rows = std::function<at::Tensor(const Progress& progress)>;
  using Layers = std::function<at::Tensor(at::Tensor hidden, const Progress& progress)>;
  /// The rank with layer `origin` makes `rows` rows; it and those after it run them through
  /// `layers`. The last one gets rows [n, D] that predict the answer again and again: their tokens'
  /// log-probabilities [n] are everybody's result. Throws Error when one is not finite.
  std::vector<double> run(std::int64_t origin, std::int64_t rows, const Rows& make,
    const Layers& layers, const Progress& progress);

private:
  std::vector<double> logprobs(const at::Tensor& top);

  const LlavaModel::Impl& Model;
  const TracedSequence& Sequence;
  ranks::Team& Team;
  Workspace Buffers;
};

/// The `index`th of so many equal shares of a progress.
Progress shareOf(const Progress& progress, std::size_t index, std::size_t shares);

/// Throws Error for too little memory, before any is taken: for `rows` rows in a layer, keys and
/// values of S positions, and `more` numbers that are kept.
void checkPassMemory(
  const LlavaModel::Impl& model, std::int64_t S, std::int64_t rows, std::int64_t more);

/// Throws Error unless the model was opened for this rank.
void checkRank(const LlavaModel::Impl& model, const ranks::Team& team);

} // namespace lvlm::llava

#endif
