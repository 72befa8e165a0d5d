// SPDX-License-Identifier: Apache-2.0
#include "RelevancySweep.h"

#include "Models/Llava/Network/ImageFeatures.h"
#include "Models/Llava/Network/Products.h"
#include "Models/Llava/Network/TorchTensors.h"
#include "Models/Llava/Runtime.h"
#include "Models/Ranks/MessageHead.h"
#include "Models/Trace/ByteText.h"

#include <algorithm>

namespace lvlm::llava
{

LayerProduct::LayerProduct(at::Tensor rows, std::int64_t offset)
  : Rows(std::move(rows)), Delta(at::zeros_like(this->Rows)), Offset(offset)
{
}

void LayerProduct::add(std::int64_t first, const at::Tensor& relevance)
{
  const std::int64_t width = this->Rows.size(1);
  const std::int64_t begin = std::max(first, this->Offset);
  const std::int64_t end = std::min(first + relevance.size(0), this->Offset + width);
  const std::int64_t keys = std::min(relevance.size(1), this->Offset + width) - this->Offset;
  if (begin >= end || keys <= 0)
  {
    return;
  }
  const at::Tensor C = relevance.narrow(0, begin - first, end - begin)
                         .narrow(1, this->Offset, keys)
                         .to(this->Rows.scalar_type());                            // [n, keys]
  const at::Tensor rows = this->Rows.narrow(1, begin - this->Offset, end - begin); // [m, n]
  this->Delta.narrow(1, 0, keys)
    .add_(batchedProduct(rows.unsqueeze(0), C.unsqueeze(0), 1, this->Pool).squeeze(0));
}

void LayerProduct::commit()
{
  this->Rows.add_(this->Delta);
  this->Delta.zero_();
}

Tensor LayerProduct::sent() const
{
  return fromTorch(this->Rows);
}

void LayerProduct::receive(const Tensor& rows)
{
  this->Rows = received(rows, this->Rows.sizes(), this->Rows.options());
}

namespace
{
std::string layerText(const char* what, std::int64_t layer, std::int64_t layers)
{
  return std::string(what) + ", layer " + std::to_string(layer + 1) + " of " +
    std::to_string(layers);
}
}

RelevancySweep::RelevancySweep(const LlavaModel::Impl& model, const TracedSequence& sequence,
  std::int64_t last, ranks::Team& team, const Progress& progress, const SweepResults& results,
  bool roundedGradients)
  : Model(model), Sequence(sequence), Team(team), Ids(sequence.ids(sequence.position(last) + 1))
{
  this->Buffers.roundsGradients = roundedGradients;
  team.together([&] { this->checkBeforehand(results); });
  this->pass(
    ranks::Direction::Forwards,
    [this](ranks::Message given, const Progress& own)
    { return this->forwardTurn(std::move(given), own); },
    progress);
  team.together([this] { translated([this] { this->checkLogprobs(); }); });
}

at::TensorOptions RelevancySweep::options() const
{
  return at::TensorOptions(gradientType(this->Model.weights.type()))
    .device(this->Model.weights.device());
}

void RelevancySweep::checkBeforehand(const SweepResults& results) const
{
  const ModelOptions& opened = this->Model.options;
  if (opened.rank != this->Team.rank() || opened.ranks != this->Team.size())
  {
    fail(this->Model.directory, ": opened as rank ", opened.rank, " of ", opened.ranks,
      ", its relevancy asked for on rank ", this->Team.rank(), " of ", this->Team.size());
  }
  const checkpoint::TextConfig& text = this->Model.config.text;
  const checkpoint::VisionConfig& vision = this->Model.config.vision;
  const Decoder& decoder = this->Model.decoder;
  const std::int64_t S = this->positions();
  const std::int64_t tower = decoder.hasFirst()
    ? (this->Model.config.visionLayersUsed + 1) * vision.tokens() * vision.hidden
    : 0;
  const std::int64_t inputs = (decoder.span().count() + 1) * S * text.hidden + tower;
  const std::int64_t intermediates = S * (16 * text.hidden + 6 * text.intermediate);
  const std::int64_t weights =
    text.hidden * (2 * text.heads + 2 * text.keyValueHeads) * text.headSize +
    3 * text.hidden * text.intermediate;
  const auto element = static_cast<std::int64_t>(this->options().dtype().itemsize());
  const auto needed = results.bytes +
    static_cast<std::size_t>(
      (inputs + intermediates + weights) * element + 2 * RelevancyGroupBytes);
  if (const std::size_t available = availableMemory(opened.ranks); needed > available)
  {
    const std::string part =
      results.bytes > 0 ? " (" + byteText(results.bytes) + " of it for " + results.what + ")" : "";
    fail("relevancy over ", S, " positions needs about ", byteText(needed), " of memory", part,
      ", ", byteText(available), " are available");
  }
}

at::Tensor RelevancySweep::top() const
{
  const std::int64_t first = this->Sequence.position(0);
  return this->DecoderInputs.back().narrow(0, first, this->positions() - first);
}

void RelevancySweep::checkLogprobs()
{
  if (!this->Model.decoder.hasLast() || this->Sequence.logprobs().empty())
  {
    return;
  }
  const LogitGradient logits(this->Model.decoder, this->top(), this->Buffers);
  for (std::int64_t t = 0; this->Sequence.position(t) < this->positions(); ++t)
  {
    const double logprob = logits.logprob(t, this->Sequence.answerId(t));
    this->Model.checkpoint->requireIntact();
    this->Sequence.logprobs().check(t, logprob);
  }
}

GradientJob RelevancySweep::start(std::int64_t from, std::int64_t to,
  const std::function<at::Tensor(const LogitGradient& logits, std::int64_t token)>& row)
{
  GradientJob job;
  job.name = "answer token " + std::to_string(to);
  job.first = this->Sequence.position(from);
  const auto make = [&]
  {
    const LogitGradient logits(this->Model.decoder, this->top(), this->Buffers);
    std::vector<at::Tensor> rows;
    for (std::int64_t t = from; t <= to; ++t)
    {
      rows.push_back(row(logits, t));
    }
    job.gradient = at::cat(rows, 0); // [to - from + 1, D]
    this->Model.checkpoint->requireIntact();
  };
  this->Team.together(
    [&]
    {
      if (this->Model.decoder.hasLast())
      {
        translated(make);
      }
    });
  return job;
}

GradientJob RelevancySweep::logits(std::int64_t from, std::int64_t to, double factor)
{
  return this->start(from, to,
    [this, factor](const LogitGradient& logits, std::int64_t t)
    { return logits.back(t, this->Sequence.answerId(t)) * factor; });
}

GradientJob RelevancySweep::logprob(std::int64_t token)
{
  return this->start(token, token,
    [this](const LogitGradient& logits, std::int64_t t)
    { return logits.logprobBack(t, this->Sequence.answerId(t)); });
}

void RelevancySweep::forwardVision(const Progress& progress)
{
  const VisionTower& tower = this->Model.vision;
  this->VisionInputs.push_back(
    tower.embed(this->Model.pixels(this->Sequence.pictures()[0].shown), this->Buffers)
      .to(gradientType(this->Model.weights.type()))); // [N, D]
  for (std::int64_t i = 0; i < tower.layers(); ++i)
  {
    report(progress, 0.5 * static_cast<double>(i) / static_cast<double>(tower.layers()),
      layerText("Seeing the picture", i, tower.layers()));
    this->VisionInputs.push_back(
      VisionLayerGradient(tower.layer(i), this->VisionInputs.back(), this->Buffers).output());
    this->checkFinite(this->VisionInputs.back(), "the output of vision layer " + std::to_string(i));
  }
  this->Checks.finish();
}

/// Over the ranks that have layers.
ranks::Message RelevancySweep::pass(
  ranks::Direction direction, const ranks::Team::Turn& turn, const Progress& progress)
{
  const auto workers =
    static_cast<int>(std::min<std::int64_t>(this->Team.size(), this->Model.decoder.layers()));
  return this->Team.pass(
    direction, workers,
    [&](ranks::Message given, const Progress& own)
    {
      const Pulse::Scope scope(this->Buffers.pulse, own);
      return translated(
        [&]
        {
          ranks::Message handed = turn(std::move(given), scope.progress());
          this->Model.checkpoint->requireIntact();
          return handed;
        });
    },
    progress);
}

/// Of each picture: [image tokens, D]. Through the tower the gradient goes on for the first one
/// alone, and in tiles for none: the layers of the others need not be kept.
std::vector<at::Tensor> RelevancySweep::imageTokens(const Progress& progress)
{
  std::vector<picture::SeenPicture> others = this->Sequence.pictures();
  std::vector<at::Tensor> tokens;
  if (!this->Model.config.readsTiles())
  {
    others.erase(others.begin());
    this->forwardVision(progress);
    tokens.push_back(ProjectorGradient(
      this->Model.vision, this->Model.vision.features(this->VisionInputs), this->Buffers)
                       .output());
  }
  for (at::Tensor& seen : imageFeatures(this->Model, others, this->Buffers, nullptr, progress))
  {
    tokens.push_back(seen.to(gradientType(this->Model.weights.type())));
  }
  return tokens;
}

/// What enters the decoder: [S, D]
at::Tensor RelevancySweep::embed(const Progress& progress)
{
  const std::vector<at::Tensor> images = this->imageTokens(progress);
  const at::Tensor hidden =
    this->Model.decoder.embed(this->Ids).to(images[0].scalar_type()); // [S, D]
  placeFeatures(hidden, this->Sequence.images(), images);
  return hidden;
}

ranks::Message RelevancySweep::forwardTurn(ranks::Message given, const Progress& progress)
{
  const Decoder& decoder = this->Model.decoder;
  at::Tensor hidden = decoder.hasFirst()
    ? this->embed(progress)
    : received(
        given.tensors.at(0), { this->positions(), decoder.config().hidden }, this->options());
  this->DecoderInputs.assign(1, hidden);
  const std::int64_t layers = decoder.layers();
  for (std::int64_t i = decoder.span().begin; i < decoder.span().end; ++i)
  {
    report(progress, 0.5 + 0.5 * static_cast<double>(i) / static_cast<double>(layers),
      layerText("Reading prompt and answer", i, layers));
    hidden = DecoderLayerGradient(decoder.layer(i), hidden, this->Buffers).output();
    this->checkFinite(hidden, "the output of decoder layer " + std::to_string(i));
    this->DecoderInputs.push_back(hidden);
  }
  this->Checks.finish();
  return decoder.hasLast() ? ranks::Message() : ranks::Message{ {}, { fromTorch(hidden) } };
}

void RelevancySweep::checkFinite(const at::Tensor& values, const std::string& where)
{
  requireFinite(this->Checks, values, this->Model.directory + ": " + where);
}

void RelevancySweep::checkGradient(const GradientJob& job, const std::string& where)
{
  this->checkFinite(job.gradient, "the gradient of " + job.name + " at " + where);
}

namespace
{
GradientTaps tapsOf(const GradientJob& job, std::int64_t layer, bool counts)
{
  GradientTaps taps;
  if (job.tap)
  {
    taps.gradient = [&job, layer](std::int64_t first, const at::Tensor& gradient)
    { job.tap(layer, first, gradient); };
  }
  if (counts && !job.products.empty())
  {
    taps.relevance = [&job](std::int64_t first, const at::Tensor& relevance)
    {
      for (const auto& product : job.products)
      {
        product->add(first, relevance);
      }
    };
  }
  return taps;
}

/// All products of some jobs, each once.
std::vector<LayerProduct*> productsOf(const std::vector<GradientJob>& jobs)
{
  std::vector<LayerProduct*> all;
  for (const GradientJob& job : jobs)
  {
    for (const auto& product : job.products)
    {
      if (std::find(all.begin(), all.end(), product.get()) == all.end())
      {
        all.push_back(product.get());
      }
    }
  }
  return all;
}

void commit(const std::vector<GradientJob>& jobs)
{
  for (LayerProduct* product : productsOf(jobs))
  {
    product->commit();
  }
}
}

/// One layer back with all jobs.
void RelevancySweep::decoderLayer(
  std::int64_t i, std::vector<GradientJob>& jobs, bool toImage, const Progress& progress)
{
  const Decoder& decoder = this->Model.decoder;
  const std::int64_t layers = decoder.layers();
  const DecoderLayerGradient layer(decoder.layer(i),
    this->DecoderInputs[static_cast<std::size_t>(i - decoder.span().begin)], this->Buffers);
  std::size_t done = 0;
  for (GradientJob& job : jobs)
  {
    report(progress,
      (static_cast<double>(layers - 1 - i) +
        static_cast<double>(done++) / static_cast<double>(jobs.size())) /
        static_cast<double>(layers),
      layerText("Tracing the answer back", i, layers));
    GradientRows rows;
    rows.first = job.first;
    rows.ownOnly = job.ownOnly;
    const std::int64_t end = job.first + job.gradient.size(0);
    // Nobody looks at the gradient of the first layer's input unless the picture's is wanted.
    rows.result = job.ownOnly ? job.first : i > 0 || toImage ? 0 : end;
    job.gradient = layer.back(job.gradient, rows, tapsOf(job, i, true));
    job.first = rows.result;
    this->checkGradient(job, "decoder layer " + std::to_string(i));
  }
  this->Checks.finish();
}

ranks::Message RelevancySweep::decoderTurn(
  std::vector<GradientJob>& jobs, bool toImage, ranks::Message given, const Progress& progress)
{
  const Decoder& decoder = this->Model.decoder;
  if (!decoder.hasLast())
  {
    const nlohmann::json firsts = ranks::unpacked(given.head);
    auto next = given.tensors.begin(); // of as many as the jobs here have
    for (std::size_t i = 0; i < jobs.size(); ++i, ++next)
    {
      jobs[i].first = firsts.at(i).get<std::int64_t>();
      jobs[i].gradient =
        received(*next, { next->extent(0), decoder.config().hidden }, this->options());
    }
    for (LayerProduct* product : productsOf(jobs))
    {
      product->receive(*next++);
    }
  }
  for (std::int64_t i = decoder.span().end - 1; i >= decoder.span().begin; --i)
  {
    this->decoderLayer(i, jobs, toImage, progress);
    commit(jobs);
  }
  ranks::Message handed;
  if (!decoder.hasFirst())
  {
    nlohmann::json firsts = nlohmann::json::array();
    for (const GradientJob& job : jobs)
    {
      firsts.push_back(job.first);
      handed.tensors.push_back(fromTorch(job.gradient));
    }
    handed.head = ranks::packed(firsts);
    for (const LayerProduct* product : productsOf(jobs))
    {
      handed.tensors.push_back(product->sent());
    }
  }
  return handed;
}

void RelevancySweep::decoder(std::vector<GradientJob>& jobs, bool toImage, const Progress& progress)
{
  this->pass(
    ranks::Direction::Backwards,
    [&](ranks::Message given, const Progress& own)
    { return this->decoderTurn(jobs, toImage, std::move(given), own); },
    progress);
  for (GradientJob& job : jobs)
  {
    if (toImage && !job.ownOnly && this->Team.isFirst())
    {
      const picture::PlacedImage& image = this->Sequence.images()[0];
      job.gradient = job.gradient.narrow(0, image.start, image.tokens.count).clone();
    }
  }
}

void RelevancySweep::vision(
  std::vector<GradientJob>& jobs, std::int64_t skippedFrom, const Progress& progress)
{
  const Pulse::Scope scope(this->Buffers.pulse, progress);
  const VisionTower& tower = this->Model.vision;
  std::vector<at::Tensor> features; // gradients of what the projector reads, [N, F]
  {
    const ProjectorGradient projector(tower, tower.features(this->VisionInputs), this->Buffers);
    for (GradientJob& job : jobs)
    {
      features.push_back(projector.back(job.gradient));
      job.gradient = tower.featureGradient(features.back(), tower.layers()); // [N, D]
    }
  }
  for (std::int64_t i = tower.layers() - 1; i >= 0; --i)
  {
    const VisionLayerGradient layer(
      tower.layer(i), this->VisionInputs[static_cast<std::size_t>(i)], this->Buffers);
    std::size_t done = 0;
    for (GradientJob& job : jobs)
    {
      report(scope.progress(),
        (static_cast<double>(tower.layers() - 1 - i) +
          static_cast<double>(done) / static_cast<double>(jobs.size())) /
          static_cast<double>(tower.layers()),
        layerText("Tracing the picture back", i, tower.layers()));
      const at::Tensor& read = features[done++];
      job.gradient = layer.back(job.gradient, tapsOf(job, i, i < skippedFrom));
      if (tower.reads(i))
      {
        job.gradient.add_(tower.featureGradient(read, i));
      }
      this->checkGradient(job, "vision layer " + std::to_string(i));
    }
    this->Checks.finish();
    if (i < skippedFrom)
    {
      commit(jobs);
    }
  }
  this->Model.checkpoint->requireIntact();
}

} // namespace lvlm::llava
