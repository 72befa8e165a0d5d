// SPDX-License-Identifier: Apache-2.0
#include "TracedSequence.h"

#include "Models/Llava/Network/ImageFeatures.h"
#include "Models/Trace/Regions.h"

#include <algorithm>
#include <cinttypes>
#include <cmath>
#include <cstdio>

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
  const auto end = this->Ids.begin() + this->P;
  this->FeatureStart =
    std::find(this->Ids.begin(), end, model.config.imageTokenId) - this->Ids.begin();
  this->takePicture(where, trace);
  this->checkIds(where);
  this->checkRegions(where, trace);
}

void TracedSequence::checkIds(const std::string& where) const
{
  const checkpoint::LlavaConfig& config = this->Model.config;
  const auto isImage = [&](std::int64_t id) { return id == config.imageTokenId; };
  const auto end = this->Ids.begin() + this->P;
  for (auto id = this->Ids.begin(); id != this->Ids.end(); ++id)
  {
    // The image token of the prompt is replaced, so it need not have a row in the vocabulary.
    if ((*id < 0 || *id >= config.text.vocabulary) && !(id < end && isImage(*id)))
    {
      fail(where, "token id ", *id, " is outside its vocabulary of ", config.text.vocabulary);
    }
  }
  const std::int64_t images = std::count_if(this->Ids.begin(), end, isImage);
  const std::int64_t wanted = this->imageTokens();
  const auto first = this->Ids.begin() + this->FeatureStart;
  if (images != wanted || this->FeatureStart + wanted > this->P ||
    !std::all_of(first, first + wanted, isImage))
  {
    fail(where, images, " positions of image token ", config.imageTokenId, " from position ",
      this->FeatureStart, "; the model needs ", wanted, " in one piece");
  }
}

/// The patches are where the model has them.
void TracedSequence::checkRegions(const std::string& where, const Trace& trace) const
{
  const std::vector<Region> own = allRegions(trace);
  const std::vector<Region>& wanted = this->Seen.tokens.regions;
  const auto alike = [this](const Region& a, const Region& b)
  {
    return a.image == b.image && a.start == b.start + this->FeatureStart && a.stride == b.stride &&
      a.grid.rows == b.grid.rows && a.grid.cols == b.grid.cols;
  };
  if (!std::equal(own.begin(), own.end(), wanted.begin(), wanted.end(), alike))
  {
    const Region& last = wanted.back();
    fail(where, "a grid of ", trace.grid.rows, " x ", trace.grid.cols, " patches from position ",
      trace.imageStart, ", the model has ", last.grid.rows, " x ", last.grid.cols,
      " from position ", last.start + this->FeatureStart);
  }
}

namespace
{
/// From the metadata key `picture_size`: width, height.
picture::PictureSize givenSize(const Trace& trace, const std::string& where)
{
  picture::PictureSize size;
  const std::string text = trace.told("picture_size");
  int read = 0;
  if (std::sscanf(text.c_str(), "%" SCNd64 ",%" SCNd64 "%n", &size.width, &size.height, &read) !=
      2 ||
    static_cast<std::size_t>(read) != text.size())
  {
    fail(where,
      "it lacks picture_size (width,height), which a model that reads pictures in tiles "
      "needs");
  }
  return size;
}
}

void TracedSequence::takePicture(const std::string& where, const Trace& trace)
{
  const bool inTiles = this->Model.config.readsTiles();
  const std::int64_t size = this->Model.config.vision.seenEdge();
  this->Given = inTiles ? givenSize(trace, where) : picture::PictureSize{ size, size };
  const picture::ImageTokens tokens = this->Model.imageTokens(this->Given);
  std::vector<Tensor> pictures{ trace.tensor(tensor_name::Image) };
  if (inTiles)
  {
    const Tensor& tiles = trace.tensor(tensor_name::ImageTiles);
    pictures.push_back(tiles);
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
  else if (pictures[0].shape != std::vector<std::int64_t>{ size, size, 3 })
  {
    fail(where, "a picture of shape ", shapeText(pictures[0].shape), ", the model sees ", size,
      " x ", size);
  }
  this->Seen = seenAs(this->Model, pictures, tokens);
}

std::vector<std::int64_t> TracedSequence::ids(std::int64_t S) const
{
  std::vector<std::int64_t> ids(this->Ids.begin(), this->Ids.begin() + S);
  std::fill_n(ids.begin() + this->FeatureStart, this->imageTokens(), 0);
  return ids;
}

} // namespace lvlm::llava
