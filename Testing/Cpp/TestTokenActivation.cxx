// SPDX-License-Identifier: Apache-2.0
// Token activation maps against numbers that Testing/Golden/activation_goldens.py saved: the
// definition in numpy on Hugging Face's logits in float64, compared there with the authors' code.
//
// Tolerances of numbers in [0, 1]: in float64 2e-6, from logits of up to 40 that are kept in
// float32; in float32 2e-5, or three times the error of Hugging Face's float32 where that is
// larger. Ranks: bit by bit.
#include "Check.h"
#include "GoldenQuestion.h"
#include "ThreadRanks.h"

#include "Models/Llava/Lens.h"
#include "Models/Ranks/Team.h"
#include "Models/Trace/Safetensors.h"
#include "Models/Trace/TokenActivation.h"

#include <algorithm>

namespace
{
using namespace lvlm;
using namespace lvlm::llava;
using lvlm_test::goldenQuestion;
using lvlm_test::openModel;
using lvlm_test::ThreadRanks;
namespace tn = tensor_name;

const std::string Data = LVLM_TEST_DATA;

Lens lastOf(const LlavaModel& model, const Trace& trace)
{
  ranks::Team alone;
  return lastLens(model, trace, activationWords(trace), activationStart(trace), Progress(), alone);
}

double largestDifference(const Trace& trace, const Lens& last, const SafetensorsFile& golden)
{
  const Tensor& rows = golden.tensor("rows"); // [T, K]
  CHECK(rows.extent(0) == trace.answerLength() && rows.extent(1) == trace.keys());
  double largest = 0;
  for (std::int64_t token = 0; token < rows.extent(0); ++token)
  {
    const std::vector<double> ours = tokenActivation(trace, last, token);
    for (std::size_t i = 0; i < ours.size(); ++i)
    {
      const double here = std::abs(
        ours[i] - rows.as<double>()[token * rows.extent(1) + static_cast<std::int64_t>(i)]);
      largest = here <= largest ? largest : here; // NaN counts as large
    }
  }
  return largest;
}

void compare(const std::string& name, Precision precision)
{
  const SafetensorsFile golden(Data + "/activation/" + name + ".safetensors");
  const auto model = openModel(name, precision);
  Question question = goldenQuestion(name);
  const Trace trace = model->ask(question);
  const auto* positions = golden.tensor("question").as<std::int64_t>();
  CHECK(activationStart(trace) == positions[0]);
  question.captureHidden = true;
  const Trace states = model->ask(question);
  question.hiddenLayers = { 1 }; // not the last: the sequence is read once more
  const Trace others = model->ask(question);
  const double allowed = precision == Precision::Float64
    ? 2e-6
    : std::max(2e-5, 3 * std::stod(golden.metadata().at("float32_error")));
  double worst = 0;
  for (const Trace* each : { &trace, &states, &others })
  {
    worst = std::max(worst, largestDifference(*each, lastOf(*model, *each), golden));
  }
  CHECK(worst <= allowed);
  std::printf("%s, %s: rows within %.1e\n", name.c_str(),
    precision == Precision::Float64 ? "float64" : "float32", worst);
}

/// By hand: ranks -4 .. 4 around the median.
void testFilter()
{
  const PatchGrid one{ 3, 3 };
  const std::vector<double> single{ 0, 0, 0, 0, 9, 0, 0, 0, 0 };
  // Nine values with a single 9: mean 1, deviation sqrt(8), so the 9 at rank 4 weighs exp(-16/16).
  double weights = 0;
  for (int rank = -4; rank <= 4; ++rank)
  {
    weights += std::exp(-rank * rank / 16.0);
  }
  CHECK_NEAR(rankGaussian(single, one)[4], 9 * std::exp(-1.0) / weights, 1e-12);
  // A corner sees the middle four times: rows and columns -1 are 1.
  const double deviation = std::sqrt((4 * 25.0 + 5 * 16.0) / 9) / 4;
  double sum = 0, total = 0;
  for (int rank = -4; rank <= 4; ++rank)
  {
    const double weight = std::exp(-rank * rank / (2 * deviation * deviation));
    sum += rank > 0 ? 9 * weight : 0;
    total += weight;
  }
  CHECK_NEAR(rankGaussian(single, one)[0], sum / total, 1e-12);
  for (const double value : rankGaussian(std::vector<double>(6, 0.25), { 2, 3 }))
  {
    CHECK(value == 0.25); // nothing varies
  }
  CHECK(rankGaussian({ 0, 0, 0 }, { 1, 3 }) == std::vector<double>(3, 0.0));
  CHECK(rankGaussian({ 1, 2, 3 }, { 1, 3 }).size() == 3);
}

/// A picture that says the token nowhere, and one that says it like every word before it.
void testNothing()
{
  const auto model = openModel("multihead-f32");
  Trace trace = model->ask(goldenQuestion("multihead-f32"));
  Lens last = lastOf(*model, trace);
  std::fill(last.wordLogprobs.begin(), last.wordLogprobs.end(), -1000.0f);
  for (const double value : tokenActivation(trace, last, 3))
  {
    CHECK(value == 0);
  }
  std::fill(last.wordLogprobs.begin(), last.wordLogprobs.end(), 0.0f);
  std::fill(last.totals.begin(), last.totals.end(), 2.0f);
  const std::vector<double> row = tokenActivation(trace, last, 3);
  for (std::int64_t patch = 0; patch < trace.grid.count(); ++patch)
  {
    CHECK_NEAR(row[static_cast<std::size_t>(trace.imageStart + patch)], 0, 1e-6);
  }
  CHECK(row[static_cast<std::size_t>(activationStart(trace))] == 1);
  std::replace(trace.roles.begin(), trace.roles.end(), Role::Question, Role::System);
  CHECK(activationStart(trace) == -1); // no question: only the answer is before the token
  CHECK(tokenActivation(trace, lastOf(*model, trace), 2).size() == row.size());
}

void testRefused()
{
  const auto model = openModel("multihead-f32");
  const Trace trace = model->ask(goldenQuestion("multihead-f32"));
  Lens last = lastOf(*model, trace);
  std::fill(last.words.begin(), last.words.end(), 1 << 20);
  CHECK_THROWS(tokenActivation(trace, last, 5), "lacks the word with token id");
  last.totals.clear();
  CHECK_THROWS(tokenActivation(trace, last, 5), "needs the lens of the last layer alone");
  CHECK_THROWS(lastOf(*openModel("tied-f32"), trace), "was not made by the model in");
}

void testRanks(int size)
{
  const std::string name = "multihead-f32";
  Question question = goldenQuestion(name);
  for (const bool hidden : { false, true })
  {
    question.captureHidden = hidden;
    const auto alone = openModel(name);
    const Trace single = alone->ask(question);
    const Lens expected = lastOf(*alone, single);
    ThreadRanks ranks(size);
    CHECK(lvlm_test::noneThrew(ranks.run(
      [&](ranks::Team& team)
      {
        const auto model = openModel(name, Precision::Float32, team.rank(), size);
        const Trace trace = model->ask(question, Progress(), team);
        const Lens found =
          lastLens(*model, trace, activationWords(trace), activationStart(trace), Progress(), team);
        CHECK(found.words == expected.words && found.wordLogprobs == expected.wordLogprobs);
        CHECK(found.totals == expected.totals && found.ids == expected.ids);
        CHECK(tokenActivation(trace, found, 4) == tokenActivation(single, expected, 4));
      })));
    CHECK(ranks.leftOver() == 0);
  }
}
}

int main()
{
  try
  {
    for (const char* name : lvlm_test::OneOfEachKind)
    {
      compare(name, Precision::Float32);
      compare(name, Precision::Float64);
    }
    testFilter();
    testNothing();
    testRefused();
    testRanks(2);
    testRanks(5);
  }
  catch (const std::exception& error)
  {
    std::cerr << "unexpected: " << error.what() << std::endl;
    return 1;
  }
  return lvlm_test::checkResult();
}
