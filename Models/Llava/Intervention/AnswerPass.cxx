// SPDX-License-Identifier: Apache-2.0
#include "AnswerPass.h"

#include "Models/Llava/Network/ImageFeatures.h"
#include "Models/Llava/Network/Products.h"
#include "Models/Llava/Network/TorchTensors.h"
#include "Models/Llava/Runtime.h"
#include "Models/Trace/ByteText.h"

#include <algorithm>
#include <cmath>

namespace lvlm::llava
{

namespace
{
/// Of logits that are there at a time.
constexpr std::int64_t LogitBytes = 64 << 20;
}

at::Tensor AnswerPass::tower(const picture::SeenPicture& seen, const Progress& progress)
{
  return imageFeatures(this->Model, seen, this->Buffers, nullptr, progress);
}

at::Tensor AnswerPass::embed(const TracedSequence& sequence, const Progress& progress)
{
  const std::vector<at::Tensor> images =
    imageFeatures(this->Model, sequence.pictures(), this->Buffers, nullptr, progress);
  const at::Tensor rows = this->Model.decoder.embed(sequence.ids(sequence.keys())); // [S, D]
  placeFeatures(rows, sequence.images(), images);
  return rows;
}

std::vector<double> AnswerPass::logprobs(const at::Tensor& top)
{
  const std::int64_t wanted = top.size(0);
  std::vector<std::int64_t> ids;
  for (std::int64_t row = 0; row < wanted; ++row)
  {
    ids.push_back(this->Sequence.answerId(row % this->Sequence.answerLength()));
  }
  const at::Tensor answer = at::tensor(ids, at::kLong).to(top.device()).unsqueeze(1);
  const std::int64_t step =
    std::max<std::int64_t>(1, LogitBytes / (this->Model.config.text.vocabulary * 16));
  std::vector<double> result;
  for (std::int64_t first = 0; first < wanted; first += step)
  {
    this->Buffers.pulse.beat();
    const std::int64_t n = std::min(step, wanted - first);
    const at::Tensor logits = this->Model.decoder.logits(top.narrow(0, first, n), this->Buffers);
    const at::Tensor chosen = at::log_softmax(logits.to(at::kDouble), -1)
                                .gather(1, answer.narrow(0, first, n))
                                .to(at::kCPU)
                                .contiguous(); // [n, 1]
    result.insert(result.end(), chosen.data_ptr<double>(), chosen.data_ptr<double>() + n);
  }
  return result;
}

std::vector<double> AnswerPass::run(std::int64_t origin, std::int64_t rows, const Rows& make,
  const Layers& layers, const Progress& progress)
{
  const Decoder& decoder = this->Model.decoder;
  const auto workers =
    static_cast<int>(std::min<std::int64_t>(this->Team.size(), decoder.layers()));
  // The tower takes about 0.3 of a turn where it runs at all.
  const auto turn = [&](const ranks::Message& given, const Progress& own)
  {
    ranks::Message handed;
    if (decoder.span().end <= origin)
    {
      return handed;
    }
    at::Tensor hidden = decoder.span().contains(origin)
      ? make(part(own, 0, 0.3))
      : received(given.tensors.at(0), { rows, decoder.config().hidden },
          at::TensorOptions(this->Model.weights.type()).device(this->Model.weights.device()));
    hidden = layers(hidden, part(own, 0.3, 0.7));
    if (decoder.hasLast())
    {
      handed = ranks::messageOf(this->logprobs(hidden));
    }
    else
    {
      handed.tensors.push_back(fromTorch(hidden));
    }
    this->Model.checkpoint->requireIntact();
    return handed;
  };
  const ranks::Message all = this->Team.pass(
    ranks::Direction::Forwards, workers,
    [&](const ranks::Message& given, const Progress& own)
    {
      const Pulse::Scope scope(this->Buffers.pulse, own);
      return translated([&] { return turn(given, scope.progress()); });
    },
    progress);
  std::vector<double> values = ranks::listOf<double>(all);
  for (const double value : values)
  {
    if (!std::isfinite(value))
    {
      fail(this->Model.directory,
        ": a log-probability is not finite: the weights are damaged, or the model overflows");
    }
  }
  return values;
}

Progress shareOf(const Progress& progress, std::size_t index, std::size_t shares)
{
  const double share = 1 / static_cast<double>(shares);
  return part(progress, share * static_cast<double>(index), share);
}

void checkPassMemory(
  const LlavaModel::Impl& model, std::int64_t S, std::int64_t rows, std::int64_t more)
{
  const checkpoint::TextConfig& text = model.config.text;
  const checkpoint::VisionConfig& vision = model.config.vision;
  const auto element = static_cast<std::int64_t>(c10::elementSize(model.weights.type()));
  const std::int64_t D = text.hidden;
  // Of all rows: input, norm, queries, keys, values, what was seen and its map; the feed-forward
  // part's halves; a copy of keys and values for one branch at a time.
  const std::int64_t row =
    6 * D + (2 * text.heads + 4 * text.keyValueHeads) * text.headSize + 2 * text.intermediate;
  const std::int64_t tower =
    model.decoder.hasFirst() ? vision.tokens() * (7 * vision.hidden + 3 * vision.intermediate) : 0;
  const std::int64_t weights = element == 8
    ? D * (2 * text.heads + 2 * text.keyValueHeads) * text.headSize + 3 * D * text.intermediate +
      (model.decoder.hasLast() ? text.vocabulary * D : 0)
    : 0;
  const std::size_t needed = model.decoder.cacheBytes(S) +
    static_cast<std::size_t>(element * (rows * row + tower + weights + S * D + more) +
      productScratch(rows, D, element) + productScratch(rows, text.intermediate, element) +
      LogitBytes);
  if (const std::size_t available = availableMemory(model.options.ranks); needed > available)
  {
    fail("an intervention over ", S, " positions needs about ", byteText(needed), " of memory, ",
      byteText(available), " are available");
  }
}

void checkRank(const LlavaModel::Impl& model, const ranks::Team& team)
{
  if (model.options.rank != team.rank() || model.options.ranks != team.size())
  {
    fail(model.directory, ": opened as rank ", model.options.rank, " of ", model.options.ranks,
      ", an intervention asked for on rank ", team.rank(), " of ", team.size());
  }
}

} // namespace lvlm::llava
