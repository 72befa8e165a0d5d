// SPDX-License-Identifier: Apache-2.0
// Relevancy against numbers that Testing/Golden/relevancy_goldens.py saved: LVLM-Interpret's own
// construct_relevancy_map (Compatible), and Chefer's rules written out with full matrices on
// gradients of Hugging Face's model (Exact), both in float64 throughout.
//
// Tolerances, relative to each map's maximum: in float32 1e-4, or three times the error of the same
// references in float32 where that is larger (how float32 rounds is the CPU's choice); in float64
// 1e-9 and the maps' own rounding to float32. Gradients in float64 1e-9 of the largest.
#include "AttentionGradient.h"
#include "Check.h"
#include "Families.h"
#include "RelevancyCase.h"
#include "RelevancyMaps.h"
#include "TestDevice.h"

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
  options.device = lvlm_test::testDevice();
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

/// What maps of a kind may differ by: see the top of this file.
double allowed(const RelevancyCase& golden, const std::string& kind, const char* map,
  Precision precision = Precision::Float32)
{
  const double theirError =
    std::stod(golden.golden.metadata().at("float32_error." + kind + "." + map));
  return precision == Precision::Float64 ? 1e-9 + 0x1p-24 : std::max(1e-4, 3 * theirError);
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

/// Checks all maps and tokens.
void checkMaps(const RelevancyMaps& maps, const RelevancyCase& golden, const std::string& kind,
  Precision precision = Precision::Float32)
{
  for (const NamedMap& named : AllMaps)
  {
    if (!golden.golden.has(kind + "." + named.name)) // of a tower without CLS
    {
      CHECK((maps.*named.map).empty());
      continue;
    }
    const Tensor& theirs = golden.golden.tensor(kind + "." + named.name);
    double worst = 0;
    for (std::size_t row = 0; row < maps.tokens.size(); ++row)
    {
      const double one =
        rowDifference(maps.*named.map, static_cast<std::int64_t>(row), theirs, maps.tokens[row]);
      worst = one <= worst ? worst : one; // NaN counts as large
    }
    CHECK_NEAR(worst, 0, allowed(golden, kind, named.name, precision));
    std::cout << golden.folder << " " << kind << "." << named.name << ", " << maps.tokens.size()
              << " tokens" << (precision == Precision::Float64 ? " in float64: " : ": ") << worst
              << std::endl;
  }
}

RelevancyOptions optionsOf(RelevancyMode mode, double temperature, bool normalize)
{
  RelevancyOptions options;
  options.mode = mode;
  options.temperature = temperature;
  options.normalize = normalize;
  return options;
}

void testCompatible(
  const std::string& name, Precision precision, const std::vector<std::int64_t>& lengths)
{
  const RelevancyCase golden(name);
  const auto model = openSmall(golden.folder, precision);
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
        checkMaps(maps, golden, kind, precision);
      }
    }
  }
}

void testExact(const std::string& name, Precision precision)
{
  const RelevancyCase golden(name);
  const auto model = openSmall(golden.folder, precision);
  Relevancy relevancy(model, golden.trace(golden.answerLength(), *model));
  for (const bool normalize : { true, false })
  {
    const RelevancyMaps maps = relevancy.compute({}, optionsOf(RelevancyMode::Exact, 0, normalize));
    checkMaps(maps, golden, normalize ? "exact" : "exact.raw", precision);
  }
}

/// LVLM-Interpret knows no tower without CLS. For the first token its rules ask for the same as the
/// exact ones, where the projector does not read the tower's last layer.
void testCompatibleWithoutClass()
{
  const RelevancyCase golden("siglip-llama");
  const auto model = openSmall(golden.folder);
  Relevancy relevancy(model, golden.trace(golden.answerLength(), *model));
  checkMaps(
    relevancy.compute({ 0 }, optionsOf(RelevancyMode::Compatible, 1, true)), golden, "exact");
  const RelevancyMaps all = relevancy.compute({}, optionsOf(RelevancyMode::Compatible, 1, true));
  CHECK(all.joint.extent(0) == golden.answerLength() && all.vision.empty());
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
    CHECK_NEAR(difference / largest, 0, 1e-9);
    std::cout << name << " gradients, " << (tower ? "vision" : "decoder") << ": "
              << difference / largest << std::endl;
  }
}

/// Gradients of 9 bits in products with weights. What they give is off by 1.3 % of the decoder's
/// maps' maximum at most; the tower's maps, at the end of a longer way, by up to 8 %.
void testRounded(const std::string& name)
{
  const RelevancyCase golden(name);
  const auto model = openSmall(golden.folder);
  const Trace trace = golden.trace(golden.answerLength(), *model);
  for (const RelevancyMode mode : { RelevancyMode::Exact, RelevancyMode::Compatible })
  {
    const std::string kind = mode == RelevancyMode::Exact ? "exact" : "compatible";
    RelevancyOptions options = optionsOf(mode, golden.temperature(), true);
    options.roundedGradients = true;
    const RelevancyMaps maps = Relevancy(model, trace).compute({}, options);
    for (const NamedMap& named : AllMaps)
    {
      const Tensor& theirs = golden.golden.tensor(kind + "." + named.name);
      double worst = 0;
      for (std::int64_t row = 0; row < golden.answerLength(); ++row)
      {
        const double one = rowDifference(maps.*named.map, row, theirs, row);
        worst = one <= worst ? worst : one; // NaN counts as large
      }
      std::cout << name << " " << kind << "." << named.name << " rounded: " << worst << std::endl;
      CHECK_NEAR(worst, 0, named.map == &RelevancyMaps::decoder ? 0.02 : 0.1);
      CHECK(worst > 1e-4); // it does round
    }
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
    checkMaps(some, golden, kind);
    const RelevancyMaps later = relevancy.compute({ 9 }, options);
    checkMaps(later, golden, kind);
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
    CHECK_NEAR(rowDifference(rows.decoder, 0, golden.golden.tensor(kind + ".decoder"), 5), 0,
      allowed(golden, kind, "decoder"));
  }
}

/// Properties that hold by the definition, whatever the weights are.
void testProperties()
{
  const RelevancyCase golden("multihead");
  const auto model = openSmall(golden.folder);
  Trace trace = golden.trace(4, *model);
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
  trace.tensors[tensor_name::RelevancyDecoder] = maps.decoder;
  trace.tensors[tensor_name::RelevancyVision] = maps.vision;
  trace.tensors[tensor_name::RelevancyJoint] = maps.joint;
  trace.tensors[tensor_name::RelevancyJointToken] = maps.jointToken;
  trace.validate(); // they are what a trace takes
  // Temperature 0 is greedy decoding: raw logits.
  const RelevancyMaps cold = relevancy.compute({}, optionsOf(RelevancyMode::Compatible, 0, true));
  checkMaps(cold, golden, "compatible");
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
    testCompatible(name, Precision::Float32, { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 });
    testCompatible(name, Precision::Float64, { 12 });
    testExact(name, Precision::Float32);
    testExact(name, Precision::Float64);
    testGradients(name);
    testRounded(name);
  }
  for (const char* name : lvlm_test::Families)
  {
    testExact(name, Precision::Float32);
    testExact(name, Precision::Float64);
  }
  testCompatibleWithoutClass();
  testCompatible("grid24", Precision::Float32, { 12 });
  testCompatible("grid24", Precision::Float64, { 12 });
  testSubsets();
  testProperties();
  testRefusals();
  testNonFinite();
  return lvlm_test::checkResult();
}
