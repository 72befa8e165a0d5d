// SPDX-License-Identifier: Apache-2.0
// Questions about several pictures against Hugging Face in float64
// (Testing/Golden/several_goldens.py): LLaVA with either tower, ViP-LLaVA, LLaVA-NeXT's tiles,
// LLaVA-OneVision, which reads each of several pictures in one piece.
//
// What is seen byte by byte, the same tokens, and the tolerances of GoldenNumbers.h.
#include "Check.h"
#include "GoldenNumbers.h"
#include "RelevancyMaps.h"
#include "TempFolder.h"
#include "TestDevice.h"
#include "ThreadRanks.h"

#include "Models/Llava/Intervention.h"
#include "Models/Llava/Lens.h"
#include "Models/Llava/LlavaModel.h"
#include "Models/Llava/Weighting.h"
#include "Models/Trace/Regions.h"
#include "Models/Trace/TraceFile.h"

#include <algorithm>
#include <cmath>
#include <sstream>

namespace
{
using namespace lvlm;
using namespace lvlm::llava;
namespace tn = tensor_name;
using lvlm_test::compareNumbers;
using lvlm_test::Golden;
using lvlm_test::sameBytes;

const std::string Root = std::string(LVLM_TEST_DATA) + "/llava/";

const SafetensorsFile& goldenFile()
{
  static const SafetensorsFile file(Root + "several.golden.safetensors");
  return file;
}

std::int64_t pictures()
{
  return std::stol(goldenFile().metadata().at("pictures"));
}

Question questionOf(const std::string& name)
{
  const Golden golden{ goldenFile(), name };
  Question question;
  for (std::int64_t i = 0; i < pictures(); ++i)
  {
    question.images.push_back(golden.picture("picture." + std::to_string(i)));
  }
  question.prompt = goldenFile().metadata().at("question");
  question.chatTemplate = "USER: {image}\n{prompt} ASSISTANT:";
  question.maxNewTokens = golden.tensor("answer").count();
  return question;
}

std::shared_ptr<const LlavaModel> open(
  const std::string& name, Precision precision, int rank = 0, int ranks = 1)
{
  ModelOptions options;
  options.precision = precision;
  options.device = lvlm_test::testDevice();
  options.rank = rank;
  options.ranks = ranks;
  return LlavaModel::open(Root + name, options);
}

/// What the trace says that the model saw, byte by byte.
void checkSeen(const Trace& trace, const Golden& golden)
{
  CHECK(pictureCount(trace) == pictures());
  for (std::int64_t i = 0; i < pictures(); ++i)
  {
    const Tensor& theirs = golden.tensor("seen." + std::to_string(i));
    const bool inTiles = theirs.shape.size() == 4;
    CHECK(sameBytes(trace.tensor(inTiles ? tilesName(i) : pictureName(i)), theirs));
  }
}

/// Each picture has regions of its own, in the order of the sequence.
void checkOrder(const Trace& trace)
{
  std::int64_t image = 0, end = 0;
  for (const Region& region : trace.regions)
  {
    CHECK(region.image == image || region.image == image + 1);
    image = region.image;
    CHECK(region.start >= end);
    end = region.end();
    const Trace one = withRegion(trace, &region - trace.regions.data());
    CHECK(sameBytes(one.tensor(tn::Image), trace.tensor(pictureName(region.image))));
    CHECK(one.grid.rows == region.grid.rows && one.imageStart == region.start);
  }
  CHECK(image + 1 == pictures());
}

void testNumbers(const std::string& name, Precision precision)
{
  const bool wide = precision == Precision::Float64;
  const Golden golden{ goldenFile(), name };
  const auto model = open(name, precision);
  const Question question = questionOf(name);
  const Trace trace = model->ask(question);
  std::cout << name << (wide ? ", float64" : ", float32") << std::endl;
  checkSeen(trace, golden);
  checkOrder(trace);
  const Tensor& ids = golden.tensor("ids");
  const Tensor& answer = golden.tensor("answer");
  if (!CHECK(trace.promptLength == ids.count()) || !CHECK(trace.answerLength() == answer.count()))
  {
    return;
  }
  CHECK(model->promptLength(question) == ids.count());
  const auto* ours = trace.tensor(tn::TokenId).as<std::int64_t>();
  CHECK(std::equal(ours, ours + ids.count(), ids.as<std::int64_t>()));
  CHECK(
    std::equal(ours + ids.count(), ours + ids.count() + answer.count(), answer.as<std::int64_t>()));
  CHECK(trace.prompt == goldenFile().metadata().at("prompt"));
  CHECK(trace.texts.size() == trace.tokens.size());
  compareNumbers(trace.tensor(tn::AnswerLogprob), golden, "logprob", wide);
  compareNumbers(trace.tensor(tn::AttentionAnswer), golden, tn::AttentionAnswer, wide);
  const auto maps = lvlm_test::Relevancy(model, trace).compute({}, lvlm_test::RelevancyOptions());
  compareNumbers(maps.decoder, golden, "relevancy.decoder", wide);
  const bool inTiles = model->config().readsTiles();
  CHECK(maps.joint.empty() == inTiles);
  if (!inTiles)
  {
    compareNumbers(maps.joint, golden, "relevancy.joint", wide);
  }
}

/// What goes into a file comes out of it, and is computed with as before.
void testFile(const std::string& name)
{
  const auto model = open(name, Precision::Float64);
  const Trace trace = model->ask(questionOf(name));
  const lvlm_test::TempFolder folder;
  const std::string path = folder.path("several.lvlm");
  writeTrace(path, trace);
  const Trace read = readTrace(path);
  CHECK(textOfRegions(read.regions) == textOfRegions(trace.regions));
  checkSeen(read, { goldenFile(), name });
  const lvlm_test::RelevancyOptions exact;
  CHECK(sameBytes(lvlm_test::Relevancy(model, read).compute({}, exact).decoder,
    lvlm_test::Relevancy(model, trace).compute({}, exact).decoder));
  Trace fewer = read;
  const auto last = pictures() - 1;
  fewer.tensors.erase(pictureName(last));
  fewer.tensors.erase(tilesName(last));
  if (fewer.told("picture_size").empty())
  {
    CHECK_THROWS(
      lvlm_test::Relevancy(model, fewer).compute({}, exact), "of none of its 2 pictures");
  }
  else
  {
    CHECK_THROWS(lvlm_test::Relevancy(model, fewer).compute({}, exact), "picture_size");
  }
}

/// The logit of an answer token that a question's last position gives it.
double firstLogprob(const LlavaModel& model, Question question, std::int64_t id)
{
  question.maxNewTokens = 1;
  question.captureLogits = true;
  const Tensor logits = model.ask(question).tensor(tn::AnswerLogits);
  const auto* values = logits.as<float>();
  double sum = 0;
  for (std::int64_t v = 0; v < logits.count(); ++v)
  {
    sum += std::exp(static_cast<double>(values[v]));
  }
  return static_cast<double>(values[id]) - std::log(sum);
}

/// Patches are those of the first picture: all of them black is a question whose first picture is.
void testHiding(const std::string& name)
{
  const auto model = open(name, Precision::Float64);
  Question question = questionOf(name);
  const Trace trace = model->ask(question);
  Indices all;
  for (std::int64_t patch = 0; patch < trace.grid.count(); ++patch)
  {
    all.push_back(patch);
  }
  ranks::Team alone;
  const AnswerScores scores = answerScores(*model, trace,
    { { {}, PatchFill::MeanColor, {} }, { all, PatchFill::Black, {} },
      { all, PatchFill::ZeroEmbedding, {} } },
    {}, alone);
  const auto T = static_cast<std::size_t>(trace.answerLength());
  for (std::size_t t = 0; t < T; ++t)
  {
    CHECK_NEAR(scores.variants[0][t], scores.original[t], 1e-9);
  }
  CHECK(scores.variants[2][0] != scores.original[0]);
  picture::RgbImage& first = question.images[0];
  std::fill(first.pixels.begin(), first.pixels.end(), std::uint8_t(0));
  if (model->config().tilesOnlyAlone) // which lays a picture on a square of another colour
  {
    first = { 50, 50, std::vector<std::uint8_t>(3 * 50 * 50) };
  }
  const std::int64_t id = trace.tensor(tn::TokenId).as<std::int64_t>()[trace.promptLength];
  CHECK_NEAR(scores.variants[1][0], firstLogprob(*model, question, id), 1e-5);
}

/// What reads the sequence once more finds all of its pictures again.
void testReadAgain(const std::string& name)
{
  const auto model = open(name, Precision::Float64);
  Question question = questionOf(name);
  question.captureHidden = true;
  const Trace trace = model->ask(question);
  ranks::Team alone;
  Trace without = trace;
  without.tensors.erase(tn::HiddenStates);
  without.tensors.erase(tn::HiddenLayers);
  const Lens kept = logitLens(*model, trace, { model->config().text.layers }, {}, 3, {}, alone);
  const Lens again = logitLens(*model, without, { model->config().text.layers }, {}, 3, {}, alone);
  CHECK(!kept.ids.empty() && kept.ids == again.ids);

  const Trace generic = attentionOfQuestion(*model, trace, "Describe.", {}, alone);
  CHECK(generic.regions.size() == trace.regions.size());

  Question other = question;
  other.images[1].pixels.assign(other.images[1].pixels.size(), 40);
  const Trace corrupted = model->ask(other);
  const PatchScores scores =
    patchScores(*model, trace, corrupted, StatePart::Hidden, {}, {}, alone);
  CHECK_NEAR(scores.clean[0], trace.tensor(tn::AnswerLogprob).as<float>()[0], 1e-6);
  const std::int64_t id = trace.tensor(tn::TokenId).as<std::int64_t>()[trace.promptLength];
  CHECK_NEAR(scores.corrupted[0], firstLogprob(*model, other, id), 1e-5);

  const Trace same = answerUnder(*model, trace, {}, trace.answerLength(), "nothing", {}, alone);
  CHECK(same.answer == trace.answer &&
    sameBytes(same.tensor(tn::AttentionAnswer), trace.tensor(tn::AttentionAnswer)));
}

/// On two ranks as on one; the pictures are rank 0's.
void testRanks(const std::string& name)
{
  const Question asked = questionOf(name);
  const Trace single = open(name, Precision::Float32)->ask(asked);
  lvlm_test::ThreadRanks ranks(2);
  std::vector<Trace> traces(2);
  const auto thrown = ranks.run(
    [&](ranks::Team& team)
    {
      Question mine = asked;
      if (team.rank() != 0)
      {
        mine.images.clear();
      }
      traces[static_cast<std::size_t>(team.rank())] =
        open(name, Precision::Float32, team.rank(), 2)->ask(mine, Progress(), team);
    });
  CHECK(thrown[0].empty() && thrown[1].empty());
  for (const Trace& trace : traces)
  {
    CHECK(trace.answer == single.answer && pictureCount(trace) == pictures());
    CHECK(textOfRegions(trace.regions) == textOfRegions(single.regions));
  }
}

/// Where pictures stand in the words, and what is no question about them.
void testPlaces(const std::string& name)
{
  const auto model = open(name, Precision::Float32);
  Question question = questionOf(name);
  const std::string words = question.prompt;
  question.maxNewTokens = 1;
  question.prompt = "<image> or <image>?\n<image> " + words;
  CHECK(model->ask(question).prompt == "USER: " + question.prompt + " ASSISTANT:");
  question.prompt = "<image> or what?";
  CHECK_THROWS(model->ask(question), "1 image tokens <image>, not 3, one for each picture");
  question.prompt = words;
  question.chatTemplate = "{image}{image}|{image}|{prompt}";
  CHECK(model->ask(question).prompt == "<image><image>|<image>|" + words);
  question.chatTemplate = "{image}|{image}\n{prompt}";
  CHECK(model->ask(question).prompt == "<image>|<image>\n<image>\n" + words);
  question.images.clear();
  CHECK_THROWS(model->ask(question), "there is no picture");
}

/// LLaVA-OneVision reads a picture in tiles only where it is alone; others it pads, or as the mode
/// says.
void testOneVision()
{
  const auto model = open("onevision-qwen2", Precision::Float32);
  Question question = questionOf("onevision-qwen2");
  const std::int64_t several = model->promptLength(question);
  question.images.resize(1);
  const std::int64_t each = model->config().vision.patches() + 1; // and the newline
  CHECK(model->promptLength(question) + (pictures() - 1) * each > several);
  question.imageMode = picture::ImageMode::Pad;
  CHECK_THROWS(model->ask(question), "ImageMode must be Default");
  question.images.push_back(question.images[0]);
  const Trace padded = model->ask(question);
  question.imageMode = picture::ImageMode::Default;
  CHECK(sameBytes(model->ask(question).tensor(tn::Image), padded.tensor(tn::Image)));
  question.imageMode = picture::ImageMode::Crop;
  CHECK(!sameBytes(model->ask(question).tensor(tn::Image), padded.tensor(tn::Image)));
}
}

int main()
{
  std::istringstream names(goldenFile().metadata().at("names"));
  for (std::string name; names >> name;)
  {
    testNumbers(name, Precision::Float32);
    testNumbers(name, Precision::Float64);
    testFile(name);
    testHiding(name);
    testReadAgain(name);
    testRanks(name);
  }
  testPlaces("multihead-f32");
  testOneVision();
  return lvlm_test::checkResult();
}
