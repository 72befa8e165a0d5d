// SPDX-License-Identifier: Apache-2.0
// Relevancy against numbers that Testing/Golden/relevancy_goldens.py saved: LVLM-Interpret's own
// construct_relevancy_map (Compatible), and Chefer's rules written out with full matrices on
// float64 gradients of Hugging Face's model (Exact).
//
// Tolerances: Compatible 1e-4 of each map's maximum, the issue's; Exact in float64 1e-6, as softmax
// and RMSNorm are float64 on both sides and angles float32; Exact in float32 1e-4. Gradients 1e-5
// of the largest, the issue's.
#include "AttentionGradient.h"
#include "Check.h"
#include "RelevancyCase.h"
#include "RelevancyMaps.h"

#include <algorithm>
#include <cstring>
#include <limits>

namespace
{
using namespace lvlm;
using namespace lvlm::llava;
using lvlm_test::Relevancy;
using lvlm_test::RelevancyCase;
using lvlm_test::RelevancyMaps;
using lvlm_test::RelevancyOptions;

std::shared_ptr<const LlavaModel> openSmall(
  const std::string& folder, Precision precision = Precision::Float32)
{
  ModelOptions options;
  options.precision = precision;
  options.threads = 1; // tiny: threads would only wait for each other
  return LlavaModel::open(folder, options);
}

const std::vector<std::string> Small{ "multihead", "grouped-sampled", "bias", "window-sampled",
  "last-vision-layer" };

double at(const Tensor& tensor, std::int64_t i)
{
  return tensor.dtype == DType::F64 ? tensor.as<double>()[i]
                                    : static_cast<double>(tensor.as<float>()[i]);
}

/// Largest difference of a row, as a fraction of the golden row's largest value. The golden may be
/// longer.
double rowDifference(
  const Tensor& ours, std::int64_t row, const Tensor& golden, std::int64_t goldenRow)
{
  const std::int64_t width = ours.extent(1), goldenWidth = golden.extent(1);
  double difference = 0, largest = 0;
  for (std::int64_t i = 0; i < goldenWidth; ++i)
  {
    const double theirs = at(golden, goldenRow * goldenWidth + i);
    const double mine = i < width ? at(ours, row * width + i) : 0;
    largest = std::max(largest, std::abs(theirs));
    const double one = std::abs(mine - theirs);
    difference = one <= difference ? difference : one; // NaN counts as large
  }
  CHECK(largest > 0);
  return difference / largest;
}

struct NamedMap
{
  const char* name;
  Tensor RelevancyMaps::*map;
};
const NamedMap AllMaps[] = { { "decoder", &RelevancyMaps::decoder },
  { "vision", &RelevancyMaps::vision }, { "joint", &RelevancyMaps::joint },
  { "joint_token", &RelevancyMaps::jointToken } };

/// The worst of all maps and tokens.
double worstDifference(
  const RelevancyMaps& maps, const RelevancyCase& golden, const std::string& kind)
{
  double worst = 0;
  for (const NamedMap& named : AllMaps)
  {
    const Tensor& theirs = golden.golden.tensor(kind + "." + named.name);
    double mapWorst = 0;
    for (std::size_t row = 0; row < maps.tokens.size(); ++row)
    {
      mapWorst = std::max(mapWorst,
        rowDifference(maps.*named.map, static_cast<std::int64_t>(row), theirs, maps.tokens[row]));
    }
    if (mapWorst > 1e-4)
    {
      std::cerr << "  " << kind << "." << named.name << ": " << mapWorst << std::endl;
    }
    worst = std::max(worst, mapWorst);
  }
  return worst;
}

RelevancyOptions optionsOf(RelevancyMode mode, double temperature, bool normalize)
{
  RelevancyOptions options;
  options.mode = mode;
  options.temperature = temperature;
  options.normalize = normalize;
  return options;
}

void testCompatible(const std::string& name, const std::vector<std::int64_t>& lengths)
{
  const RelevancyCase golden(name);
  const auto model = openSmall(golden.folder);
  for (const std::int64_t length : lengths)
  {
    Relevancy relevancy(model, golden.trace(length, *model));
    for (const bool normalize : { true, false })
    {
      const std::string kind = normalize ? "compatible" : "compatible.raw";
      if (golden.golden.has(kind + ".decoder"))
      {
        const RelevancyMaps maps = relevancy.compute(
          {}, optionsOf(RelevancyMode::Compatible, golden.temperature(), normalize));
        CHECK(static_cast<std::int64_t>(maps.tokens.size()) == length);
        const double worst = worstDifference(maps, golden, kind);
        CHECK_NEAR(worst, 0, 1e-4);
        std::cout << name << " " << kind << ", " << length << " tokens: " << worst << std::endl;
      }
    }
  }
}

void testExact(const std::string& name, Precision precision, double tolerance)
{
  const RelevancyCase golden(name);
  const auto model = openSmall(golden.folder, precision);
  Relevancy relevancy(model, golden.trace(golden.answerLength(), *model));
  for (const bool normalize : { true, false })
  {
    const RelevancyMaps maps = relevancy.compute({}, optionsOf(RelevancyMode::Exact, 0, normalize));
    const double worst = worstDifference(maps, golden, normalize ? "exact" : "exact.raw");
    CHECK_NEAR(worst, 0, tolerance);
    std::cout << name << " exact" << (normalize ? "" : ".raw") << ": " << worst << std::endl;
  }
}

void testGradients(const std::string& name)
{
  const RelevancyCase golden(name);
  const auto model = openSmall(golden.folder, Precision::Float64);
  const std::int64_t token = std::stoll(golden.golden.metadata().at("gradient_token"));
  const Trace trace = golden.trace(golden.answerLength(), *model);
  for (const bool tower : { false, true })
  {
    const Tensor& theirs = golden.golden.tensor(tower ? "gradient.vision" : "gradient.decoder");
    double difference = 0, largest = 0;
    for (std::int64_t layer = 0; layer < theirs.extent(0); ++layer)
    {
      const Tensor ours = lvlm_test::attentionGradient(*model, trace, token, layer, tower);
      CHECK(ours.shape == std::vector<std::int64_t>(theirs.shape.begin() + 1, theirs.shape.end()));
      const std::int64_t S = ours.extent(2);
      for (std::int64_t i = 0; i < ours.count(); ++i)
      {
        // What a masked weight would change is no number of the model.
        const bool masked = !tower && i % S > i / S % S;
        const double reference = masked ? 0 : theirs.as<double>()[layer * ours.count() + i];
        const double one = std::abs(ours.as<double>()[i] * (masked ? 0 : 1) - reference);
        difference = one <= difference ? difference : one;
        largest = std::max(largest, std::abs(reference));
      }
    }
    CHECK(largest > 0);
    CHECK_NEAR(difference / largest, 0, 1e-5);
    std::cout << name << " gradients, " << (tower ? "vision" : "decoder") << ": "
              << difference / largest << std::endl;
  }
}

/// A few tokens alone, in any order, are the same as among all; and asking again computes nothing.
void testSubsets()
{
  const RelevancyCase golden("grouped-sampled");
  const auto model = openSmall(golden.folder);
  const Trace trace = golden.trace(golden.answerLength(), *model);
  for (const RelevancyMode mode : { RelevancyMode::Exact, RelevancyMode::Compatible })
  {
    const std::string kind = mode == RelevancyMode::Exact ? "exact" : "compatible";
    const RelevancyOptions options = optionsOf(mode, golden.temperature(), true);
    Relevancy relevancy(model, trace);
    const RelevancyMaps some = relevancy.compute({ 7, 0, -1, 7 }, options);
    CHECK((some.tokens == std::vector<std::int64_t>{ 7, 0, 11, 7 }));
    CHECK_NEAR(worstDifference(some, golden, kind), 0, 1e-4);
    const RelevancyMaps later = relevancy.compute({ 9 }, options);
    CHECK_NEAR(worstDifference(later, golden, kind), 0, 1e-4);
    int reports = 0;
    const Progress count = [&](double, const std::string&) { return ++reports > 0; };
    RelevancyOptions raw = options;
    raw.normalize = false;
    relevancy.compute({ 11, 9, 0 }, raw, count);
    CHECK(reports == 0);
    RelevancyOptions decoder = options;
    decoder.tower = false;
    const RelevancyMaps rows = Relevancy(model, trace).compute({ 5 }, decoder);
    CHECK(rows.vision.empty() && rows.joint.empty() && rows.jointToken.empty());
    CHECK_NEAR(rowDifference(rows.decoder, 0, golden.golden.tensor(kind + ".decoder"), 5), 0, 1e-4);
  }
}

/// Properties that hold by the definition, whatever the weights are.
void testProperties()
{
  const RelevancyCase golden("multihead");
  const auto model = openSmall(golden.folder);
  const Trace trace = golden.trace(4, *model);
  Relevancy relevancy(model, trace);
  const RelevancyMaps maps = relevancy.compute({}, RelevancyOptions());
  const std::int64_t K = trace.keys();
  CHECK((maps.decoder.shape == std::vector<std::int64_t>{ 4, K }));
  CHECK((maps.joint.shape == std::vector<std::int64_t>{ 4, trace.grid.count() }));
  for (std::int64_t t = 0; t < 4; ++t)
  {
    double sum = 0, smallest = 0;
    for (std::int64_t key = 0; key < K; ++key)
    {
      const double value = maps.decoder.as<float>()[t * K + key];
      sum += value;
      smallest = std::min(smallest, value);
      CHECK(key < trace.promptLength + t || value == 0);
    }
    CHECK_NEAR(sum, 1, 1e-6); // float32 rounding
    CHECK(smallest >= 0);
  }
  // Temperature 0 is greedy decoding: raw logits.
  const RelevancyMaps cold = relevancy.compute({}, optionsOf(RelevancyMode::Compatible, 0, true));
  CHECK_NEAR(worstDifference(cold, golden, "compatible"), 0, 1e-4);
}

template <typename Change>
void expectRefusal(const RelevancyCase& golden, const std::shared_ptr<const LlavaModel>& model,
  const std::string& needle, Change&& change)
{
  Trace trace = golden.trace(3, *model);
  change(trace);
  CHECK_THROWS(Relevancy(model, trace).compute({}, RelevancyOptions()), needle);
}

void testRefusals()
{
  namespace tn = tensor_name;
  const RelevancyCase golden("multihead");
  const auto model = openSmall(golden.folder);
  const std::int64_t edge = model->config().vision.seenEdge();
  expectRefusal(golden, model, "was not made by the model",
    [](Trace& t) {
      t.tensors[tn::AnswerLogprob] = Tensor::of(std::vector<float>{ -1, -2, -3 }, { 3 });
    });
  expectRefusal(golden, model, "no tensor 'image'", [](Trace& t) { t.tensors.erase(tn::Image); });
  expectRefusal(golden, model, "a picture of shape",
    [&](Trace& t)
    {
      t.tensors[tn::Image] =
        Tensor::of(std::vector<std::uint8_t>(static_cast<std::size_t>(edge * (edge + 1) * 3)),
          { edge, edge + 1, 3 });
    });
  expectRefusal(golden, model, "vocabulary",
    [](Trace& t)
    {
      std::vector<std::int64_t> ids(static_cast<std::size_t>(t.positions()), 1 << 20);
      t.tensors[tn::TokenId] = Tensor::of(ids, { t.positions() });
    });
  expectRefusal(golden, model, "in one piece",
    [](Trace& t)
    {
      std::vector<std::int64_t> ids(static_cast<std::size_t>(t.positions()), 5);
      t.tensors[tn::TokenId] = Tensor::of(ids, { t.positions() });
    });
  const auto other = openSmall(RelevancyCase("grouped-sampled").folder);
  CHECK_THROWS(Relevancy(other, golden.trace(3, *model)).compute({}, RelevancyOptions()),
    "was not made by the model");
  Relevancy relevancy(model, golden.trace(3, *model));
  CHECK_THROWS(relevancy.compute({ 3 }, RelevancyOptions()), "answer token 3 is out of range");
  CHECK_THROWS(relevancy.compute({ -4 }, RelevancyOptions()), "answer token -4 is out of range");
  RelevancyOptions hot;
  hot.temperature = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS(relevancy.compute({}, hot), "temperature");
  for (int stop = 1; stop < 12; stop += 3)
  {
    int reports = 0;
    const Progress abort = [&](double, const std::string&) { return ++reports < stop; };
    CHECK_THROWS(relevancy.compute({}, RelevancyOptions(), abort), "aborted");
  }
}

/// One weight that is infinite, in the row of the output projection that the second token needs.
void testNonFinite()
{
  const RelevancyCase golden("multihead");
  const auto good = openSmall(golden.folder);
  Trace trace = golden.trace(3, *good);
  const lvlm_test::TempFolder folder;
  lvlm_test::fs::copy(golden.folder, folder.path());
  const std::string path = folder.path("model.safetensors");
  {
    const SafetensorsFile file(golden.folder + "/model.safetensors");
    auto tensors = file.tensors();
    Tensor& head = tensors.at("language_model.lm_head.weight");
    std::vector<float> values(head.as<float>(), head.as<float>() + head.count());
    const std::int64_t token = golden.golden.tensor("answer").as<std::int64_t>()[1];
    values[static_cast<std::size_t>(token * head.extent(1))] =
      std::numeric_limits<float>::infinity();
    head = Tensor::of(values, head.shape);
    writeSafetensors(path, tensors, file.metadata());
  }
  const auto damaged = openSmall(folder.path());
  CHECK_THROWS(
    Relevancy(damaged, trace).compute({}, RelevancyOptions()), "was not made by the model");
  trace.tensors.erase(tensor_name::AnswerLogprob); // a trace may lack them
  CHECK_THROWS(Relevancy(damaged, trace).compute({}, RelevancyOptions()),
    "the gradient of answer token 1 at decoder layer");
}
}

int main()
{
  for (const std::string& name : Small)
  {
    testCompatible(name, { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 });
    testExact(name, Precision::Float64, 1e-6);
    testExact(name, Precision::Float32, 1e-4);
    testGradients(name);
  }
  testCompatible("grid24", { 12 });
  testSubsets();
  testProperties();
  testRefusals();
  testNonFinite();
  return lvlm_test::checkResult();
}
