// SPDX-License-Identifier: Apache-2.0
// Our inference against Hugging Face's eager run of the same checkpoint folders in float64, which
// Testing/Golden/llava_goldens.py saved with Hugging Face's own code.
//
// Tolerances: same greedy tokens; in float32 attention 1e-5 and logits 1e-3, or three times
// Hugging Face's own float32 error where that is larger (in the tower, whose random weights are
// large, it is up to 7e-6: how float32 rounds is the CPU's choice); in float64 1e-9 and the
// rounding to the trace's float32. TestNetwork compares what lies before that rounding.
#include "Check.h"
#include "Families.h"
#include "GoldenNumbers.h"
#include "RelevancyMaps.h"
#include "TempFolder.h"
#include "TestDevice.h"

#include "Models/Llava/LlavaModel.h"
#include "Models/Trace/Safetensors.h"

#include <algorithm>
#include <cstring>
#include <filesystem>

namespace
{
using namespace lvlm;
using namespace lvlm::llava;
using namespace lvlm::picture;

/// Infinite where the shapes differ.
double largestDifference(const Tensor& ours, const Tensor& theirs, bool rounded)
{
  if (!CHECK(ours.shape == theirs.shape))
  {
    std::cerr << "  " << shapeText(ours.shape) << " against " << shapeText(theirs.shape) << "\n";
    return INFINITY;
  }
  return lvlm_test::largestDifference(ours, theirs, rounded);
}

/// Two independent properties of every captured row: it sums to 1, and nothing after its own
/// position is seen.
void checkRows(const Trace& trace)
{
  const Tensor& attention = trace.tensor(tensor_name::AttentionAnswer); // [L, Hd, T, K]
  const std::int64_t T = attention.extent(2), K = attention.extent(3);
  double worst = 0;
  bool causal = true;
  for (std::int64_t row = 0; row < attention.count() / K; ++row)
  {
    const float* values = attention.as<float>() + row * K;
    const std::int64_t own = trace.promptLength - 1 + row % T;
    double sum = 0;
    for (std::int64_t key = 0; key < K; ++key)
    {
      sum += values[key];
      causal = causal && (key <= own || values[key] == 0);
    }
    worst = std::max(worst, std::abs(sum - 1));
  }
  CHECK(causal);
  CHECK_NEAR(worst, 0, 1e-5);
}

Question questionFor(const std::string& root, const std::string& prompt)
{
  Question question;
  question.images = { readImage(root + "/picture.png") };
  question.prompt =
    prompt.find("star") != std::string::npos ? "What color is the star?" : "Describe the image.";
  // The golden prompts are spelled out; a free-form template repeats them exactly.
  question.chatTemplate = prompt;
  question.chatTemplate.replace(prompt.find("<image>"), 7, "{image}");
  question.chatTemplate.replace(
    question.chatTemplate.find(question.prompt), question.prompt.size(), "{prompt}");
  question.maxNewTokens = 24;
  question.captureVision = true;
  question.captureLogits = true;
  question.fullLayers = { 0, 1, 2 };
  return question;
}

/// Same ids as Hugging Face's processor and greedy search. False when even the lengths differ.
bool sameTokens(const Trace& trace, const SafetensorsFile& golden)
{
  const Tensor& ids = trace.tensor(tensor_name::TokenId);
  const Tensor& promptIds = golden.tensor("ids");
  const Tensor& answerIds = golden.tensor("answer");
  if (!CHECK(trace.promptLength == promptIds.count()) ||
    !CHECK(trace.answerLength() == answerIds.count()))
  {
    return false;
  }
  CHECK(std::memcmp(ids.data, promptIds.data, promptIds.bytes()) == 0);
  CHECK(std::memcmp(ids.data + promptIds.bytes(), answerIds.data, answerIds.bytes()) == 0);
  CHECK(trace.answer == golden.metadata().at("answer"));
  return true;
}

/// One tensor of a trace against Hugging Face's.
void compareNumbers(const Tensor& ours, const SafetensorsFile& golden, const std::string& name,
  Precision precision, double tolerance)
{
  const bool wide = precision == Precision::Float64;
  const double theirError = std::stod(golden.metadata().at("float32_error." + name));
  const double allowed = wide ? 1e-9 : std::max(tolerance, 3 * theirError);
  const double difference = largestDifference(ours, golden.tensor(name), wide);
  std::cout << "  " << (wide ? "float64" : "float32") << ", largest difference of " << name << " "
            << difference << " (allowed " << allowed << ", Hugging Face in float32 " << theirError
            << ")" << std::endl;
  CHECK(difference <= allowed);
}

void compare(const std::string& folder, const SafetensorsFile& golden, const Question& question)
{
  std::cout << folder << std::endl;
  for (const Precision precision : { Precision::Float32, Precision::Float64 })
  {
    ModelOptions options;
    options.precision = precision;
    options.device = lvlm_test::testDevice();
    const Trace trace = LlavaModel::open(folder, options)->ask(question);
    if (!sameTokens(trace, golden))
    {
      return;
    }
    for (const char* name :
      { tensor_name::AttentionAnswer, tensor_name::AttentionFull, tensor_name::AttentionVision })
    {
      if (golden.has(name))
      {
        compareNumbers(trace.tensor(name), golden, name, precision, 1e-5);
      }
    }
    compareNumbers(trace.tensor(tensor_name::AnswerLogits), golden, "logits", precision, 1e-3);
    checkRows(trace);
  }
}

/// A text with every `from` replaced.
std::string replaced(std::string text, const std::string& from, const std::string& to)
{
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at))
  {
    text.replace(at, from.size(), to);
    at += to.size();
  }
  return text;
}

/// Biases for all linear maps of the decoder's layers, those of llava_goldens.py.
void addBiases(const std::string& path)
{
  const SafetensorsFile file(path);
  std::map<std::string, Tensor> tensors = file.tensors();
  for (const auto& [name, weight] : file.tensors())
  {
    const std::size_t at = name.find("_proj.weight");
    if (at != std::string::npos && name.find("language_model.model.layers.") == 0)
    {
      std::vector<float> bias(static_cast<std::size_t>(weight.extent(0)));
      for (std::size_t i = 0; i < bias.size(); ++i)
      {
        bias[i] = (static_cast<float>(i * 7 % 11) - 5) / 32;
      }
      tensors[name.substr(0, at) + "_proj.bias"] = Tensor::of(bias, { weight.extent(0) });
    }
  }
  writeSafetensors(path + ".new", tensors, file.metadata());
  std::filesystem::rename(path + ".new", path);
}

/// A copy of a checkpoint with a text in its configuration replaced.
std::string variant(const lvlm_test::TempFolder& temp, const std::string& original,
  const std::string& name, const std::string& from, const std::string& to)
{
  const std::string folder = temp.copyOf(original, name);
  const std::string config = lvlm_test::readFile(folder + "/config.json");
  CHECK(config.find(from) != std::string::npos);
  temp.write(name + "/config.json", replaced(config, from, to));
  return folder;
}

/// Weights in the file that the configuration does not ask for, and what it asks for that few
/// checkpoints have: each as transformers 5.24 takes it.
void compareVariants(const std::string& root)
{
  const lvlm_test::TempFolder temp;
  const std::string original = root + "/multihead-f32";
  const auto compareWith = [&](const std::string& name, const std::string& folder)
  {
    const SafetensorsFile golden(root + "/" + name + ".golden.safetensors");
    Question question = questionFor(root, golden.metadata().at("prompt"));
    question.maxNewTokens = golden.tensor("answer").count();
    compare(folder, golden, question);
    return LlavaModel::open(folder)->ask(question);
  };
  const auto changed = [&](const std::string& name, const std::string& from, const std::string& to)
  { return variant(temp, original, name, from, to); };
  std::string folder = temp.copyOf(original, "unwanted-biases");
  addBiases(folder + "/model.safetensors");
  compareWith("unwanted-biases", folder);
  folder = changed("biases", "_bias\": false", "_bias\": true");
  CHECK_THROWS(LlavaModel::open(folder), "proj.bias");
  addBiases(folder + "/model.safetensors");
  compareWith("biases", folder);
  compareWith("projector-without-biases",
    changed("projector", "\"model_type\": \"llava\"",
      "\"model_type\": \"llava\", \"multimodal_projector_bias\": false"));
  compareWith("tied-with-a-head",
    changed("head", "\"tie_word_embeddings\": false", "\"tie_word_embeddings\": true"));
  CHECK_THROWS(LlavaModel::open(variant(temp, root + "/tied-f32", "untied",
                 "\"tie_word_embeddings\": true", "\"tie_word_embeddings\": false")),
    "no tensor 'lm_head.weight'");
  const std::string layer = "\"vision_feature_layer\": ";
  compareWith("no-vision-layers", changed("layer-4", layer + "-2", layer + "-4"));
  const std::string first = changed("layer0", layer + "-2", layer + "0");
  const Trace trace = compareWith("no-vision-layers", first);
  CHECK(!trace.has(tensor_name::AttentionVision)); // though it was asked for: no layer has any
  const lvlm_test::RelevancyMaps maps =
    lvlm_test::Relevancy(LlavaModel::open(first), trace).compute({ 0 }, {});
  CHECK(maps.joint.count() == 9);
}

/// Folders as transformers 5 saves them, over the weights that they were made of: files, names and
/// the template that are new there.
void compareResaved(const std::string& root)
{
  const lvlm_test::TempFolder temp;
  for (const auto& [name, original] :
    { std::pair("llama", "multihead-f32"), { "llama3-rope", "llama3-rope-f32" },
      { "theta", "grouped-bf16-sharded" }, { "tied", "tied-f32" }, { "qwen2", "bias-bf16-qwen2" },
      { "mistral", "window-f16-mistral" } })
  {
    const std::string folder = temp.copyOf(root + "/resaved/" + name, name);
    for (const auto& file : std::filesystem::directory_iterator(root + "/" + original))
    {
      const std::string own = file.path().filename().string();
      if (own.rfind("model", 0) == 0)
      {
        std::filesystem::create_symlink(std::filesystem::absolute(file.path()), folder + "/" + own);
      }
    }
    const SafetensorsFile golden(folder + "/golden.safetensors");
    Question question = questionFor(root, golden.metadata().at("prompt"));
    question.chatTemplate.clear();
    question.maxNewTokens = golden.tensor("answer").count();
    compare(folder, golden, question);
    const auto model = LlavaModel::open(folder);
    CHECK(model->ask(question).prompt == golden.metadata().at("prompt"));
    const std::vector<float> pixels =
      processImage(question.images[0], readImageProcessorConfig(folder)).pixelValues;
    const Tensor& theirs = golden.tensor("pixel_values");
    CHECK(std::equal(
      pixels.begin(), pixels.end(), theirs.as<float>(), theirs.as<float>() + theirs.count()));
  }
}

/// The other towers, projectors and decoders of the family.
void compareFamilies(const std::string& root)
{
  for (const char* name : lvlm_test::Families)
  {
    const std::string folder = root + "/" + name;
    const SafetensorsFile golden(folder + "/golden.safetensors");
    Question question = questionFor(root, golden.metadata().at("prompt"));
    question.maxNewTokens = golden.tensor("answer").count();
    compare(folder, golden, question);
  }
}

/// The shipped model, on a shipped scene.
void compareEmbedded(const std::string& root)
{
  const std::string folder = std::string(LVLM_SOURCE_DIR) + "/Models/TinyLlava";
  const SafetensorsFile golden(root + "/TinyLlava.golden.safetensors");
  Question question = questionFor(root, golden.metadata().at("prompt"));
  question.images = { readImage(folder + "/scenes/star_left_of_circle.png") };
  question.fullLayers = {};
  compare(folder, golden, question);
}

/// The scores are those of the logits: log-softmax in double, the answer's own and the best k in
/// order.
void checkScores(const Trace& trace)
{
  const Tensor& logits = trace.tensor(tensor_name::AnswerLogits); // [T, V]
  const std::int64_t V = logits.extent(1);
  const std::int64_t k = trace.tensor(tensor_name::TopkId).extent(1);
  for (std::int64_t t = 0; t < trace.answerLength(); ++t)
  {
    std::vector<double> row(logits.as<float>() + t * V, logits.as<float>() + (t + 1) * V);
    double sum = 0;
    for (const double value : row)
    {
      sum += std::exp(value - row[0]);
    }
    const double norm = row[0] + std::log(sum);
    const std::int64_t id =
      trace.tensor(tensor_name::TokenId).as<std::int64_t>()[trace.promptLength + t];
    CHECK_NEAR(trace.tensor(tensor_name::AnswerLogprob).as<float>()[t],
      row[static_cast<std::size_t>(id)] - norm, 1e-4);
    for (std::int64_t i = 0; i < k; ++i)
    {
      const std::int64_t other = trace.tensor(tensor_name::TopkId).as<std::int64_t>()[t * k + i];
      const float logprob = trace.tensor(tensor_name::TopkLogprob).as<float>()[t * k + i];
      CHECK_NEAR(logprob, row[static_cast<std::size_t>(other)] - norm, 1e-4);
    }
  }
}

/// What is not asked for is not there, and what is there does not depend on what else was asked
/// for.
void checkCapture(const std::string& root)
{
  const auto model = LlavaModel::open(root + "/multihead-f32");
  CHECK(model == LlavaModel::open(root + "/multihead-f32")); // one mapping a process
  Question question = questionFor(root, "USER: <image>\nWhat color is the star? ASSISTANT:");
  question.maxNewTokens = 4;
  const Trace all = model->ask(question);
  checkScores(all);
  question.captureAnswer = false;
  question.captureVision = false;
  question.captureLogits = false;
  question.fullLayers = { -1, 2 }; // the same layer twice
  const Trace one = model->ask(question);
  CHECK(!one.has(tensor_name::AttentionAnswer));
  CHECK(!one.has(tensor_name::AttentionVision));
  const Tensor& full = one.tensor(tensor_name::AttentionFull);
  CHECK(full.extent(0) == 1);
  CHECK(one.tensor(tensor_name::AttentionFullLayers).as<std::int64_t>()[0] == 2);
  const Tensor& reference = all.tensor(tensor_name::AttentionFull);
  CHECK(std::memcmp(full.data, reference.data + 2 * full.bytes(), full.bytes()) == 0);
  const QuestionCost cost = model->cost(question, one.promptLength);
  CHECK(cost.attentionAnswer == 0);
  CHECK(cost.attentionFull == full.bytes()); // the answer was as long as it may be
}

void checkSampling(const std::string& root)
{
  const auto model = LlavaModel::open(root + "/multihead-f32");
  Question question = questionFor(root, "USER: <image>\nWhat color is the star? ASSISTANT:");
  question.captureVision = false;
  question.fullLayers = {};
  question.maxNewTokens = 12;
  const auto ids = [&](double temperature, double topP, std::uint64_t seed)
  {
    question.temperature = temperature;
    question.topP = topP;
    question.seed = seed;
    const Trace trace = model->ask(question);
    const auto* begin = trace.tensor(tensor_name::TokenId).as<std::int64_t>();
    return std::vector<std::int64_t>(begin + trace.promptLength, begin + trace.positions());
  };
  const auto greedy = ids(0, 1, 0);
  CHECK(ids(50, 1, 1) == ids(50, 1, 1)); // reproducible
  CHECK(ids(50, 1, 1) != ids(50, 1, 2)); // and random
  CHECK(ids(50, 1e-9, 3) == greedy);     // a nucleus of one token is greedy
  CHECK(ids(1e-4, 1, 4) == greedy);      // as is a temperature near 0
  CHECK(ids(1e-307, 1, 4) == greedy);    // by which no logit can be divided
  CHECK(ids(5e-324, 0.9, 5) == greedy);
}

void checkErrors(const std::string& root)
{
  const auto model = LlavaModel::open(root + "/multihead-f32");
  const auto with = [&](auto&& change)
  {
    Question question = questionFor(root, "USER: <image>\nWhat color is the star? ASSISTANT:");
    change(question);
    return model->ask(question);
  };
  CHECK_THROWS(with([](Question& q) { q.maxNewTokens = 0; }), "MaxNewTokens 0");
  CHECK_THROWS(with([](Question& q) { q.prompt = ""; }), "prompt");
  CHECK_THROWS(with([](Question& q) { q.prompt = "<image> and <image>"; }), "2");
  CHECK_THROWS(with([](Question& q) { q.fullLayers = { 3 }; }), "layer 3");
  CHECK_THROWS(with([](Question& q) { q.fullLayers = { -4 }; }), "layer -4");
  CHECK_THROWS(with([](Question& q) { q.temperature = -1; }), "-1");
  CHECK_THROWS(with([](Question& q) { q.topP = 0; }), "TopP 0");
  CHECK_THROWS(with([](Question& q) { q.maxNewTokens = 1 << 20; }), "available");
  CHECK_THROWS(with([](Question& q) { q.images = { RgbImage() }; }), "");
  CHECK_THROWS(with([](Question& q) { q.images.clear(); }), "there is no picture");
  CHECK_THROWS(LlavaModel::open(root + "/nowhere"), root + "/nowhere");
  ModelOptions options;
  options.device = "toaster";
  CHECK_THROWS(LlavaModel::open(root + "/multihead-f32", options), "toaster");
}

/// A picture whose patches leave a rim: the model neither sees it nor lets the trace show it.
void checkUnseenRim(const std::string& root)
{
  const lvlm_test::TempFolder temp;
  const std::string original = root + "/multihead-f32", folder = temp.copyOf(original, "rim");
  for (const char* name : { "config.json", "preprocessor_config.json" })
  {
    temp.write(std::string("rim/") + name,
      replaced(lvlm_test::readFile(original + "/" + name), ": 42", ": 50"));
  }
  const auto model = LlavaModel::open(folder);
  CHECK(model->config().vision.imageSize == 50 && model->config().vision.seenEdge() == 42);
  Question question = questionFor(root, "USER: <image>\nWhat color is the star? ASSISTANT:");
  const RgbImage picture =
    processImage(question.images[0], readImageProcessorConfig(original)).seen; // of 42 x 42 pixels
  question.images = { { 50, 50, std::vector<std::uint8_t>(50 * 50 * 3, 200) } };
  for (std::int64_t row = 0; row < picture.height; ++row)
  {
    std::copy_n(picture.pixels.begin() + row * picture.width * 3, picture.width * 3,
      question.images[0].pixels.begin() + row * question.images[0].width * 3);
  }
  const Trace rim = model->ask(question);
  question.images = { picture };
  const Trace plain = LlavaModel::open(original)->ask(question);
  for (const char* name : { tensor_name::Image, tensor_name::TokenId, tensor_name::AttentionAnswer,
         tensor_name::AttentionVision })
  {
    const Tensor &ours = rim.tensor(name), &theirs = plain.tensor(name);
    CHECK(ours.shape == theirs.shape && std::memcmp(ours.data, theirs.data, ours.bytes()) == 0);
  }
  const lvlm_test::RelevancyMaps maps = lvlm_test::Relevancy(model, rim).compute({ 0 }, {});
  CHECK(maps.joint.count() == model->config().vision.patches());
}

/// Whatever is edited, replaced, added or removed: the model is opened anew.
void checkEditedFiles(const std::string& root)
{
  const lvlm_test::TempFolder temp;
  const std::string folder = temp.copyOf(root + "/grouped-bf16-sharded", "m");
  auto last = LlavaModel::open(folder);
  CHECK(last == LlavaModel::open(folder));
  const auto renewed = [&]
  {
    const auto now = LlavaModel::open(folder);
    const bool fresh = now != last;
    last = now;
    return fresh && last == LlavaModel::open(folder);
  };
  for (const char* name :
    { "config.json", "generation_config.json", "preprocessor_config.json", "tokenizer.json",
      "tokenizer_config.json", "model.safetensors.index.json", "model-00003-of-00008.safetensors" })
  {
    const std::string path = folder + "/" + name, content = lvlm_test::readFile(path);
    const auto time = std::filesystem::last_write_time(path);
    // Replaced by another of the same size and time, as cp -p would.
    temp.write("new", content);
    std::filesystem::rename(temp.path("new"), path);
    std::filesystem::last_write_time(path, time);
    CHECK(renewed());
  }
  for (const char* name : { "chat_template.jinja", "chat_template.json", "processor_config.json",
         "special_tokens_map.json", "added_tokens.json" })
  {
    temp.write(std::string("m/") + name, "{}");
    CHECK(renewed());
    std::filesystem::remove(folder + "/" + name);
    CHECK(renewed());
  }
  temp.write("m/README.md", "not read");
  CHECK(last == LlavaModel::open(folder));
}

/// A folder without tokenizer.json: how it gets one.
void checkTokenizerFiles(const std::string& root)
{
  const lvlm_test::TempFolder temp;
  const std::string folder = temp.copyOf(root + "/multihead-f32", "m");
  std::filesystem::remove(folder + "/tokenizer.json");
  CHECK_THROWS(LlavaModel::open(folder), "the model folder has no tokenizer.json");
  temp.write("m/tokenizer.model", "sentencepiece");
  CHECK_THROWS(LlavaModel::open(folder),
    "tokenizer.model is not read: transformers.AutoTokenizer.from_pretrained(folder)");
  temp.write("m/tokenizer.json", "version https://git-lfs.github.com/spec/v1\n");
  CHECK_THROWS(LlavaModel::open(folder), "tokenizer.json: is a Git LFS pointer");
}

void checkAbort(const std::string& root)
{
  const auto model = LlavaModel::open(root + "/multihead-f32");
  const Question question = questionFor(root, "USER: <image>\nWhat color is the star? ASSISTANT:");
  int reports = 0;
  double last = -1;
  bool rising = true;
  model->ask(question,
    [&](double fraction, const std::string&)
    {
      reports += fraction > last ? 1 : 0; // the same one again: a busy machine
      rising = rising && fraction >= last - 1e-9 && fraction <= 1 + 1e-9;
      last = fraction;
      return true;
    });
  CHECK(rising);
  // Vision layers, then each decoder layer of the prompt and of the 23 further tokens, then the
  // end.
  CHECK(reports == 2 + 3 * 24 + 1);
  int left = 10;
  CHECK_THROWS(
    model->ask(question, [&](double, const std::string&) { return --left > 0; }), "aborted");
  CHECK(left == 0);
}
}

int main(int argc, char** argv)
{
  const std::string root = std::string(LVLM_TEST_DATA) + "/llava";
  std::vector<std::string> names(argv + 1, argv + argc);
  if (names.empty())
  {
    names = { "multihead-f32", "grouped-bf16-sharded", "tied-f32", "bias-bf16-qwen2",
      "window-f16-mistral", "llama3-rope-f32", "new-names-f32-sharded", "new-names-tied-bf16" };
  }
  try
  {
    for (const std::string& name : names)
    {
      const SafetensorsFile golden(root + "/" + name + "/golden.safetensors");
      compare(root + "/" + name, golden, questionFor(root, golden.metadata().at("prompt")));
    }
    compareEmbedded(root);
    compareFamilies(root);
    compareVariants(root);
    compareResaved(root);
    checkCapture(root);
    checkSampling(root);
    checkErrors(root);
    checkUnseenRim(root);
    checkEditedFiles(root);
    checkTokenizerFiles(root);
    checkAbort(root);
  }
  catch (const std::exception& error)
  {
    std::cerr << "unexpected: " << error.what() << std::endl;
    return 1;
  }
  return lvlm_test::checkResult();
}
