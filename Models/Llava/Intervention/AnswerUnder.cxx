// SPDX-License-Identifier: Apache-2.0
// A new answer to a trace's question, given while attention is cut.
#include "Models/Llava/Intervention.h"

#include "Models/Llava/Answer/Answering.h"
#include "Models/Llava/Relevancy/TracedSequence.h"
#include "Models/Llava/Runtime.h"

#include <algorithm>
#include <cstdlib>

namespace lvlm::llava
{

namespace
{
namespace tn = tensor_name;

/// A number that the trace's metadata tell, which may be any text.
double toldNumber(const Trace& trace, const char* key, double otherwise)
{
  const std::string text = trace.told(key);
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  return end != text.c_str() && *end == '\0' ? value : otherwise;
}

/// How the trace's own answer was sampled, and what of it was captured.
Question questionOf(const Trace& trace, std::int64_t maxNewTokens)
{
  Question question;
  question.prompt = trace.told("question");
  question.system = trace.told("system_prompt");
  question.chatTemplate = trace.told("chat_template");
  question.maxNewTokens = maxNewTokens;
  question.temperature = toldNumber(trace, "temperature", 0);
  question.topP = toldNumber(trace, "top_p", 1);
  question.seed = std::strtoull(trace.told("seed").c_str(), nullptr, 10);
  if (trace.has(tn::TopkId))
  {
    question.alternatives = std::max<std::int64_t>(1, trace.tensor(tn::TopkId).extent(1));
  }
  question.captureAnswer = trace.has(tn::AttentionAnswer);
  question.captureVision = trace.has(tn::AttentionVision);
  const auto listed = [&trace](const char* name)
  {
    const Tensor& all = trace.tensor(name);
    return Indices(all.as<std::int64_t>(), all.as<std::int64_t>() + all.count());
  };
  question.fullLayers.clear();
  if (trace.has(tn::AttentionFull))
  {
    question.fullLayers = listed(tn::AttentionFullLayers);
  }
  question.captureHidden = trace.has(tn::HiddenStates);
  if (question.captureHidden)
  {
    question.hiddenLayers = listed(tn::HiddenLayers);
  }
  return question;
}

ReadBefore readBefore(
  const TracedSequence& sequence, const Trace& trace, const std::vector<AttentionCut>& cuts)
{
  const auto P = static_cast<std::ptrdiff_t>(sequence.promptLength());
  const auto* ids = trace.tensor(tn::TokenId).as<std::int64_t>();
  ReadBefore before;
  before.prompt.text = trace.prompt;
  before.prompt.ids.assign(ids, ids + P);
  before.prompt.pieces.assign(trace.tokens.begin(), trace.tokens.begin() + P);
  before.prompt.roles.assign(trace.roles.begin(), trace.roles.begin() + P);
  before.prompt.images = sequence.images();
  before.seen = sequence.pictures();
  before.given = sequence.pictureSizes();
  before.cuts = cuts;
  return before;
}
}

Trace answerUnder(const LlavaModel& model, const Trace& trace,
  const std::vector<AttentionCut>& cuts, std::int64_t maxNewTokens, const std::string& said,
  const Progress& progress, ranks::Team& team)
{
  const at::NoGradGuard guard;
  useThreads(model.options().threads);
  ReadBefore before;
  Question question;
  team.together(
    [&]
    {
      before = readBefore(TracedSequence(model.impl(), trace), trace, cuts);
      question = questionOf(trace, maxNewTokens);
    });
  Trace answered = Answering(model, question, std::move(before), team).run(progress);
  answered.extra["image_mode"] = trace.told("image_mode");
  answered.extra["intervention"] = said;
  return answered;
}

} // namespace lvlm::llava
