// SPDX-License-Identifier: Apache-2.0
// Answers scored with states of another run against numbers that Testing/Golden/patching_goldens.py
// saved: the same made with hooks in Hugging Face's model, in float64 throughout.
//
// Tolerances of log-probabilities: in float32 1e-5, or three times the error of Hugging Face's own
// float32 where that is larger; in float64 1e-9. Ranks give the same numbers bit by bit.
#include "Check.h"
#include "ModelParts.h"
#include "RelevancyCase.h"
#include "ThreadRanks.h"

#include "Models/Llava/Intervention.h"
#include "Models/Ranks/Team.h"
#include "Models/Trace/Json.h"

#include <algorithm>
#include <map>

namespace
{
using namespace lvlm;
using namespace lvlm::llava;
using lvlm_test::furthest;
using lvlm_test::noneThrew;
using lvlm_test::openPart;
using lvlm_test::RelevancyCase;
using lvlm_test::ThreadRanks;
namespace tn = tensor_name;

const std::vector<std::string> Cases{ "multihead", "grouped-sampled", "bias", "window-sampled",
  "last-vision-layer" };

const std::map<std::string, StatePart> Parts{ { "Hidden", StatePart::Hidden },
  { "Attention", StatePart::Attention }, { "FeedForward", StatePart::FeedForward } };

struct Case
{
  RelevancyCase question;
  SafetensorsFile golden;
  std::map<StatePart, std::vector<Transplant>> variants;
  std::map<StatePart, std::vector<std::int64_t>> rows; ///< of the golden log-probabilities

  explicit Case(const std::string& name)
    : question(name), golden(std::string(LVLM_TEST_DATA "/patching/") + name + ".safetensors")
  {
    std::int64_t row = 2;
    for (const auto& entry : nlohmann::json::parse(this->golden.metadata().at("variants")))
    {
      const StatePart part = Parts.at(entry.at("part").get<std::string>());
      this->variants[part].push_back(
        { entry.at("positions").get<Indices>(), entry.at("layer").get<std::int64_t>() });
      this->rows[part].push_back(row++);
    }
  }

  Trace clean(const LlavaModel& model) const
  {
    return this->question.trace(this->question.answerLength(), model);
  }

  /// Its own answer is another one, of which nothing is used.
  Trace corrupted(const LlavaModel& model, std::int64_t answerTokens = 3) const
  {
    Trace trace = this->question.trace(answerTokens, model);
    const Tensor& ids = this->golden.tensor("ids");
    Tensor& all = trace.tensors[tn::TokenId];
    std::vector<std::int64_t> own(
      all.as<std::int64_t>(), all.as<std::int64_t>() + trace.positions());
    std::copy_n(ids.as<std::int64_t>(), ids.count(), own.begin());
    all = Tensor::of(own, { trace.positions() });
    trace.tensors[tn::Image] = this->golden.tensor("picture");
    trace.tensors.erase(tn::AnswerLogprob);
    return trace;
  }
};

PatchScores patched(
  const LlavaModel& model, const Case& all, StatePart part, const Progress& progress = Progress())
{
  ranks::Team alone;
  return patchScores(
    model, all.clean(model), all.corrupted(model), part, all.variants.at(part), progress, alone);
}

void testGoldens(const std::string& name, Precision precision)
{
  const Case all(name);
  const auto model = openPart(all.question.folder, 0, 1, precision);
  const Tensor& theirs = all.golden.tensor("logprob");
  const auto row = [&](std::int64_t i) { return theirs.as<double>() + i * theirs.extent(1); };
  const double allowed = precision == Precision::Float64
    ? 1e-9
    : std::max(1e-5, 3 * std::stod(all.golden.metadata().at("float32_error")));
  double worst = 0;
  int moved = 0;
  for (const auto& [part, variants] : all.variants)
  {
    const PatchScores scores = patched(*model, all, part);
    CHECK(static_cast<std::int64_t>(scores.clean.size()) == theirs.extent(1));
    CHECK(scores.variants.size() == variants.size());
    worst = std::max({ worst, furthest(scores.clean, row(0)), furthest(scores.corrupted, row(1)) });
    for (std::size_t v = 0; v < variants.size(); ++v)
    {
      worst = std::max(worst, furthest(scores.variants[v], row(all.rows.at(part)[v])));
      moved += furthest(scores.variants[v], row(1)) > 0.01 ? 1 : 0;
    }
  }
  CHECK_NEAR(worst, 0, allowed);
  CHECK(moved > 30);
  std::cout << name << (precision == Precision::Float64 ? " in float64: " : ": ") << worst
            << std::endl;
}

/// The clean run's states everywhere are the clean run; its own states change nothing.
void testEverything()
{
  const Case all("multihead");
  const auto model = openPart(all.question.folder, 0, 1, Precision::Float64);
  const Trace clean = all.clean(*model), corrupted = all.corrupted(*model);
  Indices positions;
  for (std::int64_t i = 0; i < clean.keys(); ++i)
  {
    positions.push_back(i);
  }
  ranks::Team alone;
  const std::vector<Transplant> everywhere{ { positions, 2 }, { positions, 0 }, { positions, 1 } };
  const PatchScores scores =
    patchScores(*model, clean, corrupted, StatePart::Hidden, everywhere, Progress(), alone);
  for (const auto& variant : scores.variants)
  {
    CHECK_NEAR(furthest(variant, scores.clean.data()), 0, 1e-12);
  }
  for (const auto& [name, part] : Parts)
  {
    const PatchScores same = patchScores(*model, clean, clean, part, everywhere, Progress(), alone);
    CHECK_NEAR(furthest(same.corrupted, same.clean.data()), 0, 1e-12);
    CHECK_NEAR(furthest(same.variants.at(1), same.clean.data()), 0, 1e-12);
  }
  CHECK(patchScores(*model, clean, corrupted, StatePart::Hidden, {}, Progress(), alone)
          .variants.empty());
}

/// More variants than go together, in any order of layers, each score as they do alone.
void testTogether()
{
  const Case all("grouped-sampled");
  const auto model = openPart(all.question.folder, 0, 1, Precision::Float64);
  const Trace clean = all.clean(*model), corrupted = all.corrupted(*model);
  std::vector<Transplant> many;
  for (std::int64_t i = 0; i < 200; ++i)
  {
    many.push_back({ { i * 7 % clean.keys() }, (i * 5) % 3 });
  }
  ranks::Team alone;
  const auto run = [&](const std::vector<Transplant>& variants)
  {
    return patchScores(
      *model, clean, corrupted, StatePart::FeedForward, variants, Progress(), alone)
      .variants;
  };
  const auto together = run(many);
  for (const std::size_t v : { 0, 1, 2, 57, 120, 199 })
  {
    CHECK_NEAR(furthest(together[v], run({ many[v] }).at(0).data()), 0, 1e-12);
  }
}

void testRanks(const std::string& name, int size)
{
  const Case all(name);
  const auto model = openPart(all.question.folder, 0, 1);
  for (const auto& [part, variants] : all.variants)
  {
    const PatchScores single = patched(*model, all, part);
    ThreadRanks ranks(size);
    std::vector<PatchScores> scores(static_cast<std::size_t>(size));
    CHECK(noneThrew(ranks.run(
      [&, which = part](ranks::Team& team)
      {
        const auto own = openPart(all.question.folder, team.rank(), size);
        scores[static_cast<std::size_t>(team.rank())] = patchScores(*own, all.clean(*own),
          all.corrupted(*own), which, all.variants.at(which), Progress(), team);
      })));
    for (const PatchScores& one : scores)
    {
      CHECK(one.clean == single.clean && one.corrupted == single.corrupted);
      CHECK(one.variants == single.variants);
    }
    CHECK(ranks.leftOver() == 0);
  }
}

void testAbort()
{
  const Case all("multihead");
  const auto model = openPart(all.question.folder, 0, 1);
  int reports = 0;
  double last = 0;
  bool rising = true;
  patched(*model, all, StatePart::Attention,
    [&](double fraction, const std::string& text)
    {
      ++reports;
      rising = rising && fraction >= last - 1e-9 && fraction <= 1 + 1e-9 && !text.empty();
      last = fraction;
      return true;
    });
  CHECK(rising);
  CHECK(reports > 6);
  for (int stop = 1; stop <= reports; stop += 3)
  {
    int left = stop;
    CHECK_THROWS(patched(*model, all, StatePart::Attention,
                   [&left](double, const std::string&) { return --left > 0; }),
      "aborted by the user");
  }
}

void testErrors()
{
  const Case all("multihead");
  const auto model = openPart(all.question.folder, 0, 1);
  const Trace clean = all.clean(*model);
  const std::int64_t K = clean.keys();
  const auto with = [&](const Trace& corrupted, const std::vector<Transplant>& variants)
  {
    ranks::Team alone;
    patchScores(*model, clean, corrupted, StatePart::Hidden, variants, Progress(), alone);
  };
  const Trace good = all.corrupted(*model);
  CHECK_THROWS(with(good, { { { K }, 0 } }), "position " + std::to_string(K) + " is out of range");
  CHECK_THROWS(with(good, { { { -1 }, 0 } }), "position -1 is out of range");
  CHECK_THROWS(with(good, { { { 0 }, 3 } }), "layer 3 is out of range: there are 0 to 2");
  CHECK_THROWS(with(good, { { {}, 1 } }), "layer 1 patches no position");
  Trace other = good;
  other.model = "another";
  CHECK_THROWS(with(other, {}), "of model 'another'");
  Trace longer = good;
  ++longer.promptLength; // its first answer token belongs to the question
  longer.roles[static_cast<std::size_t>(good.promptLength)] = Role::Question;
  CHECK_THROWS(with(longer, {}), "states go from a position to the same position");
  Trace lies = all.corrupted(*model, 3);
  lies.tensors[tn::AnswerLogprob] = Tensor::of(std::vector<float>{ -30, -30, -30 }, { 3 });
  CHECK_THROWS(with(lies, {}), "was not made by the model");
}
}

int main()
{
  for (const std::string& name : Cases)
  {
    testGoldens(name, Precision::Float32);
    testGoldens(name, Precision::Float64);
  }
  testEverything();
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
