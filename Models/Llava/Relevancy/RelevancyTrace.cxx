// SPDX-License-Identifier: Apache-2.0
// RelevancyRun: does the trace belong to the model, and the forward pass over it.
#include "RelevancyRun.h"

#include "Models/Llava/Runtime.h"

#include <algorithm>

namespace lvlm::llava
{

RelevancyRun::RelevancyRun(std::shared_ptr<const LlavaModel> model, const Trace& trace)
  : Owner(std::move(model)), Model(this->Owner->impl()), TraceModel(trace.model),
    P(trace.promptLength), T(trace.answerLength()), ImageStart(trace.imageStart)
{
  trace.validate();
  const std::string where =
    "the trace of model '" + trace.model + "' does not fit " + this->Model.directory + ": ";
  if (this->P < 1 || this->T < 1)
  {
    fail(where, "a prompt of ", this->P, " positions and an answer of ", this->T, " tokens");
  }
  this->checkIds(where, trace);
  this->checkPicture(where, trace);
  if (trace.has(tensor_name::AnswerLogprob))
  {
    this->Logprob.resize(static_cast<std::size_t>(this->T));
    trace.tensor(tensor_name::AnswerLogprob).toFloat(0, this->T, this->Logprob.data());
  }
  // float32 reproduces itself on other machines to 1e-3 in the logits; bfloat16 has 8 bits,
  // float16 11.
  const auto recorded = trace.extra.find("precision");
  const bool coarse = this->Model.options.precision == Precision::BFloat16 ||
    (recorded != trace.extra.end() &&
      (recorded->second == "BFloat16" || recorded->second == "Float16"));
  this->LogprobTolerance = coarse ? 0.5 : 0.01;
}

void RelevancyRun::checkIds(const std::string& where, const Trace& trace)
{
  const checkpoint::LlavaConfig& config = this->Model.config;
  const Tensor& ids = trace.tensor(tensor_name::TokenId);
  this->Ids.assign(ids.as<std::int64_t>(), ids.as<std::int64_t>() + ids.count());
  const auto end = this->Ids.begin() + this->P;
  const auto first = std::find(this->Ids.begin(), end, config.imageTokenId);
  const std::int64_t images = std::count(this->Ids.begin(), end, config.imageTokenId);
  const std::int64_t wanted = config.imageTokens();
  this->FeatureStart = first - this->Ids.begin();
  const auto isImage = [&](std::int64_t id) { return id == config.imageTokenId; };
  for (auto id = this->Ids.begin(); id != this->Ids.end(); ++id)
  {
    // The image token of the prompt is replaced, so it need not have a row in the vocabulary.
    if ((*id < 0 || *id >= config.text.vocabulary) && !(id < end && isImage(*id)))
    {
      fail(where, "token id ", *id, " is outside its vocabulary of ", config.text.vocabulary);
    }
  }
  if (images != wanted || this->FeatureStart + wanted > this->P ||
    !std::all_of(first, first + wanted, isImage) ||
    this->ImageStart != this->FeatureStart + (config.dropClassToken ? 0 : 1))
  {
    fail(where, images, " positions of image token ", config.imageTokenId, " from position ",
      this->FeatureStart, ", image_start ", this->ImageStart, "; the model needs ", wanted,
      " in one piece");
  }
}

void RelevancyRun::checkPicture(const std::string& where, const Trace& trace)
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

std::int64_t RelevancyRun::resolve(std::int64_t token) const
{
  if (token < -this->T || token >= this->T)
  {
    fail("answer token ", token, " is out of range: the answer has tokens 0 to ", this->T - 1);
  }
  return token < 0 ? token + this->T : token;
}

at::TensorOptions RelevancyRun::options() const
{
  return at::TensorOptions(gradientType(this->Model.weights.type()))
    .device(this->Model.weights.device());
}

void RelevancyRun::checkMemory(std::int64_t S) const
{
  const checkpoint::TextConfig& text = this->Model.config.text;
  const checkpoint::VisionConfig& vision = this->Model.config.vision;
  const Decoder& decoder = this->Model.decoder;
  const std::int64_t tower = decoder.hasFirst()
    ? (this->Model.config.visionLayersUsed + 1) * vision.tokens() * vision.hidden
    : 0;
  const std::int64_t inputs = (decoder.span().count() + 1) * S * text.hidden + tower;
  const std::int64_t intermediates = S * (16 * text.hidden + 6 * text.intermediate);
  const std::int64_t weights =
    text.hidden * (2 * text.heads + 2 * text.keyValueHeads) * text.headSize +
    3 * text.hidden * text.intermediate;
  const auto element = static_cast<std::int64_t>(this->options().dtype().itemsize());
  const auto needed = static_cast<std::size_t>(
    (inputs + intermediates + weights) * element + 2 * RelevancyGroupBytes);
  // The other ranks of the host need about as much at the same time.
  const auto sharing = static_cast<std::size_t>(this->Model.options.ranks > 1 ? ranksOnHost() : 1);
  if (const std::size_t available = availableMemory() / sharing; needed > available)
  {
    fail("relevancy over ", S, " positions needs about ", byteText(needed), " of memory, ",
      byteText(available), " are available");
  }
}

void RelevancyRun::checkTeam(const ranks::Team& team) const
{
  const ModelOptions& options = this->Model.options;
  if (options.rank != team.rank() || options.ranks != team.size())
  {
    fail(this->Model.directory, ": opened as rank ", options.rank, " of ", options.ranks,
      ", its relevancy asked for on rank ", team.rank(), " of ", team.size());
  }
}

SweepInput RelevancyRun::sweepInput(std::int64_t lastToken) const
{
  SweepInput input;
  input.ids.assign(this->Ids.begin(), this->Ids.begin() + this->P + lastToken);
  std::fill_n(input.ids.begin() + this->FeatureStart, this->Model.config.imageTokens(), 0);
  input.featureStart = this->FeatureStart;
  if (this->Model.decoder.hasFirst())
  {
    input.pixels = this->Model.pixels(this->Seen);
  }
  return input;
}

std::unique_ptr<RelevancySweep> RelevancyRun::forward(
  std::int64_t lastToken, ranks::Team& team, const Progress& progress) const
{
  std::unique_ptr<RelevancySweep> sweep;
  team.together(
    [&]
    {
      translated(
        [&]
        {
          this->checkTeam(team);
          this->checkMemory(this->P + lastToken);
          sweep = std::make_unique<RelevancySweep>(this->Model, team, this->sweepInput(lastToken));
        });
    });
  sweep->forward(progress);
  team.together(
    [&]
    {
      if (this->Model.decoder.hasLast())
      {
        translated([&] { this->checkLogprobs(*sweep, lastToken); });
      }
    });
  return sweep;
}

void RelevancyRun::checkLogprobs(RelevancySweep& sweep, std::int64_t lastToken) const
{
  const LogitGradient logits(this->Model.decoder, sweep.top(this->P - 1), sweep.workspace());
  for (std::int64_t t = 0; t <= lastToken && !this->Logprob.empty(); ++t)
  {
    const double recorded = this->Logprob[static_cast<std::size_t>(t)];
    const double now = logits.logprob(t, this->Ids[static_cast<std::size_t>(this->P + t)]);
    if (!(std::abs(recorded - now) <= this->LogprobTolerance * (1 + 0.1 * std::abs(recorded))))
    {
      fail("the trace was not made by the model in ", this->Model.directory,
        " as it is now: answer token ", t, " has log-probability ", recorded,
        " in the trace of model '", this->TraceModel, "' and ", now, " here");
    }
  }
}

} // namespace lvlm::llava
