// SPDX-License-Identifier: Apache-2.0
// Models that read a picture in tiles against Hugging Face's llava_next in float64
// (Testing/Golden/tile_goldens.py), over pictures of six shapes.
//
// Tiles byte by byte, the same tokens, and the tolerances of GoldenNumbers.h.
#include "Check.h"
#include "GoldenNumbers.h"
#include "RelevancyMaps.h"

#include "Models/Llava/Intervention.h"
#include "Models/Llava/LlavaModel.h"
#include "Models/Picture/Tiles.h"
#include "Models/Trace/Regions.h"
#include "Models/Trace/Safetensors.h"
#include "Models/Trace/TraceFile.h"
#include "TempFolder.h"
#include "TestDevice.h"

#include <algorithm>
#include <cmath>

namespace
{
using namespace lvlm;
using namespace lvlm::llava;
namespace tn = tensor_name;
using lvlm_test::compareNumbers;
using lvlm_test::Golden;
using lvlm_test::sameBytes;

Question questionOf(const Golden& golden)
{
  Question question;
  question.images = { golden.picture("picture") };
  question.prompt = "What color is the star?";
  question.chatTemplate = "USER: {image}\n{prompt} ASSISTANT:";
  question.maxNewTokens = golden.tensor("answer").count();
  question.captureVision = true;
  return question;
}

/// Hugging Face's packing says where on the canvas a token's patch is, also of tokens that lie
/// between patches after shrinking: the regions must say the same.
void checkRegions(const Trace& trace, const Golden& golden)
{
  const Tensor& places = golden.tensor("places"); // [tokens, 2]
  const auto first = std::find_if(trace.tokens.begin(), trace.tokens.end(),
                       [](const std::string& piece) { return piece == "<image>"; }) -
    trace.tokens.begin();
  const std::vector<Region>& regions = trace.regions;
  const std::int64_t whole = regions.front().start;
  for (std::int64_t i = 0; i < places.extent(0); ++i)
  {
    const double x = places.as<double>()[2 * i], y = places.as<double>()[2 * i + 1];
    const std::int64_t position = first + i;
    const bool newline = x == -1 && y == -1;
    CHECK(
      trace.roles[static_cast<std::size_t>(position)] == (newline ? Role::Special : Role::Image));
    if (x <= -1000)
    {
      CHECK(position - whole == static_cast<std::int64_t>(-1000 - x));
    }
    else if (!newline)
    {
      const auto centre = centreAtPosition(trace, position);
      CHECK_NEAR(centre[0], x, 1e-6);
      CHECK_NEAR(centre[1], y, 1e-6);
    }
  }
}

/// The sum over the map is the attention to all patches, coarse ones included.
void checkMass(const Trace& trace)
{
  const Tensor& attention = trace.tensor(tn::AttentionAnswer);
  const std::int64_t K = attention.extent(3);
  std::vector<float> row(static_cast<std::size_t>(K));
  attention.toFloat(0, K, row.data());
  double all = 0, mapped = 0;
  for (std::size_t p = 0; p < row.size(); ++p)
  {
    all += trace.roles[p] == Role::Image ? row[p] : 0;
  }
  const Selection selection{ { 0 }, { 0 }, { 0 } };
  const std::vector<float> map =
    acrossLayers(layerMaps(trace, selection, lvlm::Reduction::Mean), lvlm::Reduction::Mean);
  CHECK(static_cast<std::int64_t>(map.size()) == trace.grid.count());
  for (const float value : map)
  {
    mapped += value;
  }
  CHECK_NEAR(mapped, all, 1e-6);
}

void testPicture(const std::string& folder, const Golden& golden, Precision precision)
{
  const bool wide = precision == Precision::Float64;
  ModelOptions options;
  options.precision = precision;
  options.device = lvlm_test::testDevice();
  const auto model = LlavaModel::open(folder, options);
  const Question question = questionOf(golden);
  const Trace trace = model->ask(question);
  std::cout << "  picture " << golden.name << ", " << trace.grid.rows << " x " << trace.grid.cols
            << (wide ? ", float64" : ", float32") << std::endl;
  CHECK(sameBytes(trace.tensor(tilesName(0)), golden.tensor("tiles")));
  const Tensor& ids = golden.tensor("ids");
  const Tensor& answer = golden.tensor("answer");
  if (!CHECK(trace.promptLength == ids.count()) || !CHECK(trace.answerLength() == answer.count()) ||
    !CHECK(model->promptLength(question) == ids.count()))
  {
    return;
  }
  const auto* ours = trace.tensor(tn::TokenId).as<std::int64_t>();
  CHECK(std::equal(ours, ours + ids.count(), ids.as<std::int64_t>()));
  CHECK(
    std::equal(ours + ids.count(), ours + ids.count() + answer.count(), answer.as<std::int64_t>()));
  compareNumbers(trace.tensor(tn::AnswerLogprob), golden, "logprob", wide);
  compareNumbers(trace.tensor(tn::AttentionAnswer), golden, tn::AttentionAnswer, wide);
  compareNumbers(trace.tensor(tn::AttentionVision), golden, tn::AttentionVision, wide);
  lvlm_test::RelevancyOptions exact;
  const auto maps = lvlm_test::Relevancy(model, trace).compute({}, exact);
  compareNumbers(maps.decoder, golden, "relevancy", wide);
  CHECK(maps.joint.empty() && maps.vision.empty());
  checkRegions(trace, golden);
  checkMass(trace);
}

/// What goes into a file comes out of it.
void testFile(const Trace& trace)
{
  const lvlm_test::TempFolder folder;
  const std::string path = folder.path("tiles.lvlm");
  writeTrace(path, trace);
  const Trace read = readTrace(path);
  CHECK(read.regions.size() == 2 && textOfRegions(read.regions) == textOfRegions(trace.regions));
  CHECK(read.grid.rows == trace.grid.rows && read.grid.cols == trace.grid.cols);
  CHECK(read.imageStart == trace.imageStart);
  CHECK(sameBytes(read.tensor(tilesName(0)), trace.tensor(tilesName(0))));
}

/// Hiding every patch in the mean colour leaves a picture that is one colour; hiding none is the
/// picture itself; a hidden patch is hidden in the whole picture too.
void testHiding(const LlavaModel& model, const Trace& trace)
{
  Indices all;
  for (std::int64_t patch = 0; patch < trace.grid.count(); ++patch)
  {
    all.push_back(patch);
  }
  ranks::Team alone;
  const std::vector<Variant> variants{ { {}, PatchFill::MeanColor, {} },
    { { 0 }, PatchFill::MeanColor, {} }, { all, PatchFill::Black, {} },
    { all, PatchFill::ZeroEmbedding, {} } };
  const AnswerScores scores = answerScores(model, trace, variants, {}, alone);
  const auto T = static_cast<std::size_t>(trace.answerLength());
  for (std::size_t t = 0; t < T; ++t)
  {
    CHECK_NEAR(scores.variants[0][t], scores.original[t], 1e-9);
  }
  CHECK(scores.variants[1][0] != scores.original[0]);
  // All black: as the question about a black picture of that size.
  Question black;
  black.prompt = trace.told("question");
  black.chatTemplate = "USER: {image}\n{prompt} ASSISTANT:";
  const Tensor& shown = trace.tensor(tn::Image);
  black.images = { { 50, 50, std::vector<std::uint8_t>(3 * 50 * 50) } };
  black.maxNewTokens = 1;
  black.captureLogits = true;
  CHECK(shown.extent(0) > 0);
  const Trace asked = model.ask(black);
  const Tensor& logits = asked.tensor(tn::AnswerLogits);
  const auto* values = logits.as<float>();
  double sum = 0;
  for (std::int64_t v = 0; v < logits.count(); ++v)
  {
    sum += std::exp(static_cast<double>(values[v]));
  }
  const std::int64_t id = trace.tensor(tn::TokenId).as<std::int64_t>()[trace.promptLength];
  CHECK_NEAR(scores.variants[2][0], static_cast<double>(values[id]) - std::log(sum), 1e-5);
}

void testRefusals(const std::string& folder)
{
  const auto model = LlavaModel::open(folder);
  const SafetensorsFile file(folder + "/golden.safetensors");
  Question question = questionOf({ file, "0" });
  question.imageMode = picture::ImageMode::Pad;
  CHECK_THROWS(model->ask(question), "ImageMode must be Default");
  question.imageMode = picture::ImageMode::Default;
  Trace trace = model->ask(question);
  trace.extra.erase("picture_size");
  CHECK_THROWS(lvlm_test::Relevancy(model, trace).compute({}, {}), "picture_size");
  trace.extra["picture_size"] = "97,31";
  CHECK_THROWS(lvlm_test::Relevancy(model, trace).compute({}, {}), "does not fit");
  CHECK_THROWS(picture::planTiles({ 0, 5 }, { { 42, 42 } }, 42), "cannot be cut");
  CHECK_THROWS(picture::planTiles({ 5, 5 }, { { 42, 43 } }, 42), "not made of tiles of 42");
  CHECK_THROWS(picture::planTiles({ 5, 5 }, {}, 42), "image_grid_pinpoints is empty");
}
}

int main()
{
  const std::string root = std::string(LVLM_TEST_DATA) + "/llava/";
  for (const char* name : { "next-llama", "next-mistral", "next-granite", "onevision-qwen2" })
  {
    std::cout << name << std::endl;
    const SafetensorsFile file(root + name + "/golden.safetensors");
    const int pictures = std::stoi(file.metadata().at("pictures"));
    for (int i = 0; i < pictures; ++i)
    {
      for (const Precision precision : { Precision::Float32, Precision::Float64 })
      {
        testPicture(root + name, { file, std::to_string(i) }, precision);
      }
    }
  }
  ModelOptions options;
  options.precision = Precision::Float64;
  options.device = lvlm_test::testDevice();
  const auto model = LlavaModel::open(root + "next-llama", options);
  const SafetensorsFile file(root + "next-llama/golden.safetensors");
  const Trace trace = model->ask(questionOf({ file, "0" }));
  testFile(trace);
  testHiding(*model, trace);
  testRefusals(root + "next-llama");
  return lvlm_test::checkResult();
}
