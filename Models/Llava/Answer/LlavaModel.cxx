// SPDX-License-Identifier: Apache-2.0
#include "Models/Llava/LlavaModel.h"

#include "AnswerTrace.h"
#include "Answering.h"
#include "Generation.h"

#include "Models/Llava/Network/LlavaModelImpl.h"
#include "Models/Llava/Runtime.h"
#include "Models/Ranks/Team.h"
#include "Models/Trace/FileStamp.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <mutex>
#include <set>
#include <sstream>

namespace lvlm::llava
{

namespace
{
namespace fs = std::filesystem;

at::ScalarType scalarOf(Precision precision)
{
  return precision == Precision::Float64 ? at::kDouble
    : precision == Precision::BFloat16   ? at::kBFloat16
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

/// Changes when a file that may have been read is edited, replaced, added or taken away.
std::string fingerprint(const std::string& directory)
{
  std::set<std::string> files; // in an order that does not change
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(directory, ignored))
  {
    const std::string extension = entry.path().extension().string();
    if (extension == ".json" || extension == ".jinja" || extension == ".safetensors")
    {
      files.insert(entry.path().filename().string() + ":" + fileStamp(entry.path().string()));
    }
  }
  std::string all;
  for (const std::string& file : files)
  {
    all += file + ";";
  }
  return all;
}

std::string cacheKey(const std::string& directory, const ModelOptions& options)
{
  std::error_code ignored;
  const fs::path path = fs::weakly_canonical(directory, ignored);
  return path.string() + "|" + std::to_string(static_cast<int>(options.precision)) + "|" +
    options.device + "|" + std::to_string(options.rank) + "/" + std::to_string(options.ranks) +
    "|" + fingerprint(directory);
}

/// The folder's tokenizer.json. Of other forms of a tokenizer it says how they become one.
std::string tokenizerFile(const std::string& directory)
{
  std::error_code ignored;
  std::string path = directory + "/tokenizer.json";
  if (fs::exists(path, ignored))
  {
    return path;
  }
  for (const char* other : { "tokenizer.model", "vocab.json", "tekken.json" })
  {
    if (fs::exists(directory + "/" + other, ignored))
    {
      fail(directory, ": the model folder has no tokenizer.json, and ", other,
        " is not read: transformers.AutoTokenizer.from_pretrained(folder).save_pretrained(folder) "
        "makes the one of the other");
    }
  }
  fail(directory, ": the model folder has no tokenizer.json");
}

/// Layers of fewer weights than this are faster on one thread: waiting for a second one takes
/// longer than its share of the work, and milliseconds where other processes keep the cores busy.
constexpr std::int64_t SmallLayer = 1 << 19;

/// ModelOptions::threads, or for a tiny model 1 where nobody asked for a number.
int threadsFor(int asked, const checkpoint::LlavaConfig& config)
{
  const std::int64_t text =
    config.text.hidden * (4 * config.text.hidden + 3 * config.text.intermediate);
  const std::int64_t vision =
    config.vision.hidden * (4 * config.vision.hidden + 2 * config.vision.intermediate);
  const bool free = asked <= 0 && !std::getenv("OMP_NUM_THREADS");
  return free && std::max(text, vision) < SmallLayer ? 1 : asked;
}
}

LlavaModel::Impl::Impl(const std::string& folder, const ModelOptions& modelOptions)
  : directory(folder), options(modelOptions), config(checkpoint::readLlavaConfig(folder)),
    imageConfig(picture::readImageProcessorConfig(folder)), tokenizer(tokenizerFile(folder)),
    checkpoint(std::make_shared<checkpoint::Checkpoint>(folder)),
    weights(checkpoint, scalarOf(modelOptions.precision), deviceOf(modelOptions.device)),
    vision(config, weights, modelOptions.rank == 0),
    decoder(config.text, weights,
      ranks::layersOfRank(config.text.layers, modelOptions.rank, modelOptions.ranks))
{
  this->options.threads = threadsFor(modelOptions.threads, this->config);
  if (this->tokenizer.piece(this->config.imageTokenId).empty())
  {
    fail(folder, ": image_token_index ", this->config.imageTokenId, " is not in tokenizer.json");
  }
}

picture::RgbImage LlavaModel::Impl::see(
  const picture::RgbImage& picture, picture::ImageMode mode) const
{
  const picture::RgbImage whole = picture::processImage(picture, this->imageConfig, mode).seen;
  const checkpoint::VisionConfig& vision = this->config.vision;
  if (whole.width != vision.imageSize || whole.height != vision.imageSize)
  {
    fail(this->directory, ": the image processor makes pictures of ", whole.width, " x ",
      whole.height, ", the vision tower takes ", vision.imageSize, " x ", vision.imageSize);
  }
  picture::RgbImage seen{ vision.seenEdge(), vision.seenEdge(), {} };
  for (std::int64_t row = 0; row < seen.height; ++row)
  {
    const auto begin = whole.pixels.begin() + row * whole.width * 3;
    seen.pixels.insert(seen.pixels.end(), begin, begin + seen.width * 3);
  }
  return seen;
}

at::Tensor LlavaModel::Impl::pixels(const picture::RgbImage& seen) const
{
  const std::int64_t edge = this->config.vision.seenEdge();
  if (seen.width != edge || seen.height != edge)
  {
    fail(this->directory, ": a picture of ", seen.width, " x ", seen.height,
      " pixels, the model sees ", edge, " x ", edge);
  }
  const std::vector<float> values = picture::normalizePixels(seen, this->imageConfig);
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

const checkpoint::LlavaConfig& LlavaModel::config() const
{
  return this->Self->config;
}

const std::string& LlavaModel::directory() const
{
  return this->Self->directory;
}

const ModelOptions& LlavaModel::options() const
{
  return this->Self->options;
}

LayerSpan LlavaModel::span() const
{
  return this->Self->decoder.span();
}

std::string LlavaModel::description() const
{
  const checkpoint::LlavaConfig& config = this->Self->config;
  std::ostringstream text;
  text << "LLaVA, " << config.text.modelType << " decoder: " << config.text.layers << " layers, "
       << config.text.heads << " heads, width " << config.text.hidden
       << (config.vision.classToken ? "; CLIP tower: " : "; SigLIP tower: ")
       << config.visionLayersUsed << " of " << config.vision.layers << " layers, "
       << config.vision.gridEdge() << " x " << config.vision.gridEdge() << " patches; "
       << byteText(this->Self->checkpoint->bytes()) << " of "
       << nameOf(this->Self->checkpoint->storedType());
  if (const ModelOptions& options = this->options(); options.ranks > 1)
  {
    text << "; rank " << options.rank << " of " << options.ranks << " runs layers ["
         << this->span().begin << ", " << this->span().end << ")";
  }
  return text.str();
}

std::int64_t LlavaModel::promptLength(const Question& question) const
{
  return static_cast<std::int64_t>(promptOf(*this->Self, question).ids.size());
}

QuestionCost LlavaModel::cost(const Question& question, std::int64_t promptLength) const
{
  const checkpoint::TextConfig& text = this->config().text;
  const checkpoint::VisionConfig& vision = this->config().vision;
  const std::int64_t T = question.maxNewTokens;
  const std::int64_t K = promptLength + T - 1;
  const LayerSpan span = this->span();
  const std::size_t element = c10::elementSize(this->Self->weights.type());
  QuestionCost cost;
  if (question.captureAnswer)
  {
    cost.attentionAnswer = CaptureBuffer::bytes(span.count(), text.heads, T, K);
  }
  const auto full = layersIn(span, resolveLayers(question.fullLayers, text.layers));
  cost.attentionFull =
    CaptureBuffer::bytes(static_cast<std::int64_t>(full.size()), text.heads, K, K);
  if (question.captureVision && this->Self->decoder.hasFirst())
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
  ranks::Team alone;
  return this->ask(question, progress, alone);
}

Trace LlavaModel::ask(const Question& question, const Progress& progress, ranks::Team& team) const
{
  const at::NoGradGuard guard;
  useThreads(this->Self->options.threads);
  return Answering(*this, question, team).run(progress);
}

} // namespace lvlm::llava
