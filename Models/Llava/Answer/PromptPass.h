// SPDX-License-Identifier: Apache-2.0
/// @file PromptPass.h
/// A sequence that is all prompt, read once with capture. Internal to Models/Llava.
#ifndef LVLM_LLAVA_PROMPTPASS_H
#define LVLM_LLAVA_PROMPTPASS_H

#include "Generation.h"

#include "Models/Ranks/Team.h"

namespace lvlm::llava
{

/// One pass over the ranks, each of which runs its layers and keeps what `capture` asks for: rows
/// of attention (`attention.answer` is the last position's), hidden states.
class PromptPass
{
public:
  /// Inside team.together(). `pictures` are what the model sees. Throws Error for too little
  /// memory.
  PromptPass(const LlavaModel& model, Prompt prompt, const Question& capture,
    std::vector<picture::SeenPicture> pictures, ranks::Team& team);
  PromptPass(const PromptPass&) = delete;
  PromptPass& operator=(const PromptPass&) = delete;

  const Prompt& prompt() const { return this->Input; }
  /// All ranks together; `what` is shown.
  void run(const std::string& what, const Progress& progress);
  /// Afterwards, on the last rank with layers: log-probability of a token at the next position.
  double logprob(std::int64_t token);
  /// Moves the captured tensors into a trace.
  void moveCapture(Trace& trace) { this->Steps->moveCapture(trace, 1); }

private:
  void checkMemory(const LlavaModel& model) const;
  ranks::Message turn(
    const ranks::Message& given, const std::string& what, const Progress& progress);

  const LlavaModel::Impl& Model;
  ranks::Team& Team;
  Prompt Input;
  Question Asked;
  std::vector<picture::SeenPicture> Seen;
  std::optional<Generation> Steps;
  at::Tensor Last; ///< [1, D], what leaves the last layer at the last position
};

} // namespace lvlm::llava

#endif
