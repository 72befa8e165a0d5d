// SPDX-License-Identifier: Apache-2.0
#include "LlavaModel.h"

#include "Generation.h"
#include "LlavaModelImpl.h"
#include "Runtime.h"

#include "Models/Core/ChatTemplate.h"
#include "Models/Core/Json.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <sstream>

namespace lvlm
{

namespace
{
namespace fs = std::filesystem;

at::ScalarType scalarOf(Precision precision)
{
  return precision == Precision::Float64  ? at::kDouble
    : precision == Precision::BFloat16 ? at::kBFloat16
                                          : at::kFloat;
}

at::Device deviceOf(const std::string& name)
{
  try
  {
    const at::Device device(name);
    if (device.is_cpu() || (device.is_cuda() && at::hasCUDA()))
    {
      return device;
    }
  }
  catch (const c10::Error&) // a name that Torch cannot parse
  {
  }
  fail("device '", name, "' is not available here (cpu", at::hasCUDA() ? ", cuda" : "", " is)");
}

/// Changes when a file of the folder is replaced.
std::string fingerprint(const std::string& directory)
{
  std::ostringstream text;
  for (const char* name : { "config.json", "model.safetensors", "model.safetensors.index.json",
         "tokenizer.json", "preprocessor_config.json", "generation_config.json" })
  {
    std::error_code error;
    const fs::path path = fs::path(directory) / name;
    const auto size = fs::file_size(path, error);
    const auto time = fs::last_write_time(path, error).time_since_epoch().count();
    text << name << (error ? 0 : size) << "/" << (error ? 0 : time) << ";";
  }
  return text.str();
}

std::string cacheKey(const std::string& directory, const ModelOptions& options)
{
  std::error_code ignored;
  const fs::path path = fs::weakly_canonical(directory, ignored);
  return path.string() + "|" + std::to_string(static_cast<int>(options.precision)) + "|" +
    options.device + "|" + fingerprint(directory);
}

void checkQuestion(const Question& question)
{
  if (question.maxNewTokens < 1 || question.maxNewTokens > (1 << 20))
  {
    fail("MaxNewTokens ", question.maxNewTokens, " is not in [1, ", 1 << 20, "]");
  }
  if (question.alternatives < 1)
  {
    fail("the number of alternatives ", question.alternatives, " is less than 1");
  }
}

/// The generated ids with their scores, collected step by step.
struct Answer
{
  std::vector<std::int64_t> ids;
  std::vector<float> logprob;
  std::vector<std::int64_t> topkId;
  std::vector<float> topkLogprob;
  std::vector<float> logits; ///< [T, V] when asked for

  void keepLogits(const at::Tensor& row)
  {
    const at::Tensor values = row.to(at::kCPU, at::kFloat).contiguous(); // [V]
    const float* data = values.data_ptr<float>();
    this->logits.insert(this->logits.end(), data, data + values.numel());
  }

  void add(std::int64_t id, const at::Tensor& logits, std::int64_t k)
  {
    const at::Tensor logprobs = at::log_softmax(logits, 0).to(at::kCPU, at::kFloat); // [V]
    const auto [best, index] = logprobs.topk(k);                                    // [k], [k]
    this->ids.push_back(id);
    this->logprob.push_back(logprobs[id].item<float>());
    for (std::int64_t i = 0; i < k; ++i)
    {
      this->topkId.push_back(index[i].item<std::int64_t>());
      this->topkLogprob.push_back(best[i].item<float>());
    }
  }
};

Answer generate(Generation& generation, const LlavaModel::Impl& model, const Question& question,
  const at::Tensor& pixels, const Progress& progress)
{
  // The prompt's prefill counts as much as the whole answer: true enough for a progress bar.
  const auto half = [&](double from, double size)
  {
    return Progress([&progress, from, size](double fraction, const std::string& text)
      { return !progress || progress(from + size * fraction, text); });
  };
  Sampler sampler(question.temperature, question.topP, question.seed);
  const std::int64_t k = std::min(question.alternatives, model.config.text.vocabulary);
  Answer answer;
  at::Tensor logits = generation.prefill(pixels, half(0, 0.5)); // [V]
  for (std::int64_t t = 0;; ++t)
  {
    const std::int64_t id = sampler.next(logits);
    answer.add(id, logits, k);
    if (question.captureLogits)
    {
      answer.keepLogits(logits);
    }
    const bool ended = model.config.endTokens.count(id) != 0;
    if (ended || t + 1 == question.maxNewTokens)
    {
      return answer;
    }
    const double step = 0.5 / static_cast<double>(question.maxNewTokens);
    logits = generation.step(id, half(0.5 + static_cast<double>(t) * step, step));
  }
}

Tensor imageTensor(const RgbImage& seen)
{
  return Tensor::of(seen.pixels, { seen.height, seen.width, 3 });
}

std::string templateOf(const LlavaModel::Impl& model, const Question& question)
{
  return question.chatTemplate.empty() ? chooseChatTemplate(model.directory) : question.chatTemplate;
}

Prompt promptOf(const LlavaModel::Impl& model, const Question& question)
{
  const std::string imageToken = model.tokenizer.piece(model.config.imageTokenId);
  const ChatTemplate chat{ templateOf(model, question) };
  return makePrompt(
    chat.apply(question.prompt, question.system, imageToken), model.tokenizer, model.config);
}

void describeQuestion(Trace& trace, const Question& question, const LlavaModel::Impl& model)
{
  constexpr const char* Modes[] = { "Default", "Crop", "Pad", "Resize" };
  constexpr const char* Precisions[] = { "Float32", "BFloat16", "Float64" };
  const auto number = [](double value)
  {
    std::ostringstream text;
    text << value;
    return text.str();
  };
  trace.extra["model_directory"] = fs::absolute(model.directory).string();
  trace.extra["question"] = question.prompt;
  trace.extra["system_prompt"] = question.system;
  trace.extra["chat_template"] = templateOf(model, question);
  trace.extra["image_mode"] = Modes[static_cast<int>(question.imageMode)];
  trace.extra["temperature"] = number(question.temperature);
  trace.extra["top_p"] = number(question.topP);
  trace.extra["seed"] = std::to_string(question.seed);
  trace.extra["precision"] = Precisions[static_cast<int>(model.options.precision)];
  trace.extra["device"] = model.options.device;
}

/// JSON lists of the alternatives' pieces, [T][k]: their ids alone would mean nothing without the tokenizer.
std::string alternativePieces(const Tokenizer& tokenizer, const Answer& answer, std::int64_t T)
{
  nlohmann::json rows(static_cast<std::size_t>(T), nlohmann::json::array());
  for (std::size_t i = 0; i < answer.topkId.size(); ++i)
  {
    rows[i * static_cast<std::size_t>(T) / answer.topkId.size()].push_back(
      tokenizer.piece(answer.topkId[i]));
  }
  return rows.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

Trace traceOf(const LlavaModel::Impl& model, const Prompt& prompt, const Answer& answer,
  const RgbImage& seen)
{
  namespace tn = tensor_name;
  const auto T = static_cast<std::int64_t>(answer.ids.size());
  Trace trace;
  trace.model = fs::path(fs::absolute(model.directory).lexically_normal()).filename().string();
  trace.prompt = prompt.text;
  trace.answer = model.tokenizer.decode(answer.ids);
  trace.tokens = prompt.pieces;
  trace.roles = prompt.roles;
  std::vector<std::int64_t> ids = prompt.ids;
  for (const std::int64_t id : answer.ids)
  {
    ids.push_back(id);
    trace.tokens.push_back(model.tokenizer.piece(id));
    trace.roles.push_back(Role::Answer);
  }
  trace.promptLength = static_cast<std::int64_t>(prompt.ids.size());
  trace.imageStart = prompt.imageStart;
  trace.grid = { model.config.vision.gridEdge(), model.config.vision.gridEdge() };
  const auto positions = static_cast<std::int64_t>(ids.size());
  trace.tensors[tn::Image] = imageTensor(seen);
  trace.tensors[tn::TokenId] = Tensor::of(ids, { positions });
  trace.tensors[tn::AnswerLogprob] = Tensor::of(answer.logprob, { T });
  const std::int64_t k = static_cast<std::int64_t>(answer.topkId.size()) / T;
  trace.tensors[tn::TopkId] = Tensor::of(answer.topkId, { T, k });
  trace.tensors[tn::TopkLogprob] = Tensor::of(answer.topkLogprob, { T, k });
  trace.extra["answer.topk_token"] = alternativePieces(model.tokenizer, answer, T);
  if (!answer.logits.empty())
  {
    const std::int64_t V = static_cast<std::int64_t>(answer.logits.size()) / T;
    trace.tensors[tn::AnswerLogits] = Tensor::of(answer.logits, { T, V });
  }
  return trace;
}

std::string requiredFile(const std::string& directory, const char* name)
{
  std::error_code ignored;
  const std::string path = directory + "/" + name;
  if (!fs::exists(path, ignored))
  {
    fail(directory, ": the model folder has no ", name);
  }
  return path;
}

/// Layers of fewer weights than this are faster on one thread: waiting for a second one takes longer
/// than its share of the work, and milliseconds where other processes keep the cores busy.
constexpr std::int64_t SmallLayer = 1 << 19;

/// ModelOptions::threads, or for a tiny model 1 where nobody asked for a number.
int threadsFor(int asked, const LlavaConfig& config)
{
  const std::int64_t text = config.text.hidden * (4 * config.text.hidden + 3 * config.text.intermediate);
  const std::int64_t vision =
    config.vision.hidden * (4 * config.vision.hidden + 2 * config.vision.intermediate);
  const bool free = asked <= 0 && !std::getenv("OMP_NUM_THREADS");
  return free && std::max(text, vision) < SmallLayer ? 1 : asked;
}
}

LlavaModel::Impl::Impl(const std::string& folder, const ModelOptions& modelOptions)
  : directory(folder)
  , options(modelOptions)
  , config(readLlavaConfig(folder))
  , imageConfig(readImageProcessorConfig(requiredFile(folder, "preprocessor_config.json")))
  , tokenizer(requiredFile(folder, "tokenizer.json"))
  , checkpoint(std::make_shared<Checkpoint>(folder))
  , weights(checkpoint, scalarOf(modelOptions.precision), deviceOf(modelOptions.device))
  , vision(config, weights)
  , decoder(config.text, weights)
{
  this->options.threads = threadsFor(modelOptions.threads, this->config);
  if (this->tokenizer.piece(this->config.imageTokenId).empty())
  {
    fail(folder, ": image_token_index ", this->config.imageTokenId, " is not in tokenizer.json");
  }
}

at::Tensor LlavaModel::Impl::pixels(const RgbImage& seen) const
{
  const std::int64_t edge = this->config.vision.imageSize;
  if (seen.width != edge || seen.height != edge)
  {
    fail(this->directory, ": preprocessor_config.json makes pictures of ", seen.width, " x ",
      seen.height, ", the vision tower takes ", edge, " x ", edge);
  }
  const std::vector<float> values = normalizePixels(seen, this->imageConfig);
  return at::tensor(at::ArrayRef<float>(values))
    .view({ 3, edge, edge })
    .to(this->weights.device(), this->weights.type()); // [3, H, W]
}

LlavaModel::LlavaModel(const std::string& directory, const ModelOptions& options)
  : Self(translated([&] { return std::make_unique<Impl>(directory, options); }))
{
}

LlavaModel::~LlavaModel() = default;

std::shared_ptr<const LlavaModel> LlavaModel::open(
  const std::string& directory, const ModelOptions& options)
{
  static std::mutex mutex;
  static std::map<std::string, std::weak_ptr<const LlavaModel>> opened;
  // The last one stays open, so that re-running a filter alone does not parse everything again.
  static std::shared_ptr<const LlavaModel> last;
  const std::lock_guard<std::mutex> lock(mutex);
  const std::string key = cacheKey(directory, options);
  std::shared_ptr<const LlavaModel> model = opened[key].lock();
  if (!model)
  {
    opened.erase(key);
    model = std::make_shared<const LlavaModel>(directory, options);
    opened[key] = model;
  }
  last = model;
  return model;
}

const LlavaConfig& LlavaModel::config() const
{
  return this->Self->config;
}

const std::string& LlavaModel::directory() const
{
  return this->Self->directory;
}

std::string LlavaModel::description() const
{
  const LlavaConfig& config = this->Self->config;
  std::ostringstream text;
  text << "LLaVA, " << config.text.modelType << " decoder: " << config.text.layers << " layers, "
       << config.text.heads << " heads, width " << config.text.hidden << "; CLIP tower: "
       << config.visionLayersUsed << " of " << config.vision.layers << " layers, "
       << config.vision.gridEdge() << " x " << config.vision.gridEdge() << " patches; "
       << byteText(this->Self->checkpoint->bytes()) << " of "
       << nameOf(this->Self->checkpoint->storedType());
  return text.str();
}

std::int64_t LlavaModel::promptLength(const Question& question) const
{
  return static_cast<std::int64_t>(promptOf(*this->Self, question).ids.size());
}

QuestionCost LlavaModel::cost(const Question& question, std::int64_t promptLength) const
{
  const TextConfig& text = this->config().text;
  const VisionConfig& vision = this->config().vision;
  const std::int64_t T = question.maxNewTokens;
  const std::int64_t K = promptLength + T - 1;
  const std::size_t element = c10::elementSize(this->Self->weights.type());
  QuestionCost cost;
  if (question.captureAnswer)
  {
    cost.attentionAnswer = CaptureBuffer::bytes(text.layers, text.heads, T, K);
  }
  const auto full = resolveLayers(question.fullLayers, text.layers);
  cost.attentionFull =
    CaptureBuffer::bytes(static_cast<std::int64_t>(full.size()), text.heads, K, K);
  if (question.captureVision)
  {
    cost.attentionVision = CaptureBuffer::bytes(
      this->config().visionLayersUsed, vision.heads, vision.tokens(), vision.tokens());
  }
  cost.cache = this->Self->decoder.cacheBytes(K);
  const std::int64_t layerWeights =
    text.hidden * (2 * text.heads + 2 * text.keyValueHeads) * text.headSize +
    3 * text.hidden * text.intermediate;
  const std::int64_t activations = K * (6 * text.hidden + 3 * text.intermediate);
  cost.buffers = static_cast<std::size_t>(layerWeights + activations) * element;
  return cost;
}

Trace LlavaModel::ask(const Question& question, const Progress& progress) const
{
  return translated(
    [&]
    {
      const at::NoGradGuard guard;
      const Impl& model = *this->Self;
      useThreads(model.options.threads);
      checkQuestion(question);
      const Prompt prompt = promptOf(model, question);
      const QuestionCost cost = this->cost(question, static_cast<std::int64_t>(prompt.ids.size()));
      if (const std::size_t available = availableMemory(); cost.total() > available)
      {
        fail("this question needs up to ", byteText(cost.total()), " of memory (attention.answer ",
          byteText(cost.attentionAnswer), ", attention.full ", byteText(cost.attentionFull),
          ", attention.vision ", byteText(cost.attentionVision), ", cache ", byteText(cost.cache),
          ", buffers ", byteText(cost.buffers), "), ", byteText(available),
          " are available: capture fewer layers or lower MaxNewTokens (",
          question.maxNewTokens, ")");
      }
      const RgbImage seen = processImage(question.image, model.imageConfig, question.imageMode).seen;
      Generation generation(model, question, prompt);
      const Answer answer = generate(generation, model, question, model.pixels(seen), progress);
      Trace trace = traceOf(model, prompt, answer, seen);
      describeQuestion(trace, question, model);
      generation.moveCapture(trace, static_cast<std::int64_t>(answer.ids.size()));
      trace.validate();
      report(progress, 1, "Done");
      return trace;
    });
}

} // namespace lvlm
