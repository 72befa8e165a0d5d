// SPDX-License-Identifier: Apache-2.0
// What LlavaModel::cost() says: the tensors that are alive at the same time where most are, counted
// in the order in which Generation makes them. TestQuestionCost holds it against what is measured.
#include "CaptureBuffer.h"
#include "Generation.h"

#include "Models/Llava/LlavaModel.h"
#include "Models/Llava/Network/LensRows.h"
#include "Models/Llava/Network/LlavaModelImpl.h"
#include "Models/Llava/Network/Products.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace lvlm::llava
{

namespace
{
/// Bytes of attention over n queries and S keys that are there at a time: scores and probabilities
/// of a block of rows, in float32 at least, and where activations are bfloat16, queries, keys,
/// values in float32 as well.
std::int64_t attentionBytes(std::int64_t heads, std::int64_t groups, std::int64_t headSize,
  std::int64_t n, std::int64_t S, std::int64_t element)
{
  const std::int64_t wide = std::max<std::int64_t>(element, 4);
  const std::int64_t rows = std::min(n, attentionBlockRows(heads, S, at::kCPU));
  const std::int64_t copies = element < 4 ? wide * headSize * (n * heads + 2 * S * groups) : 0;
  return 2 * heads * rows * S * wide + copies;
}

/// Bytes of what the pool keeps for a decoder layer: its input, norm, queries, keys, values and
/// results; the halves of a block of the feed-forward part; and the products' own copies of a
/// block.
std::int64_t decoderBytes(const checkpoint::TextConfig& text, std::int64_t n, std::int64_t element)
{
  const std::int64_t D = text.hidden, Dq = text.heads * text.headSize;
  const std::int64_t Dkv = text.keyValueHeads * text.headSize;
  const std::int64_t rows = n < 2 * DecoderBlockRows ? n : DecoderBlockRows;
  const std::int64_t numbers = n * (4 * D + 2 * Dq + 2 * Dkv) + rows * 2 * text.intermediate;
  return numbers * element + productScratch(rows, D, element) +
    productScratch(rows, text.intermediate, element);
}

std::int64_t towerBytes(const checkpoint::VisionConfig& vision, std::int64_t element)
{
  const std::int64_t N = vision.tokens(), D = vision.hidden, heads = vision.heads;
  // Input, norm, queries, keys, values, what was attended to and its map; three steps of the
  // activation.
  return (7 * N * D + 3 * N * vision.intermediate) * element +
    attentionBytes(heads, heads, vision.headSize(), N, N, element) + productScratch(N, D, element) +
    productScratch(N, vision.intermediate, element);
}

/// Of linear maps that are computed in float64.
std::int64_t widenedBytes(const LlavaModel::Impl& model)
{
  const checkpoint::TextConfig& text = model.config.text;
  const checkpoint::VisionConfig& vision = model.config.vision;
  if (model.weights.type() != at::kDouble || model.checkpoint->storedType() == DType::F64)
  {
    return 0;
  }
  std::int64_t weights = text.hidden * (2 * text.heads + 2 * text.keyValueHeads) * text.headSize +
    3 * text.hidden * text.intermediate;
  if (model.decoder.hasFirst() && model.config.visionLayersUsed > 0)
  {
    weights += vision.hidden * (4 * vision.hidden + 2 * vision.intermediate) +
      text.hidden * (vision.hidden + text.hidden);
  }
  weights += model.decoder.hasLast() ? text.vocabulary * text.hidden : 0;
  return weights * 8;
}
}

QuestionCost LlavaModel::cost(const Question& question, std::int64_t promptLength) const
{
  const checkpoint::TextConfig& text = this->config().text;
  const checkpoint::VisionConfig& vision = this->config().vision;
  const Decoder& decoder = this->Self->decoder;
  const std::int64_t n = promptLength, T = question.maxNewTokens, K = n + T - 1;
  const LayerSpan span = this->span();
  const auto element = static_cast<std::int64_t>(c10::elementSize(this->Self->weights.type()));
  QuestionCost cost;
  if (question.captureAnswer)
  {
    cost.attentionAnswer = CaptureBuffer::bytes(span.count(), text.heads, T, K);
  }
  const auto full = layersIn(span, resolveLayers(question.fullLayers, text.layers));
  cost.attentionFull =
    CaptureBuffer::bytes(static_cast<std::int64_t>(full.size()), text.heads, K, K);
  if (question.captureVision && decoder.hasFirst())
  {
    cost.attentionVision = CaptureBuffer::bytes(
      this->config().visionLayersUsed, vision.heads, vision.tokens(), vision.tokens());
  }
  const auto wanted = wantedHidden(question, text.layers);
  const auto hidden = static_cast<std::int64_t>(hiddenIn(span, wanted).size());
  cost.hidden = CaptureBuffer::bytes(hidden, 1, K, text.hidden, hiddenType(*this->Self));
  if (question.captureLens)
  {
    // An id and a log-probability each; all ranks get them, the last one makes them.
    const std::int64_t words = static_cast<std::int64_t>(wanted.size()) * K * question.alternatives;
    cost.lens =
      static_cast<std::size_t>(words * 12 + (decoder.hasLast() ? lensBytes(text, element) : 0));
  }
  cost.cache = decoder.cacheBytes(K);
  const std::int64_t prompt = decoderBytes(text, n, element) +
    attentionBytes(text.heads, text.keyValueHeads, text.headSize, n, n, element);
  // What the C library keeps between pieces that live on: more where LibTorch makes the products.
  const std::int64_t kept = prompt / (element > 4 ? 3 : 8);
  const std::int64_t angles = 2 * n * text.headSize * element;
  // Of tiles and of several pictures the image tokens are there twice, one after another and in
  // their order, and so are pixels.
  const bool manyParts = this->config().readsTiles() || question.images.size() > 1;
  const std::int64_t tiles = manyParts ? 2 * n * text.hidden * element : 0;
  const std::int64_t tower = decoder.hasFirst() ? towerBytes(vision, element) + tiles : 0;
  cost.buffers =
    static_cast<std::size_t>(widenedBytes(*this->Self) + std::max(prompt + kept + angles, tower));
  for (const picture::RgbImage& image : question.images)
  {
    cost.picture += 2 * image.pixels.size();
  }
  return cost;
}

} // namespace lvlm::llava
