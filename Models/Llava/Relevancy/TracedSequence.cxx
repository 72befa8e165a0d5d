// SPDX-License-Identifier: Apache-2.0
#include "TracedSequence.h"

#include "Models/Llava/Network/ImageFeatures.h"
#include "Models/Trace/Regions.h"

#include <algorithm>
#include <cinttypes>
#include <cmath>
#include <cstdio>
#include <sstream>

namespace lvlm::llava
{

namespace
{
/// How far log-probabilities may lie from the recorded ones: float32 reproduces itself on other
/// machines to 1e-3 in the logits; bfloat16 has 8 bits, float16 11.
double logprobTolerance(const LlavaModel::Impl& model, const Trace& trace)
{
  const std::string recorded = trace.told("precision");
  const bool coarse = model.options.precision == Precision::BFloat16 || recorded == "BFloat16" ||
    recorded == "Float16";
  return coarse ? 0.5 : 0.01;
}
}

RecordedLogprobs::RecordedLogprobs(const LlavaModel::Impl& model, const Trace& trace)
  : Folder(model.directory), Name(trace.model), Tolerance(logprobTolerance(model, trace))
{
  if (trace.has(tensor_name::AnswerLogprob))
  {
    const Tensor& all = trace.tensor(tensor_name::AnswerLogprob);
    this->Values.resize(static_cast<std::size_t>(all.count()));
    all.toFloat(0, all.count(), this->Values.data());
  }
}

void RecordedLogprobs::check(std::int64_t token, double now) const
{
  const double recorded = this->Values[static_cast<std::size_t>(token)];
  if (!(std::abs(recorded - now) <= this->Tolerance * (1 + 0.1 * std::abs(recorded))))
  {
    fail("the trace was not made by the model in ", this->Folder, " as it is now: answer token ",
      token, " has log-probability ", recorded, " in the trace of model '", this->Name, "' and ",
      now, " here");
  }
}

TracedSequence::TracedSequence(const LlavaModel::Impl& model, const Trace& trace)
  : Model(model), P(trace.promptLength), ImageStart(trace.imageStart), Logprobs(model, trace)
{
  trace.validate();
  const std::string where =
    "the trace of model '" + trace.model + "' does not fit " + model.directory + ": ";
  if (const std::string changed = trace.told("intervention"); !changed.empty())
  {
    fail("this answer was given under an intervention (", changed,
      "): the model without it would not give it, so nothing more can be computed of it than what "
      "was recorded");
  }
  if (this->P < 1 || trace.answerLength() < 1)
  {
    fail(where, "a prompt of ", this->P, " positions and an answer of ", trace.answerLength(),
      " tokens");
  }
  const Tensor& ids = trace.tensor(tensor_name::TokenId);
  this->Ids.assign(ids.as<std::int64_t>(), ids.as<std::int64_t>() + ids.count());
  this->takePictures(where, trace);
  this->checkIds(where);
  this->placeImages(where);
  this->checkRegions(where, trace);
}

/// The pictures' tokens are runs of image tokens, each as long as its picture needs.
void TracedSequence::placeImages(const std::string& where)
{
  const std::int64_t image = this->Model.config.imageTokenId;
  const auto end = this->Ids.begin() + this->P;
  auto at = this->Ids.begin();
  for (const picture::SeenPicture& seen : this->Seen)
  {
    const std::int64_t wanted = seen.tokens.count;
    at = std::find(at, end, image);
    if (end - at < wanted ||
      !std::all_of(at, at + wanted, [image](std::int64_t id) { return id == image; }))
    {
      fail(where, std::count(this->Ids.begin(), end, image), " positions of image token ", image,
        "; from position ", at - this->Ids.begin(), " on the model needs ", wanted,
        " in one piece");
    }
    this->Images.push_back({ at - this->Ids.begin(), seen.tokens });
    at += wanted;
  }
  if (const auto more = std::find(at, end, image); more != end)
  {
    fail(where, "image token ", image, " at position ", more - this->Ids.begin(),
      " is of none of its ", this->Seen.size(), " pictures");
  }
}

void TracedSequence::checkIds(const std::string& where) const
{
  const checkpoint::LlavaConfig& config = this->Model.config;
  const auto end = this->Ids.begin() + this->P;
  for (auto id = this->Ids.begin(); id != this->Ids.end(); ++id)
  {
    // The image tokens of the prompt are replaced, so they need not have a row in the vocabulary.
    const bool isImage = id < end && *id == config.imageTokenId;
    if ((*id < 0 || *id >= config.text.vocabulary) && !isImage)
    {
      fail(where, "token id ", *id, " is outside its vocabulary of ", config.text.vocabulary);
    }
  }
}

/// The patches are where the model has them.
void TracedSequence::checkRegions(const std::string& where, const Trace& trace) const
{
  const std::vector<Region> own = allRegions(trace);
  auto next = own.begin();
  for (std::size_t i = 0; i < this->Images.size(); ++i)
  {
    for (const Region& wanted : this->Images[i].tokens.regions)
    {
      const std::int64_t start = this->Images[i].start + wanted.start;
      if (next == own.end() || next->image != static_cast<std::int64_t>(i) ||
        next->start != start || next->stride != wanted.stride ||
        next->grid.rows != wanted.grid.rows || next->grid.cols != wanted.grid.cols)
      {
        fail(where, "a grid of ", trace.grid.rows, " x ", trace.grid.cols,
          " patches from position ", trace.imageStart, ", the model has ", wanted.grid.rows, " x ",
          wanted.grid.cols, " from position ", start);
      }
      ++next;
    }
  }
  if (next != own.end())
  {
    fail(where, "it has ", own.size(), " regions of patches, the model ", next - own.begin());
  }
}

namespace
{
/// From the metadata key `picture_size`: width, height of each picture.
std::vector<picture::PictureSize> givenSizes(
  const Trace& trace, std::size_t pictures, const std::string& where)
{
  std::vector<picture::PictureSize> sizes;
  std::istringstream told(trace.told("picture_size"));
  for (std::string text; std::getline(told, text, ';');)
  {
    picture::PictureSize size;
    int read = 0;
    if (std::sscanf(text.c_str(), "%" SCNd64 ",%" SCNd64 "%n", &size.width, &size.height, &read) !=
        2 ||
      static_cast<std::size_t>(read) != text.size())
    {
      sizes.clear();
      break;
    }
    sizes.push_back(size);
  }
  if (sizes.size() != pictures)
  {
    fail(where,
      "it lacks picture_size (width,height of each picture), which a model that reads pictures in "
      "tiles needs");
  }
  return sizes;
}
}

void TracedSequence::takePictures(const std::string& where, const Trace& trace)
{
  const auto count = static_cast<std::size_t>(pictureCount(trace));
  if (count == 0)
  {
    fail(where, "it has no tensor 'image'");
  }
  const bool inTiles = this->Model.config.readsTiles(count);
  const std::int64_t size = this->Model.config.vision.seenEdge();
  this->Given = inTiles ? givenSizes(trace, count, where)
                        : std::vector<picture::PictureSize>(count, { size, size });
  const std::vector<picture::ImageTokens> tokens = this->Model.imageTokens(this->Given);
  for (std::size_t i = 0; i < count; ++i)
  {
    const auto number = static_cast<std::int64_t>(i);
    const Tensor& shown = trace.tensor(pictureName(number));
    const Tensor* tiles = inTiles ? &trace.tensor(tilesName(number)) : nullptr;
    if (inTiles)
    {
      this->checkTiles(where, *tiles, tokens[i]);
    }
    else if (shown.shape != std::vector<std::int64_t>{ size, size, 3 })
    {
      fail(where, "a picture of shape ", shapeText(shown.shape), ", the model sees ", size, " x ",
        size);
    }
    this->Seen.push_back(seenAs(this->Model, shown, tiles, tokens[i]));
  }
}

void TracedSequence::checkTiles(
  const std::string& where, const Tensor& tiles, const picture::ImageTokens& tokens) const
{
  const std::int64_t size = this->Model.config.vision.seenEdge();
  const std::int64_t patches = this->Model.config.vision.patches();
  const std::int64_t last =
    tokens.sources.empty() ? 0 : *std::max_element(tokens.sources.begin(), tokens.sources.end());
  if (tiles.dtype != DType::U8 || tiles.shape.size() != 4 || tiles.extent(0) <= last / patches ||
    tiles.extent(1) != size || tiles.extent(2) != size || tiles.extent(3) != 3)
  {
    fail(where, "tiles of shape ", shapeText(tiles.shape), ", the model sees at least ",
      last / patches + 1, " of ", size, " x ", size);
  }
}

std::vector<std::int64_t> TracedSequence::ids(std::int64_t S) const
{
  return textIds({ this->Ids.begin(), this->Ids.begin() + S }, this->Images);
}

} // namespace lvlm::llava
