// SPDX-License-Identifier: Apache-2.0
// Hidden states and the logit lens against Hugging Face's own in float64, which
// Testing/Golden/hidden_goldens.py saved.
//
// Tolerances: hidden states 1e-5 of the largest number of their layer in float32, in float64 the
// rounding to the float32 that both are kept in; log-probabilities 1e-4, or three times Hugging
// Face's own float32 error where that is larger. Ranks: bit by bit.
#include "Check.h"
#include "GoldenQuestion.h"
#include "TempFolder.h"
#include "ThreadRanks.h"

#include "Models/Llava/Lens.h"
#include "Models/Ranks/Team.h"
#include "Models/Trace/Safetensors.h"
#include "Models/Trace/TraceFile.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <numeric>

namespace
{
using namespace lvlm;
using namespace lvlm::llava;
using lvlm_test::allThrew;
using lvlm_test::noneThrew;
using lvlm_test::openModel;
using lvlm_test::ThreadRanks;
namespace tn = tensor_name;

const std::string Data = LVLM_TEST_DATA;
const char* const Cases[] = { "multihead-f32", "bias-bf16-qwen2", "gemma", "phi3", "granite" };

Question questionOf(const std::string& name)
{
  Question question = lvlm_test::goldenQuestion(name);
  question.captureHidden = true;
  return question;
}

/// Of states [Lh, K, D] to theirs, relative to the largest of each layer.
double largestDifference(const Tensor& ours, const Tensor& theirs)
{
  if (!CHECK(ours.shape == theirs.shape))
  {
    return INFINITY;
  }
  const std::int64_t slab = ours.extent(1) * ours.extent(2);
  double largest = 0;
  for (std::int64_t layer = 0; layer < ours.extent(0); ++layer)
  {
    std::vector<float> mine(static_cast<std::size_t>(slab));
    ours.toFloat(layer * slab, slab, mine.data());
    const float* expected = theirs.as<float>() + layer * slab;
    double size = 0, difference = 0;
    for (std::int64_t i = 0; i < slab; ++i)
    {
      const double here = std::abs(
        static_cast<double>(mine[static_cast<std::size_t>(i)]) - static_cast<double>(expected[i]));
      difference = here <= difference ? difference : here; // NaN counts as large
      size = std::max(size, std::abs(static_cast<double>(expected[i])));
    }
    largest = std::max(largest, difference / size);
  }
  return largest;
}

double largestDifference(const std::vector<float>& ours, const Tensor& theirs)
{
  if (!CHECK(static_cast<std::int64_t>(ours.size()) == theirs.count()))
  {
    return INFINITY;
  }
  double largest = 0;
  for (std::size_t i = 0; i < ours.size(); ++i)
  {
    const double here = std::abs(static_cast<double>(ours[i]) - theirs.as<double>()[i]);
    largest = here <= largest ? largest : here;
  }
  return largest;
}

/// Whether the best words are theirs, but for places that differ by less than float32 tells apart.
bool sameWords(const Lens& lens, const Tensor& ids, const Tensor& logprobs)
{
  const auto* theirs = ids.as<std::int64_t>();
  const auto* values = logprobs.as<double>();
  for (std::size_t i = 0; i < lens.ids.size(); ++i)
  {
    const auto near = [&](std::size_t j)
    { return j < lens.ids.size() && std::abs(values[i] - values[j]) < 1e-4; };
    const bool last = i % 5 == 4; // what comes next is not in the file
    if (lens.ids[i] != theirs[i] && !near(i - 1) && !near(i + 1) && !last)
    {
      return false;
    }
  }
  return true;
}

Indices allLayers(const LlavaModel& model)
{
  Indices layers(static_cast<std::size_t>(model.config().text.layers + 1));
  std::iota(layers.begin(), layers.end(), 0);
  return layers;
}

Lens lensOf(const LlavaModel& model, const Trace& trace, const Indices& words)
{
  ranks::Team alone;
  return logitLens(model, trace, allLayers(model), words, 5, Progress(), alone);
}

Indices wordsOf(const SafetensorsFile& golden)
{
  const Tensor& words = golden.tensor("word.id");
  return { words.as<std::int64_t>(), words.as<std::int64_t>() + words.count() };
}

void compareLens(const char* what, const Lens& lens, const SafetensorsFile& golden)
{
  const double best = largestDifference(lens.logprobs, golden.tensor("best.logprob"));
  const double word = largestDifference(lens.wordLogprobs, golden.tensor("word.logprob"));
  const double theirs = std::stod(golden.metadata().at("float32_error.logprob"));
  std::printf(
    "  %s: log-probabilities within %.1e (best) and %.1e (words), theirs in float32 %.1e\n", what,
    best, word, theirs);
  CHECK(best <= std::max(1e-4, 3 * theirs));
  CHECK(word <= std::max(1e-4, 3 * theirs));
  CHECK(sameWords(lens, golden.tensor("best.id"), golden.tensor("best.logprob")));
}

void compare(const std::string& name)
{
  const SafetensorsFile golden(Data + "/hidden/" + name + ".safetensors");
  for (const Precision precision : { Precision::Float32, Precision::Float64 })
  {
    const bool wide = precision == Precision::Float64;
    const auto model = openModel(name, precision);
    const Trace trace = model->ask(questionOf(name));
    const double difference =
      largestDifference(trace.tensor(tn::HiddenStates), golden.tensor("states"));
    const double theirs = std::stod(golden.metadata().at("float32_error.states"));
    std::printf("%s, %s: hidden states within %.1e, theirs in float32 %.1e\n", name.c_str(),
      wide ? "float64" : "float32", difference, theirs);
    CHECK(difference <= (wide ? 1e-7 : std::max(1e-5, 3 * theirs)));
    const Indices words = wordsOf(golden);
    const Lens lens = lensOf(*model, trace, words);
    compareLens("lens", lens, golden);
    Trace without = trace;
    without.tensors.erase(tn::HiddenStates);
    without.tensors.erase(tn::HiddenLayers);
    compareLens("read once more", lensOf(*model, without, words), golden);
  }
}

bool sameBytes(const Tensor& a, const Tensor& b)
{
  return a.dtype == b.dtype && a.shape == b.shape &&
    (a.count() == 0 || std::memcmp(a.data, b.data, a.bytes()) == 0);
}

void testChosenLayers()
{
  const auto model = openModel("multihead-f32");
  Question question = questionOf("multihead-f32");
  const Tensor all = model->ask(question).tensor(tn::HiddenStates);
  question.hiddenLayers = { -1, 1, 3 }; // the last one twice
  const Trace some = model->ask(question);
  const Tensor& listed = some.tensor(tn::HiddenLayers);
  CHECK(
    listed.count() == 2 && listed.as<std::int64_t>()[0] == 1 && listed.as<std::int64_t>()[1] == 3);
  const Tensor& states = some.tensor(tn::HiddenStates);
  const std::size_t slab = states.bytes() / 2;
  CHECK(std::memcmp(states.data, all.data + slab, slab) == 0);
  CHECK(std::memcmp(states.data + slab, all.data + 3 * slab, slab) == 0);
  const QuestionCost cost = model->cost(question, some.promptLength);
  CHECK(cost.hidden == states.bytes() && cost.lens == 0); // the answer was as long as it may be
  question.captureHidden = false;
  CHECK(!model->ask(question).has(tn::HiddenStates));
  CHECK(!model->ask(question).has(tn::HiddenLayers));
  CHECK(model->cost(question, some.promptLength).hidden == 0);
  question.captureHidden = true;
  question.hiddenLayers = { 4 };
  CHECK_THROWS(model->ask(question), "hidden states of layer 4 are out of range: there are 0");
  question.hiddenLayers = { -5 };
  CHECK_THROWS(model->cost(question, 10), "layer -5");
  CHECK_THROWS(lensLayers(some, { 0, 1 }),
    "Layers: 0 was not captured, the trace has the hidden "
    "states of layers 1, 3 (CaptureHiddenLayers");
  CHECK_THROWS(lensLayers(some, { 4 }), "Layers: 4");
  CHECK(lensLayers(some, { -1 }) == Indices{ 3 });
  CHECK((lensLayers(some, {}) == Indices{ 1, 3 }));
}

/// Computed in bfloat16 the states are kept in it, and lose nothing.
void testBFloat16()
{
  Question question = questionOf("bias-bf16-qwen2");
  const auto model = openModel("bias-bf16-qwen2", Precision::BFloat16);
  const Trace trace = model->ask(question);
  const Tensor& states = trace.tensor(tn::HiddenStates);
  CHECK(states.dtype == DType::BF16);
  const SafetensorsFile golden(Data + "/hidden/bias-bf16-qwen2.safetensors");
  CHECK(largestDifference(states, golden.tensor("states")) < 0.05); // 8 bits, through three layers
  CHECK(model->cost(question, trace.promptLength).hidden == states.bytes());
  const Lens lens = lensOf(*model, trace, {});
  const std::int64_t K = trace.keys(), P = trace.promptLength;
  double worst = 0;
  for (std::int64_t t = 0; t < trace.answerLength(); ++t) // the last layer says the answer
  {
    const auto at = static_cast<std::size_t>(((3 * K) + P - 1 + t) * 5);
    const float* expected = trace.tensor(tn::TopkLogprob).as<float>() + t * 5;
    worst = std::max(worst, static_cast<double>(std::abs(lens.logprobs[at] - expected[0])));
    CHECK(lens.ids[at] == trace.tensor(tn::TopkId).as<std::int64_t>()[t * 5]);
  }
  CHECK(worst < 0.06); // of products of one row and of many, rounded to 8 bits
}

/// What is recorded serves as well as the model, but for words beyond the best.
void testRecorded()
{
  const auto model = openModel("multihead-f32");
  Question question = questionOf("multihead-f32");
  const Trace live = model->ask(question);
  const Indices answer = answerIds(live, {});
  const Lens lens = lensOf(*model, live, answer);
  question.captureLens = true;
  question.captureHidden = false;
  const QuestionCost cost = model->cost(question, live.promptLength);
  CHECK(cost.hidden == live.tensor(tn::HiddenStates).bytes() && cost.lens > 0);
  const lvlm_test::TempFolder folder;
  const Trace asked = model->ask(question);
  CHECK(!asked.has(tn::HiddenStates));
  writeTrace(folder.path("lens.lvlm"), asked);
  const Trace trace = readTrace(folder.path("lens.lvlm"));
  const Lens recorded = recordedLens(trace, lensLayers(trace, {}), answer);
  CHECK(recorded.layers == lens.layers && recorded.ids == lens.ids);
  CHECK(recorded.logprobs == lens.logprobs && recorded.texts == lens.texts);
  std::size_t unknown = 0;
  for (std::size_t i = 0; i < lens.wordLogprobs.size(); ++i)
  {
    const bool known = std::isfinite(recorded.wordLogprobs[i]);
    unknown += known ? 0 : 1;
    CHECK(!known || recorded.wordLogprobs[i] == lens.wordLogprobs[i]);
  }
  CHECK(unknown > 0 && unknown < lens.wordLogprobs.size());
  const Lens two = recordedLens(trace, { 0, 3 }, {});
  const std::size_t slab = two.ids.size() / 2;
  CHECK(std::equal(two.ids.begin() + static_cast<std::ptrdiff_t>(slab), two.ids.end(),
    lens.ids.end() - static_cast<std::ptrdiff_t>(slab)));
  const std::int64_t id = recorded.ids[0];
  const std::string text = recorded.texts.at(id);
  CHECK(recorded.texts.at(recordedWord(trace, text)) == text);
  CHECK_THROWS(recordedWord(trace, "xylophone"), "'xylophone' is none of the ");
  const auto damaged = [&](const std::string& texts)
  {
    Trace bad = trace;
    bad.extra["lens.text"] = texts;
    return recordedLens(bad, { 0 }, {});
  };
  CHECK_THROWS(damaged("["), "lens.text");
  CHECK_THROWS(damaged("[1]"), "not a JSON object");
  CHECK_THROWS(damaged("{\"x\": \"a\"}"), "not an id with its text");
  CHECK_THROWS(damaged("{\"99999999999999999999\": \"a\"}"), "not an id with its text");
  CHECK_THROWS(damaged("{\"7\": 1}"), "not an id with its text");
  CHECK(damaged("{}").texts.empty());
}

/// On each of several ranks with its own layers, from states and without.
void testRanks(int size)
{
  const std::string name = "multihead-f32";
  Question question = questionOf(name);
  question.captureLens = true;
  const auto alone = openModel(name);
  const Trace single = alone->ask(question);
  const Indices answer = answerIds(single, {});
  const Lens lens = lensOf(*alone, single, answer);
  Trace bare = single;
  bare.tensors.erase(tn::HiddenStates);
  bare.tensors.erase(tn::HiddenLayers);
  bare.tensors.erase(tn::LensId);
  bare.tensors.erase(tn::LensLogprob);
  const Lens reread = lensOf(*alone, bare, answer);
  ThreadRanks ranks(size);
  const auto thrown = ranks.run(
    [&](ranks::Team& team)
    {
      const auto model = openModel(name, Precision::Float32, team.rank(), size);
      const Trace trace = model->ask(question, Progress(), team);
      CHECK(sameBytes(trace.tensor(tn::HiddenLayers), single.tensor(tn::HiddenLayers)));
      for (const char* own : { tn::LensId, tn::LensLogprob })
      {
        CHECK(sameBytes(trace.tensor(own), single.tensor(own)));
      }
      const Tensor& states = trace.tensor(tn::HiddenStates);
      const std::size_t slab = single.tensor(tn::HiddenStates).bytes() / 4;
      const Indices held = trace.hiddenLayers();
      CHECK(states.extent(0) == static_cast<std::int64_t>(held.size()));
      for (std::size_t i = 0; i < held.size(); ++i)
      {
        CHECK(model->span().contains(layerOfHidden(held[i])));
        CHECK(std::memcmp(states.data + i * slab,
                single.tensor(tn::HiddenStates).data + static_cast<std::size_t>(held[i]) * slab,
                slab) == 0);
      }
      const auto same = [&](const Trace& mine, const Lens& expected)
      {
        const Lens found = logitLens(*model, mine, expected.layers, answer, 5, Progress(), team);
        CHECK(found.ids == expected.ids && found.logprobs == expected.logprobs);
        CHECK(found.wordLogprobs == expected.wordLogprobs && found.texts == expected.texts);
      };
      same(trace, lens);
      Trace mine = trace;
      mine.tensors.erase(tn::HiddenStates);
      mine.tensors.erase(tn::HiddenLayers);
      mine.tensors.erase(tn::LensId);
      mine.tensors.erase(tn::LensLogprob);
      same(mine, reread);
    });
  for (const auto& text : thrown)
  {
    if (!text.empty())
    {
      std::cerr << text << std::endl;
    }
  }
  CHECK(noneThrew(thrown));
  CHECK(ranks.leftOver() == 0);
}

/// What stops one rank stops all of them.
void testRanksThatStop(bool reread)
{
  const std::string name = "multihead-f32";
  Question question = questionOf(name);
  question.captureHidden = !reread;
  ThreadRanks ranks(3);
  std::vector<Trace> traces(3);
  CHECK(noneThrew(ranks.run(
    [&](ranks::Team& team)
    {
      traces[static_cast<std::size_t>(team.rank())] =
        openModel(name, Precision::Float32, team.rank(), 3)->ask(question, Progress(), team);
    })));
  const auto lensOnRanks = [&](const Progress& progress)
  {
    return ranks.run(
      [&](ranks::Team& team)
      {
        const auto model = openModel(name, Precision::Float32, team.rank(), 3);
        logitLens(*model, traces[static_cast<std::size_t>(team.rank())], allLayers(*model), {}, 5,
          team.isFirst() ? progress : Progress(), team);
      });
  };
  int reports = 0;
  CHECK(allThrew(
    lensOnRanks([&](double, const std::string&) { return ++reports < 3; }), "aborted by the user"));
  CHECK(ranks.leftOver() == 0);
  if (!reread)
  {
    Tensor& states = traces[1].tensors[tn::HiddenStates]; // of the second layer
    states = Tensor::of(
      std::vector<float>(static_cast<std::size_t>(states.count()), INFINITY), states.shape);
    CHECK(allThrew(lensOnRanks(Progress()), "layer 2 is not finite"));
    CHECK(ranks.leftOver() == 0);
  }
}

void testWords()
{
  const auto model = LlavaModel::open(LVLM_SOURCE_DIR "/Models/TinyLlava");
  const std::int64_t star = wordId(*model, "star");
  CHECK(wordId(*model, "▁star") == star);
  CHECK_THROWS(wordId(*model, "xylophone"), "Word: 'xylophone' is ");
  CHECK_THROWS(wordId(*model, "xylophone"), "a position says one token");
  CHECK_THROWS(wordId(*model, "star circle"), "'star circle' is 2 tokens");
  CHECK_THROWS(wordId(*model, "⚑"), "⚑");
}

void testRefused()
{
  const auto model = openModel("multihead-f32");
  const Trace good = model->ask(questionOf("multihead-f32"));
  Trace bad = good;
  const Tensor& states = good.tensor(tn::HiddenStates);
  std::vector<float> values(states.as<float>(), states.as<float>() + states.count());
  values[values.size() / 2 + 3] = std::numeric_limits<float>::quiet_NaN();
  bad.tensors[tn::HiddenStates] = Tensor::of(values, states.shape);
  CHECK_THROWS(lensOf(*model, bad, {}), "layer 2 is not finite at positions");
  bad.tensors[tn::HiddenStates] = Tensor::of(std::vector<float>(4 * 76 * 2), { 4, 76, 2 });
  CHECK_THROWS(lensOf(*model, bad, {}), "have 2 numbers each");
  CHECK_THROWS(lensOf(*model, good, { 320 }), "token id 320 is outside the vocabulary of 320");
  CHECK_THROWS(
    lensOf(*openModel("tied-f32"), good, answerIds(good, {})), "was not made by the model in");
  int reports = 0;
  ranks::Team alone;
  CHECK_THROWS(logitLens(
                 *model, good, allLayers(*model), {}, 5,
                 [&](double, const std::string&) { return ++reports < 3; }, alone),
    "aborted");
  CHECK(reports == 3);
}
}

int main()
{
  try
  {
    for (const char* name : Cases)
    {
      compare(name);
    }
    testChosenLayers();
    testBFloat16();
    testRecorded();
    for (const int size : { 2, 3, 5 })
    {
      testRanks(size);
    }
    testRanksThatStop(false);
    testRanksThatStop(true);
    testWords();
    testRefused();
  }
  catch (const std::exception& error)
  {
    std::cerr << "unexpected: " << error.what() << std::endl;
    return 1;
  }
  return lvlm_test::checkResult();
}
