// SPDX-License-Identifier: Apache-2.0
#include "Models/Llava/Lens.h"

#include "Models/Llava/Answer/AnswerTrace.h"
#include "Models/Llava/Answer/PromptPass.h"
#include "Models/Llava/Network/LensRows.h"
#include "Models/Llava/Network/TorchTensors.h"
#include "Models/Llava/Relevancy/TracedSequence.h"
#include "Models/Llava/Runtime.h"
#include "Models/Ranks/Team.h"

#include <algorithm>
#include <optional>

namespace lvlm::llava
{

namespace
{
namespace tn = tensor_name;

/// How much of the progress bar reading the sequence takes where that is needed.
constexpr double ReadingShare = 0.5;

/// The trace with hidden states of this rank's layers: question and answer as a question that is
/// all prompt, so that one pass gives the states of all positions.
Trace readOnceMore(const LlavaModel& model, const Trace& trace, const Indices& layers,
  ranks::Team& team, const Progress& progress)
{
  std::optional<PromptPass> pass;
  team.together(
    [&]
    {
      const TracedSequence sequence(model.impl(), trace);
      Prompt input;
      input.ids = sequence.ids(sequence.keys());
      input.images = sequence.images();
      Question wanted; // a row of attention a layer tells whose the layers are
      wanted.fullLayers.clear();
      wanted.captureHidden = true;
      wanted.hiddenLayers = layers;
      pass.emplace(model, std::move(input), wanted, sequence.pictures(), team);
    });
  pass->run("Reading question and answer", progress);
  Trace read = trace;
  pass->moveCapture(read);
  return read;
}

bool hasStates(const Trace& trace, std::int64_t layer)
{
  if (!trace.has(tn::HiddenStates))
  {
    return false;
  }
  const Tensor& listed = trace.tensor(tn::HiddenLayers);
  const auto* layers = listed.as<std::int64_t>();
  return std::find(layers, layers + listed.count(), layer) != layers + listed.count();
}

/// Where the lens has what the answer's tokens were chosen by.
void checkLogprobs(const LlavaModel::Impl& model, const Trace& trace, const Lens& lens)
{
  const auto last = std::find(lens.layers.begin(), lens.layers.end(), model.config.text.layers);
  const RecordedLogprobs recorded(model, trace);
  if (last == lens.layers.end() || recorded.empty())
  {
    return;
  }
  const auto K = static_cast<std::size_t>(lens.positions);
  const auto layer = static_cast<std::size_t>(last - lens.layers.begin());
  const auto* ids = trace.tensor(tn::TokenId).as<std::int64_t>() + trace.promptLength;
  for (std::int64_t t = 0; t < trace.answerLength(); ++t)
  {
    const auto word = std::find(lens.words.begin(), lens.words.end(), ids[t]);
    if (word != lens.words.end())
    {
      const auto w = static_cast<std::size_t>(word - lens.words.begin());
      recorded.check(t,
        lens.wordLogprobs[(w * lens.layers.size() + layer) * K +
          static_cast<std::size_t>(trace.promptLength - 1 + t)]);
    }
  }
}
}

Lens logitLens(const LlavaModel& model, const Trace& trace, const Indices& layers,
  const Indices& words, std::int64_t best, const Progress& progress, ranks::Team& team)
{
  const at::NoGradGuard guard;
  useThreads(model.options().threads);
  const LensWanted wanted{ layers, words, best };
  Lens lens;
  if (trace.has(tn::HiddenStates))
  {
    lens = lensOfStates(model.impl(), trace, wanted, team, progress);
  }
  else
  {
    const Trace read = readOnceMore(model, trace, layers, team, part(progress, 0, ReadingShare));
    lens = lensOfStates(
      model.impl(), read, wanted, team, part(progress, ReadingShare, 1 - ReadingShare));
  }
  team.together(
    [&]
    {
      checkLogprobs(model.impl(), trace, lens);
      lens.texts = lensTexts(
        model.impl(), lens, trace.tensor(tn::TokenId).as<std::int64_t>()[trace.promptLength - 1]);
    });
  return lens;
}

Lens lastLens(const LlavaModel& model, const Trace& trace, const Indices& words, std::int64_t said,
  const Progress& progress, ranks::Team& team)
{
  const at::NoGradGuard guard;
  useThreads(model.options().threads);
  const std::int64_t last = model.config().text.layers;
  const bool known = hasStates(trace, last);
  const double reading = known ? 0 : ReadingShare;
  const Trace read =
    known ? trace : readOnceMore(model, trace, { last }, team, part(progress, 0, reading));
  const double looking = (1 - reading) / 2;
  Lens lens = lensOfStates(
    model.impl(), read, { { last }, words, 1 }, team, part(progress, reading, looking));
  team.together([&] { checkLogprobs(model.impl(), trace, lens); });
  const std::int64_t more = said < 0 ? -1 : lens.ids.at(static_cast<std::size_t>(said));
  if (more >= 0 && std::find(words.begin(), words.end(), more) == words.end())
  {
    const Lens one = lensOfStates(
      model.impl(), read, { { last }, { more }, 1 }, team, part(progress, 1 - looking, looking));
    lens.words.push_back(more);
    lens.wordLogprobs.insert(
      lens.wordLogprobs.end(), one.wordLogprobs.begin(), one.wordLogprobs.end());
  }
  return lens;
}

std::int64_t wordId(const LlavaModel& model, const std::string& word)
{
  const text::Tokenizer& tokenizer = model.impl().tokenizer;
  std::vector<std::int64_t> shortest;
  for (const std::string& form : { " " + word, word })
  {
    const std::vector<std::int64_t> ids = tokenizer.encode(form, false);
    // An unknown character may be one token, but not one that says it.
    if (ids.size() == 1 && tokenizer.decode(ids, false).find(word) != std::string::npos)
    {
      return ids[0];
    }
    shortest = shortest.empty() || ids.size() <= shortest.size() ? ids : shortest;
  }
  if (const std::int64_t id = tokenizer.id(word); id >= 0)
  {
    return id;
  }
  std::string pieces;
  for (const std::int64_t id : shortest)
  {
    pieces += (pieces.empty() ? "" : " ") + tokenizer.piece(id);
  }
  fail("Word: '", word, "' is ", shortest.size(), " tokens of ", model.directory(), " (", pieces,
    "): a position says one token, choose a word or a piece that is one");
}

} // namespace lvlm::llava
