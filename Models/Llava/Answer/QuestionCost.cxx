// SPDX-License-Identifier: Apache-2.0
// What LlavaModel::cost() says: the tensors that are alive at the same time where most are, counted
// in the order in which Generation makes them. TestQuestionCost holds it against what is measured.
#include "CaptureBuffer.h"
#include "Generation.h"

#include "Models/Llava/LlavaModel.h"
#include "Models/Llava/Network/LlavaModelImpl.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace lvlm::llava
{

namespace
{
/// Bytes of an attention of `heads` over n queries and S keys that are there at a time: scores and
/// probabilities of one block, bfloat16 also in float32, and its mask.
std::int64_t attentionBlock(
  std::int64_t heads, std::int64_t perGroup, std::int64_t n, std::int64_t S, std::int64_t element)
{
  const std::int64_t all = heads * n * S * element;
  const std::int64_t query = perGroup * S * element;
  const std::int64_t block = std::min(all, std::max(AttentionBlockBytes, query));
  return (element < 4 ? 4 : 2) * block + std::min(n * S, block / element);
}

/// Numbers of the widest moment of a decoder layer over the prompt, besides the attention's block.
struct LayerNumbers
{
  std::int64_t inAttention = 0, elsewhere = 0;
};

LayerNumbers decoderNumbers(const checkpoint::TextConfig& text, std::int64_t n)
{
  const std::int64_t D = text.hidden, Dq = text.heads * text.headSize;
  const std::int64_t rows = n < 2 * DecoderBlockRows ? n : DecoderBlockRows;
  LayerNumbers numbers;
  // The layer's input and its norm; queries, and what has been attended to so far.
  numbers.inAttention = n * (2 * D + 2 * Dq);
  // Turning the queries by their positions takes five times their size; the feed-forward part has
  // the layer's input, the sum after the attention, its norm and the result beside a block's gate,
  // the other half, their product and its result.
  numbers.elsewhere =
    std::max(n * (2 * D + 5 * Dq), n * 4 * D + rows * (3 * text.intermediate + D));
  return numbers;
}

std::int64_t towerBytes(const checkpoint::VisionConfig& vision, std::int64_t element)
{
  const std::int64_t N = vision.tokens(), D = vision.hidden;
  // Input, norm, queries twice (scaled), keys, values and the result; or input, sum, norm and four
  // steps of the activation.
  const std::int64_t attention =
    7 * N * D * element + attentionBlock(vision.heads, 1, N, N, element);
  return std::max(attention, (3 * N * D + 4 * N * vision.intermediate) * element);
}

/// Of linear maps whose stored type is another one than that of the computation.
std::int64_t widenedBytes(const LlavaModel::Impl& model, std::int64_t element)
{
  const checkpoint::TextConfig& text = model.config.text;
  const checkpoint::VisionConfig& vision = model.config.vision;
  if (sizeOf(model.checkpoint->storedType()) == static_cast<std::size_t>(element))
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
  // One row reads the output projection as it is stored where the computation is in float32.
  weights += model.decoder.hasLast() && model.weights.type() != at::kFloat
    ? text.vocabulary * text.hidden
    : 0;
  return weights * element;
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
  cost.cache = decoder.cacheBytes(K);
  const LayerNumbers layer = decoderNumbers(text, n);
  const std::int64_t perGroup = text.heads / text.keyValueHeads;
  const std::int64_t prompt = std::max(layer.elsewhere * element,
    layer.inAttention * element + attentionBlock(text.heads, perGroup, n, n, element));
  const std::int64_t angles = 2 * n * text.headSize * element;
  const std::int64_t tower = decoder.hasFirst() ? towerBytes(vision, element) : 0;
  cost.buffers =
    static_cast<std::size_t>(widenedBytes(*this->Self, element) + std::max(prompt + angles, tower));
  cost.picture = 2 * question.image.pixels.size();
  return cost;
}

} // namespace lvlm::llava
