// SPDX-License-Identifier: Apache-2.0
/// @file Answering.h
/// One question on all ranks: who does what when. Internal to Models/Llava.
#ifndef LVLM_LLAVA_ANSWERING_H
#define LVLM_LLAVA_ANSWERING_H

#include "AnswerTrace.h"
#include "Generation.h"
#include "LogitsProcessors.h"
#include "Sampler.h"

#include "Models/Ranks/Team.h"

#include <optional>

namespace lvlm::llava
{

/// A prompt that was read before, its pictures as the model sees them, and attention that is cut
/// while it is read again and answered.
struct ReadBefore
{
  Prompt prompt;
  std::vector<picture::SeenPicture> seen;
  std::vector<picture::PictureSize> given; ///< of the pictures before that
  std::vector<AttentionCut> cuts;
};

/// A token is one pass over the ranks: the first embeds, each runs its layers and hands the hidden
/// states on, the last one with layers chooses the token, and all learn it.
class Answering
{
public:
  Answering(const LlavaModel& model, const Question& question, ranks::Team& team);
  /// Pictures, prompt and template of the question are told in the trace, but not looked at.
  Answering(
    const LlavaModel& model, const Question& question, ReadBefore before, ranks::Team& team);

  /// Throws the same on all ranks.
  Trace run(const Progress& progress);

private:
  void prepare();
  void checkMemory() const;
  void checkAlike() const;
  void sharePictureSizes();
  void sharePictures();
  ranks::Message turn(const Answer& soFar, const ranks::Message& given, const Progress& progress);
  std::int64_t choose(const Answer& soFar, const at::Tensor& logits);
  at::Tensor embed(const Answer& soFar, const Progress& progress);
  void addLens(Trace& trace, const Progress& progress);
  Trace finish(const Answer& answer, const Progress& progress);

  const LlavaModel& Owner;
  const LlavaModel::Impl& Model;
  const Question& Asked;
  ranks::Team& Team;
  std::optional<ReadBefore> Before;
  Prompt Input;
  /// Of the pictures; this and what is seen of them on all ranks.
  std::vector<picture::PictureSize> Given;
  std::vector<picture::SeenPicture> Seen;
  std::optional<Generation> Steps;
  std::optional<LogitsProcessors> Processors;
  std::optional<Sampler> Choice;
};

} // namespace lvlm::llava

#endif
