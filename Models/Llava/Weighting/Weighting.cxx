// SPDX-License-Identifier: Apache-2.0
#include "Models/Llava/Weighting.h"

#include "Models/Llava/Answer/AnswerTrace.h"
#include "Models/Llava/Answer/PromptPass.h"
#include "Models/Llava/Network/TorchTensors.h"
#include "Models/Llava/Relevancy/RelevancySweep.h"
#include "Models/Llava/Runtime.h"
#include "Models/Trace/Regions.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

namespace lvlm::llava
{

namespace
{
/// How much of the progress bar the pass over the trace's own sequence takes.
constexpr double ReadingShare = 0.3;

/// Takes a token's rows out of the blocks that go by: [layers of this rank, Hd, patches].
class RowTap
{
public:
  RowTap(const LlavaModel::Impl& model, const TracedSequence& sequence, const ImageMap& image,
    std::int64_t token)
    : Position(sequence.position(token)), ImageStart(image.first()),
      LayerBegin(model.decoder.span().begin),
      Rows(at::zeros(
        { model.decoder.span().count(), model.config.text.heads, image.count() }, at::kFloat))
  {
  }

  /// gradient [Hd, n, keys] of rows from `first` on.
  void take(std::int64_t layer, std::int64_t first, const at::Tensor& gradient)
  {
    const std::int64_t row = this->Position - first;
    if (row >= 0 && row < gradient.size(1))
    {
      const at::Tensor patches =
        gradient.select(1, row).narrow(1, this->ImageStart, this->Rows.size(2)); // [Hd, patches]
      this->Rows.select(0, layer - this->LayerBegin).copy_(patches);
    }
  }

  Tensor rows() const { return fromTorch(this->Rows); }

private:
  std::int64_t Position, ImageStart, LayerBegin;
  at::Tensor Rows;
};

std::size_t groupSize(
  const LlavaModel::Impl& model, const TracedSequence& sequence, std::int64_t last)
{
  const auto element =
    static_cast<std::int64_t>(c10::elementSize(gradientType(model.weights.type())));
  const std::int64_t bytes = (sequence.position(last) + 1) * model.config.text.hidden * element;
  return static_cast<std::size_t>(std::max<std::int64_t>(1, RelevancyGroupBytes / bytes));
}

/// Of a token's rows of this rank's layers.
std::size_t gradientBytes(const LlavaModel& model, std::int64_t patches)
{
  return static_cast<std::size_t>(model.span().count() * model.config().text.heads * patches) *
    sizeof(float);
}

/// The question in the words of the trace's own.
Question worded(const Trace& trace, const std::string& text)
{
  Question question;
  question.prompt = text;
  question.system = trace.told("system_prompt");
  const std::string chat = trace.told("chat_template");
  question.chatTemplate = chat == "Automatic" ? std::string() : chat;
  question.fullLayers.clear();
  return question;
}

/// Throws Error unless the model says the answer's first token as it was recorded.
void checkModel(const LlavaModel& model, const Trace& trace, const TracedSequence& sequence,
  ranks::Team& team, const Progress& progress)
{
  if (sequence.logprobs().empty())
  {
    return;
  }
  std::optional<PromptPass> pass;
  team.together(
    [&]
    {
      Prompt own;
      own.ids = sequence.ids(trace.promptLength);
      own.images = sequence.images();
      Question nothing;
      nothing.captureAnswer = false;
      nothing.fullLayers.clear();
      pass.emplace(model, std::move(own), nothing, sequence.pictures(), team);
    });
  pass->run("Reading the question", progress);
  team.together(
    [&]
    {
      if (model.impl().decoder.hasLast())
      {
        const double now = translated([&] { return pass->logprob(sequence.answerId(0)); });
        sequence.logprobs().check(0, now);
      }
    });
}
}

TokenGradients attentionGradients(const LlavaModel& model, const Trace& trace,
  const Indices& tokens, const Progress& progress, ranks::Team& team)
{
  const at::NoGradGuard guard;
  useThreads(model.options().threads);
  const LlavaModel::Impl& parts = model.impl();
  std::unique_ptr<TracedSequence> sequence;
  Indices wanted;
  team.together(
    [&]
    {
      sequence = std::make_unique<TracedSequence>(parts, trace);
      wanted = resolveIndices(tokens, sequence->answerLength(), "AnswerTokens");
    });
  const std::int64_t last = *std::max_element(wanted.begin(), wanted.end());
  const ImageMap image(trace);
  RelevancySweep sweep(parts, *sequence, last, team, part(progress, 0, ReadingShare),
    { gradientBytes(model, image.count()) * wanted.size(),
      "the gradients of " + std::to_string(wanted.size()) + " answer tokens" });
  TokenGradients found;
  const std::size_t largest = groupSize(parts, *sequence, last);
  for (std::size_t from = 0; from < wanted.size(); from += largest)
  {
    const std::size_t to = std::min(wanted.size(), from + largest);
    std::vector<GradientJob> jobs;
    std::vector<std::unique_ptr<RowTap>> taps;
    for (std::size_t i = from; i < to; ++i)
    {
      jobs.push_back(sweep.logprob(wanted[i]));
      taps.push_back(std::make_unique<RowTap>(parts, *sequence, image, wanted[i]));
      jobs.back().tap = [tap = taps.back().get()](std::int64_t layer, std::int64_t first,
                          const at::Tensor& gradient) { tap->take(layer, first, gradient); };
    }
    const double share = (1 - ReadingShare) / static_cast<double>(wanted.size());
    sweep.decoder(jobs, false,
      part(progress, ReadingShare + share * static_cast<double>(from),
        share * static_cast<double>(to - from)));
    for (std::size_t i = from; i < to; ++i)
    {
      found[wanted[i]] = taps[i - from]->rows();
    }
  }
  return found;
}

Trace attentionOfQuestion(const LlavaModel& model, const Trace& trace, const std::string& question,
  const Progress& progress, ranks::Team& team)
{
  const at::NoGradGuard guard;
  useThreads(model.options().threads);
  std::unique_ptr<TracedSequence> sequence;
  team.together([&] { sequence = std::make_unique<TracedSequence>(model.impl(), trace); });
  checkModel(model, trace, *sequence, team, part(progress, 0, 0.5));
  std::optional<PromptPass> pass;
  team.together(
    [&]
    {
      const Question asked = worded(trace, question);
      pass.emplace(model, promptOf(model.impl(), asked, sequence->pictureSizes()), asked,
        sequence->pictures(), team);
    });
  pass->run("Reading the generic question", part(progress, 0.5, 0.5));
  Trace other;
  other.regions = regionsOf(pass->prompt());
  settleRegions(other);
  pass->moveCapture(other);
  return other;
}

} // namespace lvlm::llava
