// SPDX-License-Identifier: Apache-2.0
// A trace cut into the layers of each process: views of the same memory, together the whole.
#include "Check.h"
#include "RolloutRows.h"

#include "Models/Ranks/LayerShare.h"
#include "Models/Trace/TraceLayers.h"

#include <random>

namespace
{
namespace tn = lvlm::tensor_name;
constexpr std::int64_t L = 5;
constexpr std::int64_t Hd = 2;
constexpr std::int64_t T = 2;
constexpr std::int64_t P = 6;
constexpr std::int64_t K = P + T - 1;
constexpr std::int64_t D = 3;

std::vector<float> randomNumbers(std::int64_t count)
{
  std::mt19937 generator(11);
  std::uniform_real_distribution<float> uniform(0.0f, 1.0f);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values)
  {
    value = uniform(generator);
  }
  return values;
}

/// [count, K, K], where no position attends to one after it.
std::vector<float> causalNumbers(std::int64_t count)
{
  std::vector<float> values = randomNumbers(count * K * K);
  for (std::int64_t i = 0; i < count * K * K; ++i)
  {
    values[static_cast<std::size_t>(i)] *= i % K <= i / K % K ? 1.0f : 0.0f;
  }
  return values;
}

lvlm::Trace wholeTrace(const std::vector<std::int64_t>& fullLayers)
{
  lvlm::Trace trace;
  trace.promptLength = P;
  trace.imageStart = 1;
  trace.grid = { 2, 1 };
  for (std::int64_t p = 0; p < P + T; ++p)
  {
    trace.tokens.push_back("t" + std::to_string(p));
    trace.roles.push_back(p == 1 || p == 2 ? lvlm::Role::Image
        : p < P                            ? lvlm::Role::Question
                                           : lvlm::Role::Answer);
  }
  trace.tensors[tn::TokenId] = lvlm::Tensor::of(std::vector<std::int64_t>(P + T), { P + T });
  trace.tensors[tn::AttentionAnswer] =
    lvlm::Tensor::of(randomNumbers(L * Hd * T * K), { L, Hd, T, K });
  trace.layerTotal = L;
  const auto Lf = static_cast<std::int64_t>(fullLayers.size());
  trace.tensors[tn::AttentionFullLayers] = lvlm::Tensor::of(fullLayers, { Lf });
  trace.tensors[tn::AttentionFull] = lvlm::Tensor::of(causalNumbers(Lf * Hd), { Lf, Hd, K, K });
  trace.tensors[tn::HiddenLayers] = lvlm::Tensor::of<std::int64_t>({ 0, 1, 3, 5 }, { 4 });
  trace.tensors[tn::HiddenStates] = lvlm::Tensor::of(randomNumbers(4 * K * D), { 4, K, D });
  trace.validate();
  return trace;
}

void testSpans(int ranks)
{
  const lvlm::Trace whole = wholeTrace({ 0, 2, 3, 4 });
  const std::byte* answer = whole.tensor(tn::AttentionAnswer).data;
  const std::byte* full = whole.tensor(tn::AttentionFull).data;
  const std::byte* hidden = whole.tensor(tn::HiddenStates).data;
  for (int rank = 0; rank < ranks; ++rank)
  {
    const lvlm::LayerSpan span = lvlm::ranks::layersOfRank(L, rank, ranks);
    const lvlm::Trace part = lvlm::withLayers(whole, span);
    part.validate();
    CHECK(part.layerBegin == span.begin && part.layerTotal == L);
    const lvlm::Tensor& mine = part.tensor(tn::AttentionAnswer);
    CHECK(mine.shape == std::vector<std::int64_t>({ span.count(), Hd, T, K }));
    CHECK(span.count() == 0 || mine.data == answer);
    answer += mine.bytes();
    const lvlm::Tensor& mineFull = part.tensor(tn::AttentionFull);
    CHECK(mineFull.bytes() == 0 || mineFull.data == full);
    full += mineFull.bytes();
    for (const std::int64_t layer : part.fullLayers())
    {
      CHECK(span.contains(layer));
    }
    CHECK(part.tensor(tn::AttentionFullLayers).count() == 4); // of all processes
    const lvlm::Tensor& mineHidden = part.tensor(tn::HiddenStates);
    CHECK(mineHidden.bytes() == 0 || mineHidden.data == hidden);
    hidden += mineHidden.bytes();
    CHECK(mineHidden.extent(0) == static_cast<std::int64_t>(part.hiddenLayers().size()));
    for (const std::int64_t number : part.hiddenLayers())
    {
      CHECK(span.contains(number == 0 ? 0 : number - 1)); // the embeddings are the first rank's
    }
    CHECK(part.tensor(tn::HiddenLayers).count() == 4);
  }
  CHECK(hidden == whole.tensor(tn::HiddenStates).data + whole.tensor(tn::HiddenStates).bytes());
  CHECK(
    answer == whole.tensor(tn::AttentionAnswer).data + whole.tensor(tn::AttentionAnswer).bytes());
  CHECK(full == whole.tensor(tn::AttentionFull).data + whole.tensor(tn::AttentionFull).bytes());
}

void testUnorderedSlabs()
{
  const lvlm::Trace whole = wholeTrace({ 4, 0, 3, 1 });
  const lvlm::Trace low = lvlm::withLayers(whole, { 0, 3 });
  CHECK(low.tensor(tn::AttentionFull).extent(0) == 4); // slabs 1 and 3: not one view
  low.validate();
  const lvlm::Trace high = lvlm::withLayers(whole, { 3, 3 });
  CHECK(high.fullLayers().empty());
  high.validate();
  const lvlm::Trace last = lvlm::withLayers(wholeTrace({ 0, 4, 3, 1 }), { 3, 5 });
  CHECK(last.fullLayers() == std::vector<std::int64_t>({ 4, 3 }));
  last.validate();
}

void testRefused()
{
  const lvlm::Trace whole = wholeTrace({ 4 });
  CHECK_THROWS(lvlm::withLayers(whole, { 3, 6 }), "layers [3, 6) are not among [0, 5)");
  CHECK_THROWS(
    lvlm::withLayers(lvlm::withLayers(whole, { 2, 4 }), { 1, 3 }), "are not among [2, 4)");
  lvlm::Trace wrong = lvlm::withLayers(whole, { 0, 3 });
  wrong.tensors[tn::AttentionFull] = whole.tensor(tn::AttentionFull);
  wrong.validate(); // everything is fine, too
  wrong = lvlm::withLayers(whole, { 3, 5 });
  wrong.tensors[tn::AttentionFull].shape[0] = 0;
  CHECK_THROWS(wrong.validate(), "attention.full");
  CHECK_THROWS(wholeTrace({ 5 }), "names layer 5 of 5");
  lvlm::Trace none;
  none.tensors[tn::TokenId] = {};
  CHECK(!lvlm::withLayers(none, { 0, 3 }).has(tn::AttentionAnswer));
}

/// Rows that go from process to process come out as in one.
void testRollout()
{
  const lvlm::Trace whole = wholeTrace({ 2, 0, 1, 4, 3 });
  const auto expected = lvlm_test::rolloutRows(whole, {}, lvlm::Reduction::Mean);
  for (const int ranks : { 2, 3, 7 })
  {
    std::vector<lvlm::Trace> parts;
    std::vector<int> owners; // [layer]
    for (int rank = 0; rank < ranks; ++rank)
    {
      const lvlm::LayerSpan span = lvlm::ranks::layersOfRank(L, rank, ranks);
      owners.insert(owners.end(), static_cast<std::size_t>(span.count()), rank);
      parts.push_back(lvlm::withLayers(whole, span));
    }
    std::vector<double> rows = lvlm::Rollout(parts[0], {}, lvlm::Reduction::Mean).rows;
    for (std::int64_t layer = L; layer-- > 0;)
    {
      const auto owner = static_cast<std::size_t>(owners[static_cast<std::size_t>(layer)]);
      lvlm::Rollout here(parts[owner], {}, lvlm::Reduction::Mean);
      CHECK(here.layers() == L && here.holds(layer));
      here.rows = rows;
      here.descend(layer);
      rows = here.rows;
    }
    CHECK(std::vector<float>(rows.begin(), rows.end()) == expected);
  }
}
}

int main()
{
  for (const int ranks : { 1, 2, 3, 8 })
  {
    testSpans(ranks);
  }
  testUnorderedSlabs();
  testRefused();
  testRollout();
  return lvlm_test::checkResult();
}
