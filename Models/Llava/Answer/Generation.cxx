// SPDX-License-Identifier: Apache-2.0
#include "Generation.h"

#include "Models/Llava/Network/AttentionCuts.h"
#include "Models/Llava/Network/ImageFeatures.h"
#include "Models/Trace/Error.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace lvlm::llava
{

namespace
{
/// Numbers whose copying is worth a thread.
constexpr std::int64_t CopyWork = 1 << 18;

/// Rows of [heads, n, keys], float32 on the CPU, written to rows [rowBegin, rowBegin + n) of a
/// slab.
void writeRows(CaptureBuffer& buffer, std::int64_t slab, std::int64_t rowBegin,
  std::int64_t firstPosition, const at::Tensor& values)
{
  const std::int64_t n = values.size(1), keys = values.size(2);
  const float* data = values.data_ptr<float>();
  const std::int64_t grain = std::max<std::int64_t>(1, CopyWork / (n * keys)); // heads of a thread
  at::parallel_for(0, values.size(0), grain,
    [&](std::int64_t begin, std::int64_t end)
    {
      for (std::int64_t head = begin; head < end; ++head)
      {
        for (std::int64_t row = 0; row < n; ++row)
        {
          const std::int64_t seen = std::min(keys, firstPosition + row + 1); // the causal part
          buffer.write(slab, head, rowBegin + row, data + (head * n + row) * keys, seen);
        }
      }
    });
}
}

std::vector<std::int64_t> resolveLayers(const std::vector<std::int64_t>& layers, std::int64_t count)
{
  std::vector<std::int64_t> resolved;
  for (const std::int64_t layer : layers)
  {
    if (layer < -count || layer >= count)
    {
      fail("layer ", layer, " is out of range: the decoder has layers 0 to ", count - 1);
    }
    resolved.push_back(layer < 0 ? layer + count : layer);
  }
  std::sort(resolved.begin(), resolved.end());
  resolved.erase(std::unique(resolved.begin(), resolved.end()), resolved.end());
  return resolved;
}

std::vector<std::int64_t> wantedHidden(const Question& question, std::int64_t layers)
{
  std::vector<std::int64_t> numbers;
  if (!question.captureHidden && !question.captureLens)
  {
    return numbers;
  }
  for (const std::int64_t number : question.hiddenLayers)
  {
    if (number < -layers - 1 || number > layers)
    {
      fail("hidden states of layer ", number, " are out of range: there are 0 (the embeddings) to ",
        layers, " (after the last layer)");
    }
    numbers.push_back(number < 0 ? number + layers + 1 : number);
  }
  for (std::int64_t number = 0; question.hiddenLayers.empty() && number <= layers; ++number)
  {
    numbers.push_back(number);
  }
  std::sort(numbers.begin(), numbers.end());
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  return numbers;
}

std::vector<std::int64_t> hiddenIn(const LayerSpan& span, const std::vector<std::int64_t>& hidden)
{
  std::vector<std::int64_t> inside;
  std::copy_if(hidden.begin(), hidden.end(), std::back_inserter(inside),
    [&span](std::int64_t number) { return span.contains(layerOfHidden(number)); });
  return inside;
}

DType hiddenType(const LlavaModel::Impl& model)
{
  return model.weights.type() == at::kBFloat16 ? DType::BF16 : DType::F32;
}

std::vector<std::int64_t> layersIn(const LayerSpan& span, const std::vector<std::int64_t>& layers)
{
  std::vector<std::int64_t> inside;
  std::copy_if(layers.begin(), layers.end(), std::back_inserter(inside),
    [&span](std::int64_t layer) { return span.contains(layer); });
  return inside;
}

Generation::Generation(const LlavaModel::Impl& model, const Question& question,
  const Prompt& prompt, std::vector<AttentionCut> cuts)
  : Model(model), Input(prompt), Cuts(std::move(cuts)),
    AllFullLayers(resolveLayers(question.fullLayers, model.config.text.layers)),
    FullLayers(layersIn(model.decoder.span(), this->AllFullLayers)),
    AllHidden(wantedHidden(question, model.config.text.layers)),
    HiddenHere(hiddenIn(model.decoder.span(), this->AllHidden))
{
  const checkpoint::TextConfig& text = model.config.text;
  const checkpoint::VisionConfig& vision = model.config.vision;
  const std::int64_t K = static_cast<std::int64_t>(prompt.ids.size()) + question.maxNewTokens - 1;
  this->Cache = model.decoder.makeCache(K);
  const std::int64_t layers = model.decoder.span().count();
  this->CapturesAnswer = question.captureAnswer;
  if (this->CapturesAnswer && layers > 0)
  {
    this->Answer.emplace(layers, text.heads, question.maxNewTokens, K);
  }
  if (!this->FullLayers.empty())
  {
    this->Full.emplace(static_cast<std::int64_t>(this->FullLayers.size()), text.heads, K, K);
  }
  if (!this->HiddenHere.empty())
  {
    this->Hidden.emplace(
      static_cast<std::int64_t>(this->HiddenHere.size()), 1, K, text.hidden, hiddenType(model));
  }
  if (question.captureVision && model.decoder.hasFirst() && model.vision.layers() > 0)
  {
    this->Vision.emplace(
      model.config.visionLayersUsed, vision.heads, vision.tokens(), vision.tokens());
  }
}

/// A damaged weight shows here first: one NaN in a layer spreads to the whole hidden state.
void Generation::checkFinite(const at::Tensor& values, const std::string& where)
{
  requireFinite(this->Captured, values, this->Model.directory + ": " + where);
}

void Generation::keepRows(CaptureBuffer& buffer, std::int64_t slab, std::int64_t rowBegin,
  std::int64_t firstPosition, const at::Tensor& probabilities)
{
  this->Captured.bring(probabilities, at::kFloat,
    [&buffer, slab, rowBegin, firstPosition](const at::Tensor& values)
    { writeRows(buffer, slab, rowBegin, firstPosition, values); });
}

void Generation::capture(std::int64_t layer, std::int64_t firstRow, const at::Tensor& probabilities)
{
  const auto P = static_cast<std::int64_t>(this->Input.ids.size());
  const std::int64_t n = probabilities.size(1), first = this->Fed + firstRow;
  const std::int64_t last = first + n - 1;
  if (this->Answer && last >= P - 1) // the query that predicts the next token
  {
    this->keepRows(*this->Answer, layer - this->Model.decoder.span().begin, last - (P - 1), last,
      probabilities.narrow(1, n - 1, 1));
  }
  const auto found = std::lower_bound(this->FullLayers.begin(), this->FullLayers.end(), layer);
  if (found != this->FullLayers.end() && *found == layer)
  {
    this->keepRows(*this->Full, found - this->FullLayers.begin(), first, first, probabilities);
  }
}

void Generation::captureHidden(std::int64_t number, const at::Tensor& hidden)
{
  const auto found = std::lower_bound(this->HiddenHere.begin(), this->HiddenHere.end(), number);
  if (found == this->HiddenHere.end() || *found != number)
  {
    return;
  }
  const auto type = hiddenType(this->Model) == DType::BF16 ? at::kBFloat16 : at::kFloat;
  const std::int64_t slab = found - this->HiddenHere.begin(), first = this->Fed;
  this->Captured.bring(hidden, type,
    [this, slab, first](const at::Tensor& values) // [n, D]
    {
      const auto* data = static_cast<const std::byte*>(values.data_ptr());
      const auto rowBytes = static_cast<std::size_t>(values.size(1) * values.element_size());
      for (std::int64_t row = 0; row < values.size(0); ++row)
      {
        this->Hidden->write(
          slab, 0, first + row, data + static_cast<std::size_t>(row) * rowBytes, values.size(1));
      }
    });
}

at::Tensor Generation::layers(at::Tensor hidden, const Progress& progress, const std::string& what)
{
  const std::int64_t n = hidden.size(0);
  const Decoder& decoder = this->Model.decoder;
  const LayerSpan& span = decoder.span();
  const std::int64_t layers = decoder.layers();
  const Rope rope = decoder.rope(this->Fed, n);
  if (decoder.hasFirst())
  {
    this->captureHidden(0, hidden);
  }
  for (std::int64_t i = span.begin; i < span.end; ++i)
  {
    report(progress, static_cast<double>(i) / static_cast<double>(layers),
      what + ", layer " + std::to_string(i + 1) + " of " + std::to_string(layers));
    const AttentionTap tap = [&](std::int64_t row, const at::Tensor& a)
    {
      this->Buffers.pulse.beat();
      this->capture(i, row, a);
      return at::Tensor();
    };
    LayerCache& cache = this->Cache[static_cast<std::size_t>(i - span.begin)];
    const at::Tensor blocked =
      blockedBy(this->Cuts, i, this->Fed, n, this->Fed + n, hidden.device());
    hidden = decoder.layer(i).forward(
      hidden, rope, this->Fed, &cache, this->Buffers, tap, blocked); // [n, D]
    this->Model.checkpoint->requireIntact(); // before the numbers are blamed for it
    this->checkFinite(hidden, "the output of decoder layer " + std::to_string(i));
    this->captureHidden(i + 1, hidden);
  }
  this->Captured.finish();
  this->Fed += n;
  return hidden;
}

at::Tensor Generation::logits(const at::Tensor& hidden)
{
  const at::Tensor last = hidden.narrow(0, hidden.size(0) - 1, 1);                // [1, D]
  at::Tensor logits = this->Model.decoder.logits(last, this->Buffers).squeeze(0); // [V]
  this->Model.checkpoint->requireIntact();
  this->checkFinite(logits, "the output projection's result");
  this->Captured.finish();
  return logits;
}

at::TensorOptions Generation::tensorOptions() const
{
  return at::TensorOptions(this->Model.weights.type()).device(this->Model.weights.device());
}

at::Tensor Generation::embedPrompt(
  const std::vector<picture::SeenPicture>& seen, const Progress& progress)
{
  const VisionTower::LayerTap tap = [&](std::int64_t layer, std::int64_t row, const at::Tensor& a)
  {
    this->Buffers.pulse.beat();
    if (this->Vision && a.defined())
    {
      this->keepRows(*this->Vision, layer, row, a.size(2), a);
    }
    return at::Tensor();
  };
  const std::vector<at::Tensor> images =
    imageFeatures(this->Model, seen, this->Buffers, tap, progress); // of each: [image tokens, D]
  this->Model.checkpoint->requireIntact();
  for (const at::Tensor& image : images)
  {
    this->checkFinite(image, "the vision tower's result");
  }
  this->Captured.finish();
  const at::Tensor hidden =
    this->Model.decoder.embed(textIds(this->Input.ids, this->Input.images)); // [P, D]
  placeFeatures(hidden, this->Input.images, images);
  return hidden;
}

at::Tensor Generation::embedToken(std::int64_t token) const
{
  return this->Model.decoder.embed({ token });
}

void Generation::moveCapture(Trace& trace, std::int64_t answerLength)
{
  namespace tn = tensor_name;
  const std::int64_t K = this->promptLength() + answerLength - 1;
  const LayerSpan& span = this->Model.decoder.span();
  const std::int64_t heads = this->Model.config.text.heads;
  // Without layers of its own a rank says so: every rank's trace has the same tensors.
  Tensor none;
  if (this->CapturesAnswer)
  {
    none.shape = { 0, heads, answerLength, K };
    trace.tensors[tn::AttentionAnswer] = this->Answer ? this->Answer->take(answerLength, K) : none;
    trace.layerBegin = span.begin;
    trace.layerTotal = this->Model.decoder.layers();
  }
  if (!this->AllFullLayers.empty())
  {
    none.shape = { 0, heads, K, K };
    trace.tensors[tn::AttentionFull] = this->Full ? this->Full->take(K, K) : none;
    trace.tensors[tn::AttentionFullLayers] =
      Tensor::of(this->AllFullLayers, { static_cast<std::int64_t>(this->AllFullLayers.size()) });
  }
  if (!this->AllHidden.empty())
  {
    const std::int64_t D = this->Model.config.text.hidden;
    none.shape = { 0, K, D };
    none.dtype = hiddenType(this->Model);
    Tensor& states = trace.tensors[tn::HiddenStates];
    states = this->Hidden ? this->Hidden->take(K, D) : none; // [Lh, 1, K, D]
    states.shape = { static_cast<std::int64_t>(this->HiddenHere.size()), K, D };
    trace.tensors[tn::HiddenLayers] =
      Tensor::of(this->AllHidden, { static_cast<std::int64_t>(this->AllHidden.size()) });
  }
  if (this->Vision)
  {
    const std::int64_t N = this->Model.config.vision.tokens();
    trace.tensors[tn::AttentionVision] = this->Vision->take(N, N);
  }
}

} // namespace lvlm::llava
