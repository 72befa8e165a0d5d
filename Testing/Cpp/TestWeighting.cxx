// SPDX-License-Identifier: Apache-2.0
// What attention is weighted by against autograd through Hugging Face's model in float64, which
// Testing/Golden/weighting_goldens.py saved.
//
// Tolerances, relative to the largest number of a layer: in float64 1e-7, the rounding to the
// float32 that all is kept in; in float32 1e-5, or three times Hugging Face's own float32 error
// where that is larger. Ranks: bit by bit.
#include "Check.h"
#include "GoldenQuestion.h"
#include "ThreadRanks.h"

#include "Models/Llava/Weighting.h"
#include "Models/Ranks/Team.h"
#include "Models/Trace/Safetensors.h"

#include <algorithm>
#include <cstring>

namespace
{
using namespace lvlm;
using namespace lvlm::llava;
using lvlm_test::goldenQuestion;
using lvlm_test::openModel;
using lvlm_test::ThreadRanks;
namespace tn = tensor_name;

const std::string Data = LVLM_TEST_DATA;

TokenGradients gradientsOf(const LlavaModel& model, const Trace& trace, const Indices& tokens)
{
  ranks::Team alone;
  return attentionGradients(model, trace, tokens, Progress(), alone);
}

Trace otherOf(const LlavaModel& model, const Trace& trace, const std::string& question)
{
  ranks::Team alone;
  return attentionOfQuestion(model, trace, question, Progress(), alone);
}

/// Of ours [L, Hd, N] to theirs from a number on, relative to the largest of each layer.
double largestDifference(const std::vector<float>& ours, std::int64_t layers, const double* theirs)
{
  double largest = 0;
  const std::size_t slab = ours.size() / static_cast<std::size_t>(layers);
  for (std::size_t layer = 0; layer < static_cast<std::size_t>(layers); ++layer)
  {
    double size = 0, difference = 0;
    for (std::size_t i = layer * slab; i < (layer + 1) * slab; ++i)
    {
      const double here = std::abs(static_cast<double>(ours[i]) - theirs[i]);
      difference = here <= difference ? difference : here; // NaN counts as large
      size = std::max(size, std::abs(theirs[i]));
    }
    CHECK(size > 0);
    largest = std::max(largest, difference / size);
  }
  return largest;
}

std::vector<float> valuesOf(const Tensor& tensor)
{
  return std::vector<float>(tensor.as<float>(), tensor.as<float>() + tensor.count());
}

double allowed(const SafetensorsFile& golden, const char* name, Precision precision)
{
  const double theirs = std::stod(golden.metadata().at(std::string("float32_error.") + name));
  return precision == Precision::Float64 ? 1e-7 : std::max(1e-5, 3 * theirs);
}

/// The picture's columns of a trace's only row of attention.
std::vector<float> imageOf(const Trace& trace)
{
  const Tensor& attention = trace.tensor(tn::AttentionAnswer); // [L, Hd, 1, K]
  CHECK(attention.extent(2) == 1);
  std::vector<float> values;
  for (std::int64_t row = 0; row < attention.extent(0) * attention.extent(1); ++row)
  {
    std::vector<float> patches(static_cast<std::size_t>(trace.grid.count()));
    attention.toFloat(
      row * attention.extent(3) + trace.imageStart, trace.grid.count(), patches.data());
    values.insert(values.end(), patches.begin(), patches.end());
  }
  return values;
}

void compare(const std::string& name, Precision precision)
{
  const SafetensorsFile golden(Data + "/weighting/" + name + ".safetensors");
  const auto model = openModel(name, precision);
  const Trace trace = model->ask(goldenQuestion(name));
  const Tensor& listed = golden.tensor("tokens");
  const Indices tokens(listed.as<std::int64_t>(), listed.as<std::int64_t>() + listed.count());
  const Tensor& theirs = golden.tensor("gradient"); // [n, L, Hd, N]
  const TokenGradients gradients = gradientsOf(*model, trace, tokens);
  CHECK(gradients.size() == tokens.size());
  const std::int64_t slab = theirs.count() / theirs.extent(0);
  double worst = 0;
  for (std::size_t i = 0; i < tokens.size(); ++i)
  {
    const Tensor& ours = gradients.at(tokens[i]);
    CHECK((ours.shape == std::vector<std::int64_t>(theirs.shape.begin() + 1, theirs.shape.end())));
    worst = std::max(worst,
      largestDifference(
        valuesOf(ours), ours.extent(0), theirs.as<double>() + static_cast<std::int64_t>(i) * slab));
  }
  CHECK(worst <= allowed(golden, "gradient", precision));
  const Trace other = otherOf(*model, trace, golden.metadata().at("generic"));
  const double generic =
    largestDifference(imageOf(other), theirs.extent(1), golden.tensor("generic").as<double>());
  CHECK(generic <= allowed(golden, "generic", precision));
  std::printf("%s, %s: gradients within %.1e, the generic question's attention within %.1e\n",
    name.c_str(), precision == Precision::Float64 ? "float64" : "float32", worst, generic);
}

/// Maps of the trace that comes out, against the definition on the golden file's numbers.
void testMaps()
{
  const std::string name = "multihead-f32";
  const SafetensorsFile golden(Data + "/weighting/" + name + ".safetensors");
  const auto model = openModel(name);
  const Trace trace = model->ask(goldenQuestion(name));
  const double* A = golden.tensor("attention").as<double>(); // [n, L, Hd, N]
  const double* g = golden.tensor("gradient").as<double>();
  const double* G = golden.tensor("generic").as<double>(); // [L, Hd, N]
  const std::int64_t H = 4, N = trace.grid.count(), slab = 3 * H * N;
  const Selection shown{ { 0, 2 }, { 1 }, { 3, 0 } };
  const TokenGradients gradients = gradientsOf(*model, trace, shown.answerTokens);
  const auto weighted = [&](Reduction reduction)
  { return acrossLayers(gradientMaps(trace, gradients, shown, -1, reduction), reduction); };
  const std::vector<float> map = weighted(Reduction::Mean), peak = weighted(Reduction::Maximum);
  const Trace other = otherOf(*model, trace, golden.metadata().at("generic"));
  const auto relative = [&](Reduction reduction)
  {
    return acrossLayers(
      relativeMaps(layerMaps(trace, shown, reduction),
        layerMaps(other, { {}, shown.layers, shown.heads }, reduction), reduction),
      reduction);
  };
  const std::vector<float> mean = relative(Reduction::Mean), most = relative(Reduction::Maximum);
  bool dropped = false;
  for (std::int64_t patch = 0; patch < N; ++patch)
  {
    double sum = 0, own = 0, theirs = 0, largest = 0, theirLargest = 0, highest = 0;
    for (const std::int64_t head : shown.heads)
    {
      const std::int64_t at = (H + head) * N + patch; // of layer 1
      for (const std::int64_t token : { 0, 1 })       // the file's first two
      {
        const double value = A[token * slab + at];
        dropped = dropped || g[token * slab + at] < 0;
        sum += value * std::max(0.0, g[token * slab + at]) / 4;
        highest = std::max(highest, value * g[token * slab + at]);
        own += value / 4;
        largest = std::max(largest, value);
      }
      theirs += G[at] / 2;
      theirLargest = std::max(theirLargest, G[at]);
    }
    const auto i = static_cast<std::size_t>(patch);
    CHECK_NEAR(map[i], sum, 1e-6); // numbers of up to 0.1
    CHECK_NEAR(peak[i], highest, 1e-6);
    CHECK_NEAR(mean[i], own / theirs, 1e-4 * own / theirs);
    CHECK_NEAR(most[i], largest / theirLargest, 1e-4 * largest / theirLargest);
  }
  CHECK(dropped); // or else nothing was tested
}

/// Layer by layer first, then over the layers; and where there is nothing to divide by.
void testRelative()
{
  LayerParts maps, other;
  maps.chosen = maps.layers = other.chosen = other.layers = { 4, 1 };
  maps.width = other.width = 2;
  maps.samples = { 2, 2 };
  other.samples = { 1, 1 };
  maps.values = { 0.2, 0.4, 0.6, 0.8 };
  other.values = { 0.1, 0.0, 0.2, 0.1 };
  const std::vector<float> mean =
    acrossLayers(relativeMaps(maps, other, Reduction::Mean), Reduction::Mean);
  CHECK_NEAR(mean[0], (0.1 / 0.1 + 0.3 / 0.2) / 2, 1e-6);
  CHECK_NEAR(mean[1], (0 + 0.4 / 0.1) / 2, 1e-6);
  const std::vector<float> most =
    acrossLayers(relativeMaps(maps, other, Reduction::Maximum), Reduction::Maximum);
  CHECK_NEAR(most[0], 0.6 / 0.2, 1e-6);
  CHECK_NEAR(most[1], 0.8 / 0.1, 1e-6);
  other.layers = { 4 };
  CHECK_THROWS(relativeMaps(maps, other, Reduction::Mean), "1 layers of 2 patches here");
}

bool sameBytes(const Tensor& a, const Tensor& b)
{
  return a.shape == b.shape && (a.count() == 0 || std::memcmp(a.data, b.data, a.bytes()) == 0);
}

/// Layers that a rank has of a tensor of all of them.
Tensor ownLayers(const Tensor& all, const LayerSpan& span)
{
  Tensor own = all;
  own.shape[0] = span.count();
  own.data +=
    all.bytes() / static_cast<std::size_t>(all.extent(0)) * static_cast<std::size_t>(span.begin);
  return own;
}

void testRanks(int size)
{
  const std::string name = "multihead-f32";
  const Question question = goldenQuestion(name);
  const auto alone = openModel(name);
  const Trace single = alone->ask(question);
  const TokenGradients gradients = gradientsOf(*alone, single, {});
  const Trace other = otherOf(*alone, single, "Hue?");
  ThreadRanks ranks(size);
  const auto thrown = ranks.run(
    [&](ranks::Team& team)
    {
      const auto model = openModel(name, Precision::Float32, team.rank(), size);
      const Trace trace = model->ask(question, Progress(), team);
      const TokenGradients own = attentionGradients(*model, trace, {}, Progress(), team);
      CHECK(own.size() == gradients.size());
      for (const auto& [token, values] : gradients)
      {
        CHECK(sameBytes(own.at(token), ownLayers(values, model->span())));
      }
      const Trace asked = attentionOfQuestion(*model, trace, "Hue?", Progress(), team);
      CHECK(asked.layerBegin == model->span().begin && asked.layerTotal == 3);
      CHECK(sameBytes(asked.tensor(tn::AttentionAnswer),
        ownLayers(other.tensor(tn::AttentionAnswer), model->span())));
    });
  CHECK(lvlm_test::noneThrew(thrown));
  if (!thrown[0].empty())
  {
    std::cerr << thrown[0] << std::endl;
  }
  CHECK(ranks.leftOver() == 0);
}

void testRefused()
{
  const auto model = openModel("multihead-f32");
  const Trace good = model->ask(goldenQuestion("multihead-f32"));
  CHECK_THROWS(gradientsOf(*model, good, { 99 }), "AnswerTokens: 99 is out of range");
  const auto stranger = openModel("tied-f32"); // of the same shape
  CHECK_THROWS(gradientsOf(*stranger, good, { 0 }), "was not made by the model in");
  CHECK_THROWS(otherOf(*stranger, good, "Hue?"), "was not made by the model in");
  CHECK_THROWS(otherOf(*model, good, "<image> <image>?"), "2 image tokens");
  const TokenGradients wrong{ { 0, Tensor::of(std::vector<float>(6), { 1, 2, 3 }) } };
  CHECK_THROWS(gradientMaps(good, wrong, {}, -1, Reduction::Mean),
    "gradients of shape [1, 2, 3] of answer token 0");
  int reports = 0;
  ranks::Team alone;
  const Progress stop = [&](double, const std::string&) { return ++reports < 3; };
  CHECK_THROWS(attentionGradients(*model, good, {}, stop, alone), "aborted");
  reports = 0;
  CHECK_THROWS(attentionOfQuestion(*model, good, "Hue?", stop, alone), "aborted");
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
    testMaps();
    testRelative();
    testRanks(2);
    testRanks(5);
    testRefused();
  }
  catch (const std::exception& error)
  {
    std::cerr << "unexpected: " << error.what() << std::endl;
    return 1;
  }
  return lvlm_test::checkResult();
}
