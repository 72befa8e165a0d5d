// SPDX-License-Identifier: Apache-2.0
// The same question on 1, 2, 3 and more ranks than layers: same tokens, scores and relevancy, each
// rank with the attention of its own layers; and one rank's failure is everybody's.
//
// Tolerance: none. A layer computes the same numbers from the same hidden states wherever it runs,
// so everything is compared bit by bit, all with one thread.
#include "Check.h"
#include "ModelParts.h"
#include "RelevancyCase.h"
#include "RelevancyMaps.h"
#include "ThreadRanks.h"

#include "Models/Llava/LlavaModel.h"
#include "Models/Ranks/Team.h"
#include "Models/Trace/Safetensors.h"

#include <cstring>
#include <limits>
#include <new>

namespace
{
using namespace lvlm;
using namespace lvlm::ranks;
using namespace lvlm::llava;
using namespace lvlm::picture;
using lvlm_test::allThrew;
using lvlm_test::noneThrew;
using lvlm_test::openPart;
using lvlm_test::Relevancy;
using lvlm_test::RelevancyCase;
using lvlm_test::RelevancyMaps;
using lvlm_test::RelevancyOptions;
using lvlm_test::TempFolder;
using lvlm_test::ThreadRanks;
namespace tn = tensor_name;

const std::string Root = std::string(LVLM_TEST_DATA) + "/llava";

Question question()
{
  Question question;
  question.images = { readImage(Root + "/picture.png") };
  question.prompt = "What color is the star?";
  question.maxNewTokens = 6;
  question.captureVision = true;
  question.captureLogits = true;
  question.fullLayers = { 0, -1 };
  return question;
}

bool sameBytes(const Tensor& a, const Tensor& b)
{
  return a.dtype == b.dtype && a.shape == b.shape &&
    (a.empty() || a.bytes() == 0 || std::memcmp(a.data, b.data, a.bytes()) == 0);
}

/// Slabs [first, first + n) of a tensor.
Tensor slabs(const Tensor& all, std::int64_t first, std::int64_t n)
{
  Tensor part = all;
  part.shape[0] = n;
  part.data +=
    static_cast<std::size_t>(first) * (all.bytes() / static_cast<std::size_t>(all.extent(0)));
  return part;
}

/// A rank's trace against the one of a single rank.
void checkTrace(const Trace& trace, const Trace& single, const LayerSpan& span, bool first)
{
  CHECK(trace.tokens == single.tokens && trace.roles == single.roles);
  CHECK(!trace.texts.empty() && trace.texts == single.texts);
  CHECK(trace.answer == single.answer && trace.prompt == single.prompt);
  CHECK(trace.extra == single.extra);
  for (const char* name :
    { tn::Image, tn::TokenId, tn::AnswerLogprob, tn::AnswerLogits, tn::TopkId, tn::TopkLogprob })
  {
    CHECK(sameBytes(trace.tensor(name), single.tensor(name)));
  }
  CHECK(trace.has(tn::AttentionVision) == first);
  CHECK(!first || sameBytes(trace.tensor(tn::AttentionVision), single.tensor(tn::AttentionVision)));
  CHECK(trace.layerBegin == span.begin && trace.layerTotal == single.layerTotal);
  CHECK(sameBytes(trace.tensor(tn::AttentionAnswer),
    slabs(single.tensor(tn::AttentionAnswer), span.begin, span.count())));
  const Tensor& fullLayers = single.tensor(tn::AttentionFullLayers);
  CHECK(sameBytes(trace.tensor(tn::AttentionFullLayers), fullLayers));
  std::vector<std::int64_t> held; // slabs of the single rank's full matrices
  for (std::int64_t slab = 0; slab < fullLayers.count(); ++slab)
  {
    if (span.contains(fullLayers.as<std::int64_t>()[slab]))
    {
      held.push_back(slab);
    }
  }
  CHECK(sameBytes(trace.tensor(tn::AttentionFull),
    slabs(single.tensor(tn::AttentionFull), held.empty() ? 0 : held[0],
      static_cast<std::int64_t>(held.size()))));
}

void testAnswers(const std::string& folder, int size, const Question& asked)
{
  const Trace single = openPart(folder, 0, 1)->ask(asked);
  ThreadRanks ranks(size);
  std::vector<Trace> traces(static_cast<std::size_t>(size));
  const auto thrown = ranks.run(
    [&](Team& team)
    {
      Question mine = asked;
      if (team.rank() != 0) // the picture is rank 0's
      {
        mine.images.clear();
      }
      traces[static_cast<std::size_t>(team.rank())] =
        openPart(folder, team.rank(), size)->ask(mine, Progress(), team);
    });
  if (!CHECK(noneThrew(thrown)))
  {
    return;
  }
  for (int rank = 0; rank < size; ++rank)
  {
    checkTrace(traces[static_cast<std::size_t>(rank)], single,
      layersOfRank(single.layerTotal, rank, size), rank == 0);
  }
  CHECK(ranks.leftOver() == 0);
}

/// Asks on `size` ranks, each with its own folder; what each of them threw.
std::vector<std::string> askIn(ThreadRanks& ranks, const std::vector<std::string>& folders,
  const Question& asked, const Progress& progress = Progress())
{
  return ranks.run(
    [&](Team& team)
    {
      const auto size = static_cast<int>(folders.size());
      // As the filter does: a rank that cannot open its model must not leave the others waiting.
      std::shared_ptr<const LlavaModel> model;
      team.together([&]
        { model = openPart(folders[static_cast<std::size_t>(team.rank())], team.rank(), size); });
      model->ask(asked, progress, team);
    });
}

/// The rank that chooses tokens does so as one rank alone; ranks that would end at different tokens
/// say so instead of waiting for each other.
void testGenerationConfig()
{
  const TempFolder temp;
  const std::string folder = temp.copyOf(Root + "/multihead-f32", "m");
  temp.write("m/generation_config.json",
    R"({"repetition_penalty": 1.4, "no_repeat_ngram_size": 2, "min_new_tokens": 3, "eos_token_id": [2, 240]})");
  Question asked = question();
  asked.maxNewTokens = 12;
  for (const int size : { 2, 3 })
  {
    testAnswers(folder, size, asked);
  }
  ThreadRanks ranks(2);
  CHECK(
    allThrew(askIn(ranks, { folder, Root + "/multihead-f32" }, asked), "end tokens 2; rank 0 has"));
  CHECK(ranks.leftOver() == 0);
}

/// A copy of a model with one tensor changed by `change`, which may also remove it.
template <typename Change>
std::string damaged(const TempFolder& folder, const std::string& name, Change&& change)
{
  const std::string source = Root + "/multihead-f32", target = folder.copyOf(source, name);
  const SafetensorsFile file(source + "/model.safetensors");
  auto tensors = file.tensors();
  change(tensors);
  writeSafetensors(target + "/model.safetensors", tensors, file.metadata());
  return target;
}

const char* const SomeWeight = "language_model.model.layers.2.mlp.up_proj.weight";

void testFailures()
{
  const std::string good = Root + "/multihead-f32";
  const TempFolder temp;
  const std::string nan = damaged(temp, "nan",
    [](std::map<std::string, Tensor>& tensors)
    {
      Tensor& weight = tensors.at(SomeWeight);
      std::vector<float> values(weight.as<float>(), weight.as<float>() + weight.count());
      values[0] = std::numeric_limits<float>::quiet_NaN();
      weight = Tensor::of(values, weight.shape);
    });
  const std::string incomplete = damaged(
    temp, "incomplete", [](std::map<std::string, Tensor>& tensors) { tensors.erase(SomeWeight); });
  ThreadRanks ranks(3);
  const Question asked = question();
  // Layer 2 is rank 2's: the others neither see its NaN nor miss its weights.
  CHECK(noneThrew(askIn(ranks, { nan, nan, good }, asked)));
  CHECK(openPart(incomplete, 0, 3)->span().end == 1);
  CHECK(openPart(incomplete, 1, 3)->span().end == 2);
  CHECK(allThrew(askIn(ranks, { good, good, nan }, asked), "decoder layer 2 is not finite"));
  CHECK(allThrew(askIn(ranks, { good, good, nan }, asked), "rank 2 of 3"));
  CHECK(allThrew(
    askIn(ranks, { good, good, incomplete }, asked), "decoder.layers.2.mlp.up_proj.weight"));
  CHECK(allThrew(askIn(ranks, { good, temp.path("none"), good }, asked), "rank 1 of 3"));
  CHECK(allThrew(askIn(ranks, { good, Root + "/tied-f32", good }, asked), "rank 1 of 3"));
  CHECK(ranks.leftOver() == 0);
  const auto with = [&](auto&& change)
  {
    Question changed = asked;
    change(changed);
    return askIn(ranks, { good, good, good }, changed);
  };
  CHECK(allThrew(with([](Question& q) { q.maxNewTokens = 0; }), "MaxNewTokens 0"));
  CHECK(allThrew(with([](Question& q) { q.fullLayers = { 3 }; }), "layer 3 is out of range"));
  CHECK(allThrew(with([](Question& q) { q.maxNewTokens = 1 << 20; }), "available"));
  CHECK(allThrew(with([](Question& q) { q.topP = 0; }), "TopP 0"));
  CHECK(allThrew(with([](Question& q) { q.images = { RgbImage() }; }), ""));
  CHECK(noneThrew(askIn(ranks, { good, good, good }, asked)));
  CHECK(ranks.leftOver() == 0);
}

/// Rank 0 hears every layer of every rank, in order, and can stop at each of them.
void testAbort()
{
  const std::string good = Root + "/multihead-f32";
  ThreadRanks ranks(3);
  Question asked = question();
  asked.maxNewTokens = 3;
  int reports = 0;
  double last = -1;
  bool rising = true;
  const Progress count = [&](double fraction, const std::string&)
  {
    reports += fraction > last ? 1 : 0; // the same one again: a busy machine
    rising = rising && fraction >= last - 1e-9 && fraction <= 1 + 1e-9;
    last = fraction;
    return true;
  };
  CHECK(noneThrew(askIn(ranks, { good, good, good }, asked, count)));
  CHECK(rising);
  const int everywhere = reports;
  reports = 0;
  last = -1;
  openPart(good, 0, 1)->ask(asked, count);
  CHECK(reports == everywhere);
  for (int stop = 1; stop <= reports; ++stop)
  {
    int left = stop;
    const Progress abort = [&left](double, const std::string&) { return --left > 0; };
    CHECK(allThrew(askIn(ranks, { good, good, good }, asked, abort), "aborted by the user"));
  }
  CHECK(ranks.leftOver() == 0);
}

std::vector<RelevancyMaps> mapsOn(ThreadRanks& ranks, int size, const RelevancyCase& golden,
  const Trace& trace, const RelevancyOptions& options)
{
  std::vector<RelevancyMaps> maps(static_cast<std::size_t>(size));
  CHECK(noneThrew(ranks.run(
    [&](Team& team)
    {
      Relevancy relevancy(openPart(golden.folder, team.rank(), size), trace);
      RelevancyMaps& mine = maps[static_cast<std::size_t>(team.rank())];
      mine = relevancy.compute({ 3 }, options, Progress(), team);
      mine = relevancy.compute({}, options, Progress(), team); // the others, then all together
    })));
  CHECK(ranks.leftOver() == 0);
  return maps;
}

void testRelevancy(const std::string& name, int size)
{
  const RelevancyCase golden(name);
  const auto model = openPart(golden.folder, 0, 1);
  const Trace trace = golden.trace(golden.answerLength(), *model);
  ThreadRanks ranks(size);
  for (const RelevancyMode mode : { RelevancyMode::Exact, RelevancyMode::Compatible })
  {
    RelevancyOptions options;
    options.mode = mode;
    options.temperature = golden.temperature();
    Relevancy alone(model, trace);
    alone.compute({ 3 }, options);
    const RelevancyMaps single = alone.compute({}, options);
    for (const RelevancyMaps& maps : mapsOn(ranks, size, golden, trace, options))
    {
      CHECK(maps.tokens == single.tokens);
      CHECK(sameBytes(maps.decoder, single.decoder));
      CHECK(sameBytes(maps.vision, single.vision));
      CHECK(sameBytes(maps.joint, single.joint));
      CHECK(sameBytes(maps.jointToken, single.jointToken));
    }
    options.tower = false;
    CHECK(sameBytes(mapsOn(ranks, size, golden, trace, options)[0].decoder, single.decoder));
  }
}

void testRelevancyFailures()
{
  const RelevancyCase golden("multihead");
  const auto model = openPart(golden.folder, 0, 1);
  Trace trace = golden.trace(4, *model);
  ThreadRanks ranks(3);
  const auto compute = [&](const Progress& progress, std::vector<std::int64_t> tokens)
  {
    return ranks.run(
      [&](Team& team)
      {
        Relevancy(openPart(golden.folder, team.rank(), 3), trace)
          .compute(tokens, RelevancyOptions(), progress, team);
      });
  };
  int reports = 0;
  CHECK(noneThrew(compute([&](double, const std::string&) { return ++reports > 0; }, {})));
  for (int stop = 1; stop <= reports; ++stop)
  {
    int left = stop;
    CHECK(allThrew(
      compute([&](double, const std::string&) { return --left > 0; }, {}), "aborted by the user"));
  }
  CHECK(allThrew(compute(Progress(), { 4 }), "answer token 4 is out of range"));
  // Only the last rank can tell that the answer is not this model's.
  std::vector<float> logprob(4, -30.0f);
  trace.tensors[tn::AnswerLogprob] = Tensor::of(logprob, { 4 });
  CHECK(allThrew(compute(Progress(), {}), "was not made by the model"));
  CHECK(ranks.leftOver() == 0);
}
}

int main()
{
  for (const char* name : { "multihead-f32", "grouped-bf16-sharded", "tied-f32",
         "new-names-tied-bf16", "window-f16-mistral", "siglip-qwen2", "vipllava", "gemma", "qwen3",
         "phi3", "granite", "next-granite" })
  {
    for (const int size : { 2, 3, 5 }) // the models have two or three layers
    {
      testAnswers(Root + "/" + name, size, question());
    }
  }
  Question sampled = question();
  sampled.temperature = 20;
  sampled.seed = 5;
  testAnswers(Root + "/multihead-f32", 2, sampled);
  testGenerationConfig();
  testFailures();
  testAbort();
  for (const int size : { 2, 3, 5 })
  {
    testRelevancy("multihead", size);
    testRelevancy("window-sampled", size);
    testRelevancy("siglip-qwen2", size);
    testRelevancy("qwen3", size);
    testRelevancy("granite", size);
  }
  testRelevancyFailures();
  return lvlm_test::checkResult();
}
