// SPDX-License-Identifier: Apache-2.0
// Analyses against plain loops over the whole block, written independently here.
#include "Check.h"

#include "Models/Trace/Analysis.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <random>

namespace
{
namespace tn = lvlm::tensor_name;
constexpr std::int64_t L = 3;
constexpr std::int64_t Hd = 4;
constexpr std::int64_t T = 5;
constexpr std::int64_t Rows = 2;
constexpr std::int64_t Cols = 3;
constexpr std::int64_t ImageStart = 1;
constexpr std::int64_t Question = 4;
constexpr std::int64_t P = ImageStart + Rows * Cols + Question;
constexpr std::int64_t K = P + T - 1;

std::vector<float> randomAttention()
{
  std::mt19937 generator(7);
  std::uniform_real_distribution<float> uniform(0.0f, 1.0f);
  std::vector<float> values(L * Hd * T * K);
  std::generate(values.begin(), values.end(), [&] { return uniform(generator); });
  return values;
}

/// Layers [first, first + count) of the whole attention.
lvlm::Trace makeTrace(const std::vector<float>& all, std::int64_t first = 0, std::int64_t count = L)
{
  lvlm::Trace trace;
  trace.promptLength = P;
  trace.imageStart = ImageStart;
  trace.grid = { Rows, Cols };
  std::vector<std::int64_t> ids;
  for (std::int64_t p = 0; p < P + T; ++p)
  {
    const bool image = p >= ImageStart && p < ImageStart + Rows * Cols;
    trace.roles.push_back(p == 0 ? lvlm::Role::System
        : image                  ? lvlm::Role::Image
        : p < P                  ? lvlm::Role::Question
                                 : lvlm::Role::Answer);
    trace.tokens.push_back("t" + std::to_string(p));
    ids.push_back(p);
  }
  trace.tensors[tn::TokenId] = lvlm::Tensor::of(ids, { P + T });
  const std::int64_t slab = Hd * T * K;
  trace.tensors[tn::AttentionAnswer] = lvlm::Tensor::of(
    std::vector<float>(all.begin() + first * slab, all.begin() + (first + count) * slab),
    { count, Hd, T, K });
  trace.layerBegin = first;
  trace.layerTotal = L;
  trace.validate();
  return trace;
}

using Parts = std::vector<lvlm::LayerParts>;

std::vector<float> attentionMap(const lvlm::Trace& trace, const lvlm::Selection& selection,
  lvlm::Reduction reduction, const lvlm::Progress& progress = {})
{
  const Parts parts{ lvlm::layerMaps(trace, selection, reduction, progress) };
  return lvlm::acrossLayers(lvlm::joinLayers(parts), reduction);
}

double at(
  const std::vector<float>& all, std::int64_t l, std::int64_t h, std::int64_t t, std::int64_t key)
{
  return all[static_cast<std::size_t>(((l * Hd + h) * T + t) * K + key)];
}

void testIndices()
{
  using lvlm::resolveIndices;
  CHECK(resolveIndices({}, 3, "x") == lvlm::Indices({ 0, 1, 2 }));
  CHECK(resolveIndices({ 2, -1, 0, -3 }, 3, "x") == lvlm::Indices({ 2, 0 }));
  CHECK(resolveIndices({}, 0, "x").empty());
  CHECK_THROWS(resolveIndices({ 3 }, 3, "Layers"), "Layers: 3 is out of range [-3, 2]");
  CHECK_THROWS(resolveIndices({ 0, -4 }, 3, "Heads"), "Heads: -4 is out of range [-3, 2]");
  CHECK_THROWS(resolveIndices({ INT64_MIN }, 3, "Heads"), "Heads: -9223372036854775808");
}

void testMap(const std::vector<float>& all)
{
  const lvlm::Trace trace = makeTrace(all);
  const lvlm::Selection selection{ { -1, 1 }, { 0, 2 }, { 3, 1, 0 } };
  const auto mean = attentionMap(trace, selection, lvlm::Reduction::Mean);
  const auto maximum = attentionMap(trace, selection, lvlm::Reduction::Maximum);
  CHECK(mean.size() == Rows * Cols && maximum.size() == Rows * Cols);
  for (std::int64_t patch = 0; patch < Rows * Cols; ++patch)
  {
    double sum = 0.0;
    double highest = 0.0;
    for (const std::int64_t l : { 0, 2 })
    {
      for (const std::int64_t h : { 0, 1, 3 })
      {
        for (const std::int64_t t : { 1, 4 })
        {
          sum += at(all, l, h, t, ImageStart + patch);
          highest = std::max(highest, at(all, l, h, t, ImageStart + patch));
        }
      }
    }
    const auto i = static_cast<std::size_t>(patch);
    CHECK_NEAR(mean[i], sum / 12.0, 1e-7); // one unit of float32
    CHECK(maximum[i] == static_cast<float>(highest));
  }
}

void testMaximumOfNegativeNumbers()
{
  const lvlm::Trace trace = makeTrace(std::vector<float>(L * Hd * T * K, -2.0f));
  CHECK(attentionMap(trace, {}, lvlm::Reduction::Maximum)[0] == -2.0f);
}

/// Layers spread over processes give, bit by bit, what one process gives, in the chosen order.
void testSplitLayers(const std::vector<float>& all)
{
  const auto parts =
    [&all](const std::vector<std::pair<std::int64_t, std::int64_t>>& spans, const auto& analyse)
  {
    Parts result;
    for (const auto& [first, count] : spans)
    {
      result.push_back(analyse(makeTrace(all, first, count)));
    }
    return lvlm::joinLayers(result);
  };
  const lvlm::Selection selection{ { 2, 0 }, { 2, 0, 1 }, {} };
  for (const auto reduction : { lvlm::Reduction::Mean, lvlm::Reduction::Maximum })
  {
    const std::vector<std::function<lvlm::LayerParts(const lvlm::Trace&)>> analyses{
      [&](const lvlm::Trace& t) { return lvlm::layerMaps(t, selection, reduction); },
      [&](const lvlm::Trace& t) { return lvlm::headMaps(t, selection, -2, reduction); },
      [&](const lvlm::Trace& t) {
        return lvlm::patchSums(t, { 4, 1 }, selection);
      },
      [&](const lvlm::Trace& t) { return lvlm::headSums(t, selection, lvlm::Source::Question); }
    };
    for (const auto& analyse : analyses)
    {
      const lvlm::LayerParts whole = parts({ { 0, L } }, analyse);
      // Also with a process that has none, and with two that have the same ones.
      const std::vector<std::vector<std::pair<std::int64_t, std::int64_t>>> splits{
        { { 0, 1 }, { 1, 2 } }, { { 0, 1 }, { 1, 1 }, { 2, 1 }, { L, 0 } }, { { 0, L }, { 0, L } }
      };
      for (const auto& spans : splits)
      {
        const lvlm::LayerParts joined = parts(spans, analyse);
        CHECK(joined.layers == whole.layers && joined.values == whole.values);
        CHECK(lvlm::acrossLayers(joined, reduction) == lvlm::acrossLayers(whole, reduction));
      }
    }
    CHECK_THROWS(
      parts({ { 0, 1 } }, analyses[0]), "layer 2 of the trace is in none of 1 processes");
    CHECK_THROWS(
      lvlm::eachLayer(analyses[0](makeTrace(all, 0, 1)), reduction), "1 of 3 chosen layers");
  }
  CHECK_THROWS(lvlm::joinLayers({ lvlm::layerMaps(makeTrace(all, 0, 1), {}, lvlm::Reduction::Mean),
                 lvlm::layerMaps(makeTrace(all), selection, lvlm::Reduction::Mean) }),
    "process 1 looks at other layers");
}

void testVolumes(const std::vector<float>& all)
{
  const lvlm::Trace trace = makeTrace(all);
  const auto mean = lvlm::Reduction::Mean;
  const auto layers =
    lvlm::eachLayer(lvlm::layerMaps(trace, { { 2 }, { 1, 0 }, { 3 } }, mean), mean);
  const auto heads = lvlm::eachLayer(lvlm::headMaps(trace, { { 2 }, {}, {} }, -1, mean), mean);
  CHECK(layers.size() == 2 * Rows * Cols && heads.size() == Hd * Rows * Cols);
  for (std::int64_t patch = 0; patch < Rows * Cols; ++patch)
  {
    const auto i = static_cast<std::size_t>(patch);
    CHECK(layers[i] == static_cast<float>(at(all, 1, 3, 2, ImageStart + patch)));
    CHECK(layers[Rows * Cols + i] == static_cast<float>(at(all, 0, 3, 2, ImageStart + patch)));
    CHECK(heads[Rows * Cols + i] == static_cast<float>(at(all, L - 1, 1, 2, ImageStart + patch)));
  }
  CHECK_THROWS(lvlm::headMaps(trace, {}, L, mean), "Layer: 3");
}

/// Single heads of layers, of each layer as many as there are: the mean over just these.
void testPlaces(const std::vector<float>& all)
{
  const lvlm::Trace trace = makeTrace(all);
  lvlm::Selection selection{ { 1, 3 }, { 2, 0 }, {} };
  selection.places = { { 0, 3 }, { 2, 1 }, { 0, 2 } };
  const auto places = lvlm::placesOf(selection, L, Hd);
  CHECK(lvlm::headsOf(places) == lvlm::Indices({ 1, 3, 2 })); // layer 2 comes first
  const lvlm::LayerParts maps = lvlm::layerMaps(trace, selection, lvlm::Reduction::Mean);
  CHECK(maps.chosen == lvlm::Indices({ 2, 0 }) && maps.samples == lvlm::Indices({ 2, 4 }));
  const auto mean = lvlm::acrossLayers(maps, lvlm::Reduction::Mean);
  const auto each = lvlm::eachLayer(maps, lvlm::Reduction::Mean);
  const auto heads = lvlm::eachLayer(
    lvlm::headMaps(trace, selection, 0, lvlm::Reduction::Mean), lvlm::Reduction::Mean);
  CHECK(heads.size() == 2 * Rows * Cols);
  for (std::int64_t patch = 0; patch < Rows * Cols; ++patch)
  {
    const auto of = [&](std::int64_t l, std::int64_t h)
    { return (at(all, l, h, 1, ImageStart + patch) + at(all, l, h, 3, ImageStart + patch)) / 2; };
    const auto i = static_cast<std::size_t>(patch);
    CHECK_NEAR(mean[i], (of(0, 3) + of(2, 1) + of(0, 2)) / 3, 1e-7);
    CHECK_NEAR(each[i], of(2, 1), 1e-7);
    CHECK_NEAR(each[Rows * Cols + i], (of(0, 3) + of(0, 2)) / 2, 1e-7);
    CHECK_NEAR(heads[i], of(0, 3), 1e-7);
    CHECK_NEAR(heads[Rows * Cols + i], of(0, 2), 1e-7);
  }
  selection.places = { { 2, 1 } };
  CHECK(lvlm::layerMaps(trace, selection, lvlm::Reduction::Mean).chosen == lvlm::Indices({ 2 }));
}

/// Patches that count as 0, in maps and in sums over patches.
void testDropped(const std::vector<float>& all)
{
  const lvlm::Trace trace = makeTrace(all);
  lvlm::Selection selection;
  const auto plain = attentionMap(trace, selection, lvlm::Reduction::Maximum);
  const auto sums = lvlm::patchSums(trace, { 1, 5 }, selection);
  const auto one = lvlm::patchSums(trace, { 1 }, selection);
  selection.dropped = { true, false, false, false, false, true };
  const auto map = attentionMap(trace, selection, lvlm::Reduction::Maximum);
  for (std::size_t patch = 0; patch < map.size(); ++patch)
  {
    CHECK(map[patch] == (selection.dropped[patch] ? 0 : plain[patch]));
  }
  const auto rest = lvlm::patchSums(trace, { 1, 5 }, selection);
  CHECK(rest.samples == sums.samples && rest.values == one.values && rest.values != sums.values);
  selection.dropped = { true };
  CHECK_THROWS(attentionMap(trace, selection, lvlm::Reduction::Mean), "1 patches are marked");
}

void testPatches(const std::vector<float>& all)
{
  const lvlm::Indices heads{ 2, 0 };
  const auto result =
    lvlm::patchAttention(lvlm::patchSums(makeTrace(all), { -1, 1 }, { {}, { 0, 2 }, heads }), T);
  for (std::int64_t t = 0; t < T; ++t)
  {
    double mean = 0.0;
    for (std::size_t h = 0; h < 2; ++h)
    {
      double sum = 0.0;
      for (const std::int64_t l : { 0, 2 })
      {
        for (const std::int64_t patch : { 1, 5 })
        {
          sum += at(all, l, heads[h], t, ImageStart + patch);
        }
      }
      CHECK_NEAR(result.perHead[h * T + static_cast<std::size_t>(t)], sum / 4.0, 1e-7);
      mean += sum / 8.0;
    }
    CHECK_NEAR(result.mean[static_cast<std::size_t>(t)], mean, 1e-7);
  }
  CHECK_THROWS(lvlm::patchSums(makeTrace(all), { 6 }, {}), "Patches: 6 is out of range [-6, 5]");
}

void testSummary(const std::vector<float>& all)
{
  const auto summary = [&](const lvlm::Selection& selection, lvlm::Source source)
  {
    return lvlm::eachLayer(
      lvlm::headSums(makeTrace(all), selection, source), lvlm::Reduction::Mean);
  };
  const auto image = summary({ { 1, 2 }, {}, {} }, lvlm::Source::Image);
  const auto question = summary({ {}, { -1 }, {} }, lvlm::Source::Question);
  CHECK(image.size() == L * Hd && question.size() == Hd);
  for (std::int64_t h = 0; h < Hd; ++h)
  {
    double toImage = 0.0;
    for (std::int64_t key = ImageStart; key < ImageStart + Rows * Cols; ++key)
    {
      toImage += at(all, 1, h, 1, key) + at(all, 1, h, 2, key);
    }
    double toQuestion = 0.0;
    for (std::int64_t key = P - Question; key < P; ++key)
    {
      for (std::int64_t t = 0; t < T; ++t)
      {
        toQuestion += at(all, L - 1, h, t, key);
      }
    }
    CHECK_NEAR(image[static_cast<std::size_t>(Hd + h)], toImage / (2 * Rows * Cols), 1e-7);
    CHECK_NEAR(question[static_cast<std::size_t>(h)], toQuestion / (T * Question), 1e-7);
  }
}

void testAbort(const std::vector<float>& all)
{
  const lvlm::Progress stop = [](double, const std::string&) { return false; };
  CHECK_THROWS(attentionMap(makeTrace(all), {}, lvlm::Reduction::Mean, stop), "aborted");
  CHECK_THROWS(lvlm::patchSums(makeTrace(all), {}, {}, stop), "aborted");
  CHECK_THROWS(lvlm::headSums(makeTrace(all), {}, lvlm::Source::Image, stop), "aborted");
}

void testAlternatives(const std::vector<float>& all)
{
  lvlm::Trace trace = makeTrace(all);
  trace.tensors[tn::TopkId] =
    lvlm::Tensor::of<std::int64_t>({ 1, 99, 2, 3, 4, 5, 6, 7, 8, 9 }, { T, 2 });
  trace.tensors[tn::TopkLogprob] =
    lvlm::Tensor::of<float>(std::vector<float>(T * 2, -1.0f), { T, 2 });
  const auto guessed = lvlm::alternativeTokens(trace);
  CHECK(guessed[0] == "t1" && guessed[1] == "<id 99>" && guessed[2] == "t2");
  trace.extra["answer.topk_token"] = R"([["a","b"],["c","d"],["e","f"],["g","h"],["i","j"]])";
  CHECK(lvlm::alternativeTokens(trace)[3] == "d");
  trace.extra["answer.topk_token"] = R"([["a","b"]])";
  CHECK_THROWS(lvlm::alternativeTokens(trace), "not a list of 5 lists of 2 strings");
}
}

int main()
{
  const std::vector<float> all = randomAttention();
  testIndices();
  testMap(all);
  testMaximumOfNegativeNumbers();
  testSplitLayers(all);
  testVolumes(all);
  testPlaces(all);
  testDropped(all);
  testPatches(all);
  testSummary(all);
  testAbort(all);
  testAlternatives(all);
  return lvlm_test::checkResult();
}
