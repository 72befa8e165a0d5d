// SPDX-License-Identifier: Apache-2.0
// Answers scored with something hidden from the model against numbers that
// Testing/Golden/intervention_goldens.py saved: the same made with hooks in Hugging Face's model,
// in float64 throughout.
//
// Tolerances of log-probabilities: in float32 1e-5, or three times the error of Hugging Face's own
// float32 where that is larger; in float64 1e-9. Ranks give the same numbers bit by bit.
#include "Check.h"
#include "ModelParts.h"
#include "RelevancyCase.h"
#include "ThreadRanks.h"

#include "Models/Llava/Intervention.h"
#include "Models/Llava/Intervention/HiddenPatches.h"
#include "Models/Ranks/Team.h"
#include "Models/Trace/Json.h"

#include <algorithm>
#include <map>

namespace
{
using namespace lvlm;
using namespace lvlm::llava;
using lvlm_test::allThrew;
using lvlm_test::furthest;
using lvlm_test::noneThrew;
using lvlm_test::openPart;
using lvlm_test::RelevancyCase;
using lvlm_test::ThreadRanks;
namespace tn = tensor_name;

const std::vector<std::string> Cases{ "multihead", "grouped-sampled", "bias", "window-sampled",
  "last-vision-layer", "grid24" };

const std::map<std::string, PatchFill> Fills{ { "MeanColor", PatchFill::MeanColor },
  { "Black", PatchFill::Black }, { "Blur", PatchFill::Blur },
  { "MeanEmbedding", PatchFill::MeanEmbedding }, { "ZeroEmbedding", PatchFill::ZeroEmbedding } };

struct Case
{
  RelevancyCase question;
  SafetensorsFile golden;
  std::vector<Variant> variants;

  explicit Case(const std::string& name)
    : question(name), golden(std::string(LVLM_TEST_DATA "/intervention/") + name + ".safetensors")
  {
    for (const auto& entry : nlohmann::json::parse(this->golden.metadata().at("variants")))
    {
      Variant variant;
      variant.patches = entry.at("patches").get<Indices>();
      variant.fill = Fills.at(entry.at("fill").get<std::string>());
      for (const auto& cut : entry.at("blocked"))
      {
        variant.cuts.push_back({ cut.at("queries").get<Indices>(), cut.at("keys").get<Indices>(),
          cut.at("layers").get<Indices>() });
      }
      this->variants.push_back(variant);
    }
  }

  Trace trace(const LlavaModel& model) const
  {
    return this->question.trace(this->question.answerLength(), model);
  }
};

AnswerScores scored(const LlavaModel& model, const Trace& trace,
  const std::vector<Variant>& variants, const Progress& progress = Progress())
{
  ranks::Team alone;
  return answerScores(model, trace, variants, progress, alone);
}

void testGoldens(const std::string& name, Precision precision)
{
  const Case all(name);
  const auto model = openPart(all.question.folder, 0, 1, precision);
  const AnswerScores scores = scored(*model, all.trace(*model), all.variants);
  const Tensor& theirs = all.golden.tensor("logprob");
  const std::int64_t T = theirs.extent(1);
  if (!CHECK(static_cast<std::int64_t>(scores.original.size()) == T) ||
    !CHECK(static_cast<std::int64_t>(scores.variants.size()) == theirs.extent(0) - 1))
  {
    return;
  }
  const double allowed = precision == Precision::Float64
    ? 1e-9
    : std::max(1e-5, 3 * std::stod(all.golden.metadata().at("float32_error")));
  double worst = furthest(scores.original, theirs.as<double>());
  CHECK_NEAR(worst, 0, allowed);
  for (std::size_t v = 0; v < scores.variants.size(); ++v)
  {
    const double* row = theirs.as<double>() + static_cast<std::int64_t>(v + 1) * T;
    const double one = furthest(scores.variants[v], row);
    CHECK_NEAR(one, 0, allowed);
    worst = std::max(worst, one);
    // A variant that changes something must change something: else the golden proves nothing.
    const bool same = all.variants[v].patches.empty() && all.variants[v].cuts.empty();
    CHECK(same == (furthest(scores.variants[v], theirs.as<double>()) <= allowed));
  }
  std::cout << name << (precision == Precision::Float64 ? " in float64: " : ": ") << worst
            << std::endl;
}

void testBlur(const std::string& name)
{
  const Case all(name);
  const Tensor& seen = all.question.golden.tensor("image");
  const Tensor& theirs = all.golden.tensor("blurred");
  const picture::RgbImage picture{ seen.extent(1), seen.extent(0),
    { seen.as<std::uint8_t>(), seen.as<std::uint8_t>() + seen.count() } };
  const auto model = openPart(all.question.folder, 0, 1);
  const picture::RgbImage ours =
    blurred(picture, static_cast<double>(model->config().vision.patchSize));
  CHECK(std::equal(ours.pixels.begin(), ours.pixels.end(), theirs.as<std::uint8_t>(),
    theirs.as<std::uint8_t>() + theirs.count()));
}

Trace answered(const LlavaModel& model, const Trace& trace, const std::vector<AttentionCut>& cuts,
  std::int64_t tokens, const Progress& progress = Progress())
{
  ranks::Team alone;
  return answerUnder(model, trace, cuts, tokens, "attention cut", progress, alone);
}

/// The answers that come out under cuts are Hugging Face's, token by token.
void testAnswerUnder(const std::string& name)
{
  const Case all(name);
  const auto model = openPart(all.question.folder, 0, 1);
  const Trace trace = all.trace(*model);
  const double allowed = std::max(1e-5, 3 * std::stod(all.golden.metadata().at("float32_error")));
  double worst = 0;
  int compared = 0, other = 0;
  for (std::size_t v = 0; v < all.variants.size(); ++v)
  {
    const std::string key = "under." + std::to_string(v);
    if (!all.golden.has(key + ".ids"))
    {
      continue;
    }
    const Tensor& ids = all.golden.tensor(key + ".ids");
    const Tensor& logprobs = all.golden.tensor(key + ".logprob");
    const Trace answer =
      answered(*model, trace, all.variants[v].cuts, std::max<std::int64_t>(1, ids.count()));
    // Ours ends where the model says so, theirs goes on.
    const std::int64_t n = std::min(answer.answerLength(), ids.count());
    const auto* ours = answer.tensor(tn::TokenId).as<std::int64_t>() + answer.promptLength;
    CHECK(n == ids.count() ||
      model->config().generation.endTokens.count(ours[answer.answerLength() - 1]) == 1);
    CHECK(std::equal(ours, ours + n, ids.as<std::int64_t>()));
    for (std::int64_t t = 0; t < n; ++t)
    {
      const double one =
        std::abs(answer.tensor(tn::AnswerLogprob).as<float>()[t] - logprobs.as<double>()[t]);
      worst = one <= worst ? worst : one;
    }
    const auto* recorded = trace.tensor(tn::TokenId).as<std::int64_t>() + trace.promptLength;
    other += std::equal(ours, ours + std::min(n, trace.answerLength()), recorded) ? 0 : 1;
    compared += static_cast<int>(n);
    CHECK(answer.told("intervention") == "attention cut");
    CHECK(answer.told("question") == trace.told("question"));
  }
  CHECK_NEAR(worst, 0, allowed);
  CHECK(compared > 20);
  CHECK(other > 0);
  std::cout << name << ", answers under cuts: " << compared << " tokens, " << worst << std::endl;
}

/// What it answers while nothing is cut is what it answers; nothing more is computed of an answer
/// that it would not give.
void testAnswerUnderNothing()
{
  const Case all("multihead");
  const auto model = openPart(all.question.folder, 0, 1);
  Trace trace = all.trace(*model);
  const Trace same = answered(*model, trace, {}, trace.answerLength());
  CHECK(same.tokens.size() == trace.tokens.size());
  CHECK(same.tensor(tn::TokenId).count() == trace.tensor(tn::TokenId).count());
  CHECK(!same.has(tn::AttentionAnswer) && !same.has(tn::HiddenStates));
  CHECK_THROWS(scored(*model, same, {}), "given under an intervention (attention cut)");
  CHECK_THROWS(answered(*model, trace, {}, 0), "MaxNewTokens 0");
  CHECK_THROWS(answered(*model, trace, { { { 0 }, { 0 }, { 1 } } }, 2), "position 0 would see");
  CHECK_THROWS(
    answered(*model, trace, {}, 2, [](double, const std::string&) { return false; }), "aborted");
  ThreadRanks ranks(2);
  std::vector<Trace> parts(2);
  const std::vector<AttentionCut>& cuts = all.variants.at(9).cuts;
  const std::int64_t T = trace.answerLength();
  const Trace single = answered(*model, trace, cuts, T);
  CHECK(noneThrew(ranks.run(
    [&](ranks::Team& team)
    {
      parts[static_cast<std::size_t>(team.rank())] =
        answerUnder(*openPart(all.question.folder, team.rank(), 2), trace, cuts, T, "attention cut",
          Progress(), team);
    })));
  for (const Trace& part : parts)
  {
    CHECK(part.tokens == single.tokens);
    CHECK(part.tensor(tn::AnswerLogprob).as<float>()[0] ==
      single.tensor(tn::AnswerLogprob).as<float>()[0]);
  }
}

/// However variants are put together, each scores as it does alone.
void testTogether()
{
  const Case all("multihead");
  const auto model = openPart(all.question.folder, 0, 1, Precision::Float64);
  const Trace trace = all.trace(*model);
  std::vector<Variant> many;
  while (many.size() < 200)
  {
    many.insert(many.end(), all.variants.begin(), all.variants.end());
  }
  const AnswerScores together = scored(*model, trace, many);
  CHECK(together.variants.size() == many.size());
  for (std::size_t v = 0; v < many.size(); ++v)
  {
    const std::vector<double>& first = together.variants[v % all.variants.size()];
    CHECK_NEAR(furthest(together.variants[v], first.data()), 0, 1e-12);
  }
  for (std::size_t v = 0; v < all.variants.size(); ++v)
  {
    const AnswerScores alone = scored(*model, trace, { many[v] });
    CHECK_NEAR(furthest(alone.variants.at(0), together.variants[v].data()), 0, 1e-12);
  }
  CHECK(scored(*model, trace, {}).variants.empty());
}

void testRanks(const std::string& name, int size)
{
  const Case all(name);
  const auto model = openPart(all.question.folder, 0, 1);
  const Trace trace = all.trace(*model);
  const AnswerScores single = scored(*model, trace, all.variants);
  ThreadRanks ranks(size);
  std::vector<AnswerScores> scores(static_cast<std::size_t>(size));
  CHECK(noneThrew(ranks.run(
    [&](ranks::Team& team)
    {
      scores[static_cast<std::size_t>(team.rank())] = answerScores(
        *openPart(all.question.folder, team.rank(), size), trace, all.variants, Progress(), team);
    })));
  for (const AnswerScores& one : scores)
  {
    CHECK(one.original == single.original);
    CHECK(one.variants == single.variants);
  }
  CHECK(ranks.leftOver() == 0);
}

void testAbort()
{
  const Case all("multihead");
  const auto model = openPart(all.question.folder, 0, 1);
  const Trace trace = all.trace(*model);
  int reports = 0;
  double last = 0;
  bool rising = true;
  scored(*model, trace, all.variants,
    [&](double fraction, const std::string& text)
    {
      ++reports;
      rising = rising && fraction >= last - 1e-9 && fraction <= 1 + 1e-9 && !text.empty();
      last = fraction;
      return true;
    });
  CHECK(rising);
  CHECK(reports > 6);
  for (int stop = 1; stop <= reports; ++stop)
  {
    int left = stop;
    CHECK_THROWS(scored(*model, trace, all.variants,
                   [&left](double, const std::string&) { return --left > 0; }),
      "aborted by the user");
  }
  ThreadRanks ranks(2);
  int left = 8;
  CHECK(allThrew(ranks.run(
                   [&](ranks::Team& team)
                   {
                     answerScores(
                       *openPart(all.question.folder, team.rank(), 2), trace, all.variants,
                       [&left](double, const std::string&) { return --left > 0; }, team);
                   }),
    "aborted by the user"));
  CHECK(ranks.leftOver() == 0);
}

void testErrors()
{
  const Case all("multihead");
  const auto model = openPart(all.question.folder, 0, 1);
  Trace trace = all.trace(*model);
  const std::int64_t K = trace.keys(), P = trace.promptLength;
  const auto with = [&](const Indices& queries, const Indices& keys, const Indices& layers)
  {
    Variant variant;
    variant.cuts = { { queries, keys, layers } };
    scored(*model, trace, { Variant(), variant });
  };
  Variant outside;
  outside.patches = { 0, 9 };
  CHECK_THROWS(scored(*model, trace, { outside }), "patch 9 is out of range: there are 0 to 8");
  outside.patches = { -1 };
  CHECK_THROWS(scored(*model, trace, { outside }), "patch -1");
  CHECK_THROWS(with({ K }, { 0 }, { 0 }), "position " + std::to_string(K) + " is out of range");
  CHECK_THROWS(with({ P }, { -1 }, { 0 }), "position -1 is out of range");
  CHECK_THROWS(with({ P }, { 0 }, { 3 }), "layer 3 is out of range: there are 0 to 2");
  CHECK_THROWS(with({ 0 }, { 0 }, { 1 }), "position 0 would see nothing in layer 1");
  CHECK_THROWS(with({ 2, 1 }, { 0, 1 }, { 0, 2 }), "position 1 would see nothing in layer 0");
  with({ 2, 1 }, { 0 }, { 0, 1, 2 }); // itself is left
  CHECK_THROWS(answerScores(*openPart(all.question.folder, 1, 2), trace, {}, Progress(),
                 *std::make_unique<ranks::Team>()),
    "opened as rank 1 of 2");
  trace.tensors[tn::AnswerLogprob] =
    Tensor::of(std::vector<float>(static_cast<std::size_t>(trace.answerLength()), -30.0f),
      { trace.answerLength() });
  CHECK_THROWS(scored(*model, trace, {}), "was not made by the model");
  trace.grid = { 1, 9 };
  CHECK_THROWS(scored(*model, trace, {}), "a grid of 1 x 9 patches");
}
}

int main()
{
  for (const std::string& name : Cases)
  {
    testGoldens(name, Precision::Float32);
    testGoldens(name, Precision::Float64);
    testBlur(name);
  }
  for (const char* name : { "multihead", "bias", "grid24" })
  {
    testAnswerUnder(name);
  }
  testAnswerUnderNothing();
  testTogether();
  for (const int size : { 2, 3, 5 }) // the models have three layers
  {
    testRanks("multihead", size);
    testRanks("window-sampled", size);
  }
  testAbort();
  testErrors();
  return lvlm_test::checkResult();
}
