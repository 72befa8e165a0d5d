// SPDX-License-Identifier: Apache-2.0
#include "Models/Llava/LlavaModel.h"

#include "AnswerTrace.h"
#include "Answering.h"
#include "Generation.h"

#include "Models/Llava/Network/LlavaModelImpl.h"
#include "Models/Llava/Runtime.h"
#include "Models/Ranks/Team.h"
#include "Models/Trace/ByteText.h"
#include "Models/Trace/FileStamp.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
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

/// A shard may not have been readable any more, of which the fingerprint knows nothing.
bool isIntact(const checkpoint::Checkpoint& checkpoint)
{
  try
  {
    checkpoint.requireIntact();
    return true;
  }
  catch (const Error&)
  {
    return false;
  }
}

/// The last folder that took long to be found unusable. Whoever shows a model asks several times
/// for what it says of it; files that are changed are looked at again at once, other causes after a
/// minute.
class SlowFailure
{
public:
  /// Throws what was thrown for the same files a short while ago.
  void repeat(const std::string& key) const
  {
    if (key == this->Key && Clock::now() < this->End)
    {
      throw Error(this->Text);
    }
  }

  std::shared_ptr<const LlavaModel> watch(
    const std::string& key, const std::function<std::shared_ptr<const LlavaModel>()>& open)
  {
    const auto begin = Clock::now();
    try
    {
      return open();
    }
    catch (const Error& error)
    {
      if (const auto now = Clock::now(); now - begin > std::chrono::seconds(1))
      {
        this->Key = key;
        this->Text = error.what();
        this->End = now + std::chrono::minutes(1);
      }
      throw;
    }
  }

private:
  using Clock = std::chrono::steady_clock;
  std::string Key, Text;
  Clock::time_point End;
};

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
  this->checkpoint->requireIntact(); // norms and biases have been read
  this->options.threads = threadsFor(modelOptions.threads, this->config);
  if (this->tokenizer.piece(this->config.imageTokenId).empty())
  {
    fail(folder, ": image_token_index ", this->config.imageTokenId, " is not in tokenizer.json");
  }
}

picture::RgbImage LlavaModel::Impl::underPatches(const picture::RgbImage& whole) const
{
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

picture::TilePlan LlavaModel::Impl::planOf(const picture::PictureSize& size) const
{
  const auto& own = this->imageConfig.canvases;
  if (!this->imageConfig.tiles || (!own.empty() && own != this->config.canvases))
  {
    fail(this->directory, ": config.json reads pictures in tiles, the image processor ",
      this->imageConfig.tiles ? "cuts other ones (image_grid_pinpoints)" : "makes none");
  }
  return picture::planTiles(size, this->config.canvases, this->config.vision.imageSize);
}

picture::ImageTokens LlavaModel::Impl::tokensOf(
  const picture::PictureSize& size, bool inTiles) const
{
  const checkpoint::VisionConfig& vision = this->config.vision;
  const PatchGrid grid{ vision.gridEdge(), vision.gridEdge() };
  const picture::TileTokens tile{ grid, this->config.leadingFeatures() };
  return inTiles ? picture::tokensOfTiles(this->planOf(size), tile, size, this->config.mostTiles)
                 : picture::tokensOfOne(
                     tile, { vision.seenEdge(), vision.seenEdge() }, this->config.readsTiles());
}

std::vector<picture::ImageTokens> LlavaModel::Impl::imageTokens(
  const std::vector<picture::PictureSize>& sizes) const
{
  std::vector<picture::ImageTokens> tokens;
  for (const picture::PictureSize& size : sizes)
  {
    tokens.push_back(this->tokensOf(size, this->config.readsTiles(sizes.size())));
  }
  return tokens;
}

picture::SeenPicture LlavaModel::Impl::seeTiles(const picture::RgbImage& picture) const
{
  picture::SeenPicture seen =
    picture::cutTiles(picture, this->planOf({ picture.width, picture.height }), this->imageConfig);
  for (picture::RgbImage& tile : seen.tiles)
  {
    tile = this->underPatches(tile);
  }
  return seen;
}

picture::SeenPicture LlavaModel::Impl::seeOne(
  const picture::RgbImage& picture, picture::ImageMode mode, bool inTiles) const
{
  picture::SeenPicture seen;
  if (inTiles)
  {
    if (mode != picture::ImageMode::Default)
    {
      fail(this->directory,
        ": ImageMode must be Default: this model reads a picture in tiles, which fit its shape");
    }
    seen = this->seeTiles(picture);
  }
  else
  {
    // Hugging Face's processor of tiles pads a picture that it does not cut.
    const bool padded = this->config.readsTiles() && mode == picture::ImageMode::Default;
    seen.shown = this->underPatches(
      picture::processImage(picture, this->imageConfig, padded ? picture::ImageMode::Pad : mode)
        .seen);
  }
  seen.tokens = this->tokensOf({ picture.width, picture.height }, inTiles);
  return seen;
}

std::vector<picture::SeenPicture> LlavaModel::Impl::see(
  const std::vector<picture::RgbImage>& pictures, picture::ImageMode mode) const
{
  std::vector<picture::SeenPicture> seen;
  for (const picture::RgbImage& picture : pictures)
  {
    seen.push_back(this->seeOne(picture, mode, this->config.readsTiles(pictures.size())));
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
  static SlowFailure failure;
  const std::lock_guard<std::mutex> lock(mutex);
  const std::string key = cacheKey(directory, options);
  std::shared_ptr<const LlavaModel> model = opened[key].lock();
  if (!model || !isIntact(*model->impl().checkpoint))
  {
    opened.erase(key);
    failure.repeat(key);
    model =
      failure.watch(key, [&] { return std::make_shared<const LlavaModel>(directory, options); });
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
       << config.vision.gridEdge() << " x " << config.vision.gridEdge()
       << (config.readsTiles() ? " patches a tile; " : " patches; ")
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
  std::vector<picture::PictureSize> sizes = sizesOf(question.images);
  if (sizes.empty())
  {
    sizes.emplace_back();
    for (const auto& [height, width] : this->config().canvases)
    {
      const bool larger = width * height > sizes[0].width * sizes[0].height;
      sizes[0] = larger ? picture::PictureSize{ width, height } : sizes[0];
    }
  }
  return static_cast<std::int64_t>(promptOf(*this->Self, question, sizes).ids.size());
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
