// SPDX-License-Identifier: Apache-2.0
#include "RelevancySweep.h"

#include "Models/Llava/Network/TorchTensors.h"

#include <algorithm>
#include <cmath>

namespace lvlm::llava
{

RelevancyRows::RelevancyRows(at::Tensor rows, std::int64_t offset)
  : Rows(std::move(rows)), Delta(at::zeros_like(this->Rows)), Offset(offset)
{
}

void RelevancyRows::add(std::int64_t first, const at::Tensor& relevance)
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
                         .to(this->Rows.scalar_type()); // [n, keys]
  this->Delta.narrow(1, 0, keys)
    .add_(at::matmul(this->Rows.narrow(1, begin - this->Offset, end - begin), C));
}

void RelevancyRows::commit()
{
  this->Rows.add_(this->Delta);
  this->Delta.zero_();
}

Tensor RelevancyRows::sent() const
{
  return fromTorch(this->Rows);
}

void RelevancyRows::receive(const Tensor& rows)
{
  this->Rows = received(rows, this->Rows.sizes(), this->Rows.options());
}

RelevancySweep::RelevancySweep(const LlavaModel::Impl& model, ranks::Team& team, SweepInput input)
  : Model(model), Team(team), Input(std::move(input))
{
}

namespace
{
void checkFinite(const at::Tensor& values, const std::string& directory, const std::string& where)
{
  // A sum is finite unless a value is not, or the values are about to overflow anyway.
  if (!std::isfinite(values.sum().item<double>()))
  {
    fail(directory, ": ", where, " is not finite: the weights are damaged, or the model overflows");
  }
}

std::string layerText(const char* what, std::int64_t layer, std::int64_t layers)
{
  return std::string(what) + ", layer " + std::to_string(layer + 1) + " of " +
    std::to_string(layers);
}
}

void RelevancySweep::forwardVision(const Progress& progress)
{
  const VisionTower& tower = this->Model.vision;
  this->VisionInputs.clear();
  this->VisionInputs.push_back(
    tower.embed(this->Input.pixels).to(gradientType(this->Model.weights.type()))); // [N, D]
  for (std::int64_t i = 0; i < tower.layers(); ++i)
  {
    report(progress, 0.5 * static_cast<double>(i) / static_cast<double>(tower.layers()),
      layerText("Seeing the picture", i, tower.layers()));
    this->VisionInputs.push_back(
      VisionLayerGradient(tower.layer(i), this->VisionInputs.back(), this->Buffers).output());
    checkFinite(this->VisionInputs.back(), this->Model.directory,
      "vision layer " + std::to_string(i) + "'s output");
  }
}

at::TensorOptions RelevancySweep::options() const
{
  return at::TensorOptions(gradientType(this->Model.weights.type()))
    .device(this->Model.weights.device());
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
      return translated([&] { return turn(std::move(given), scope.progress()); });
    },
    progress);
}

/// What enters the decoder: [S, D]
at::Tensor RelevancySweep::embed(const Progress& progress)
{
  this->forwardVision(progress);
  const at::Tensor image =
    ProjectorGradient(this->Model.vision, this->VisionInputs.back(), this->Buffers).output();
  at::Tensor hidden = this->Model.decoder.embed(this->Input.ids).to(image.scalar_type()); // [S, D]
  hidden.narrow(0, this->Input.featureStart, image.size(0)).copy_(image);
  return hidden;
}

ranks::Message RelevancySweep::forwardTurn(ranks::Message given, const Progress& progress)
{
  const Decoder& decoder = this->Model.decoder;
  const auto S = static_cast<std::int64_t>(this->Input.ids.size());
  at::Tensor hidden = decoder.hasFirst()
    ? this->embed(progress)
    : received(given.tensors.at(0), { S, decoder.config().hidden }, this->options());
  this->DecoderInputs.assign(1, hidden);
  const std::int64_t layers = decoder.layers();
  for (std::int64_t i = decoder.span().begin; i < decoder.span().end; ++i)
  {
    report(progress, 0.5 + 0.5 * static_cast<double>(i) / static_cast<double>(layers),
      layerText("Reading prompt and answer", i, layers));
    hidden = DecoderLayerGradient(decoder.layer(i), hidden, this->Buffers).output();
    checkFinite(hidden, this->Model.directory, "decoder layer " + std::to_string(i) + "'s output");
    this->DecoderInputs.push_back(hidden);
  }
  return decoder.hasLast() ? ranks::Message() : ranks::Message{ nullptr, { fromTorch(hidden) } };
}

void RelevancySweep::forward(const Progress& progress)
{
  this->pass(
    ranks::Direction::Forwards,
    [this](ranks::Message given, const Progress& own)
    { return this->forwardTurn(std::move(given), own); },
    progress);
}

at::Tensor RelevancySweep::top(std::int64_t first) const
{
  const at::Tensor& hidden = this->DecoderInputs.back();
  return hidden.narrow(0, first, hidden.size(0) - first);
}

void RelevancySweep::check(const GradientJob& job, const std::string& where) const
{
  checkFinite(job.gradient, this->Model.directory, "the gradient of " + job.name + " at " + where);
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
  if (counts && !job.targets.empty())
  {
    taps.relevance = [&job](std::int64_t first, const at::Tensor& relevance)
    {
      for (RelevancyRows* target : job.targets)
      {
        target->add(first, relevance);
      }
    };
  }
  return taps;
}

void commitAll(const std::vector<RelevancyRows*>& rows)
{
  for (RelevancyRows* one : rows)
  {
    one->commit();
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
    this->check(job, "decoder layer " + std::to_string(i));
  }
}

ranks::Message RelevancySweep::decoderTurn(std::vector<GradientJob>& jobs,
  const std::vector<RelevancyRows*>& commit, bool toImage, ranks::Message given,
  const Progress& progress)
{
  const Decoder& decoder = this->Model.decoder;
  if (!decoder.hasLast())
  {
    auto next = given.tensors.begin(); // of as many as the jobs here have
    for (std::size_t i = 0; i < jobs.size(); ++i, ++next)
    {
      jobs[i].first = given.head.at(i).get<std::int64_t>();
      jobs[i].gradient =
        received(*next, { next->extent(0), decoder.config().hidden }, this->options());
    }
    for (RelevancyRows* rows : commit)
    {
      rows->receive(*next++);
    }
  }
  for (std::int64_t i = decoder.span().end - 1; i >= decoder.span().begin; --i)
  {
    this->decoderLayer(i, jobs, toImage, progress);
    commitAll(commit);
  }
  ranks::Message handed;
  if (!decoder.hasFirst())
  {
    for (const GradientJob& job : jobs)
    {
      handed.head.push_back(job.first);
      handed.tensors.push_back(fromTorch(job.gradient));
    }
    for (const RelevancyRows* rows : commit)
    {
      handed.tensors.push_back(rows->sent());
    }
  }
  return handed;
}

void RelevancySweep::decoder(std::vector<GradientJob>& jobs,
  const std::vector<RelevancyRows*>& commit, bool toImage, const Progress& progress)
{
  this->pass(
    ranks::Direction::Backwards,
    [&](ranks::Message given, const Progress& own)
    { return this->decoderTurn(jobs, commit, toImage, std::move(given), own); },
    progress);
  for (GradientJob& job : jobs)
  {
    if (toImage && !job.ownOnly && this->Team.isFirst())
    {
      job.gradient =
        job.gradient.narrow(0, this->Input.featureStart, this->Model.config.imageTokens()).clone();
    }
  }
}

void RelevancySweep::vision(std::vector<GradientJob>& jobs,
  const std::vector<RelevancyRows*>& commit, std::int64_t skippedFrom, const Progress& progress)
{
  const Pulse::Scope scope(this->Buffers.pulse, progress);
  const VisionTower& tower = this->Model.vision;
  {
    const ProjectorGradient projector(tower, this->VisionInputs.back(), this->Buffers);
    for (GradientJob& job : jobs)
    {
      job.gradient = projector.back(job.gradient); // [N, D]
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
          static_cast<double>(done++) / static_cast<double>(jobs.size())) /
          static_cast<double>(tower.layers()),
        layerText("Tracing the picture back", i, tower.layers()));
      job.gradient = layer.back(job.gradient, tapsOf(job, i, i < skippedFrom));
      this->check(job, "vision layer " + std::to_string(i));
    }
    if (i < skippedFrom)
    {
      commitAll(commit);
    }
  }
}

} // namespace lvlm::llava
