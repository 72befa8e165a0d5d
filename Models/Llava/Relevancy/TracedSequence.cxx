// SPDX-License-Identifier: Apache-2.0
#include "TracedSequence.h"

#include <algorithm>
#include <cmath>

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
  this->checkIds(where);
  this->takePicture(where, trace);
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
  const std::int64_t wanted = config.imageTokens();
  const auto first = this->Ids.begin() + this->FeatureStart;
  if (images != wanted || this->FeatureStart + wanted > this->P ||
    !std::all_of(first, first + wanted, isImage) ||
    this->ImageStart != this->FeatureStart + config.leadingFeatures())
  {
    fail(where, images, " positions of image token ", config.imageTokenId, " from position ",
      this->FeatureStart, ", image_start ", this->ImageStart, "; the model needs ", wanted,
      " in one piece");
  }
}

void TracedSequence::takePicture(const std::string& where, const Trace& trace)
{
  const checkpoint::VisionConfig& vision = this->Model.config.vision;
  const std::int64_t edge = vision.gridEdge(), size = vision.seenEdge();
  if (trace.grid.rows != edge || trace.grid.cols != edge)
  {
    fail(where, "a grid of ", trace.grid.rows, " x ", trace.grid.cols, " patches, the model has ",
      edge, " x ", edge);
  }
  const Tensor& image = trace.tensor(tensor_name::Image);
  if (image.shape != std::vector<std::int64_t>{ size, size, 3 })
  {
    fail(
      where, "a picture of shape ", shapeText(image.shape), ", the model sees ", size, " x ", size);
  }
  this->Seen.width = this->Seen.height = size;
  this->Seen.pixels.assign(image.as<std::uint8_t>(), image.as<std::uint8_t>() + image.count());
}

std::vector<std::int64_t> TracedSequence::ids(std::int64_t S) const
{
  std::vector<std::int64_t> ids(this->Ids.begin(), this->Ids.begin() + S);
  std::fill_n(ids.begin() + this->FeatureStart, this->Model.config.imageTokens(), 0);
  return ids;
}

} // namespace lvlm::llava
