// SPDX-License-Identifier: Apache-2.0
/// @file RelevancySweep.h
/// A forward pass over a traced sequence that keeps every layer's input, and sweeps from the last
/// layer to the first that recompute each layer once for all gradients. In a parallel run both go
/// from rank to rank, each keeps and recomputes its own layers. Internal to Models/Llava.
#ifndef LVLM_LLAVA_RELEVANCYSWEEP_H
#define LVLM_LLAVA_RELEVANCYSWEEP_H

#include "RelevancyLayers.h"
#include "TracedSequence.h"

#include "Models/Llava/Network/Arrivals.h"
#include "Models/Llava/Network/LlavaModelImpl.h"
#include "Models/Ranks/Team.h"

#include <memory>
#include <vector>

namespace lvlm::llava
{

/// Gradients that are on their way together, in bytes.
inline constexpr std::int64_t RelevancyGroupBytes = 256 << 20;

/// Rows of a product (I + C_L) ... (I + C_1), advanced by one layer at a time: rows <- rows + rows
/// C. Restricted to the positions [offset, offset + width), which is exact when C is causal and the
/// span starts at 0, and for rows that start inside the span.
class LayerProduct
{
public:
  /// rows [m, width]
  LayerProduct(at::Tensor rows, std::int64_t offset);

  const at::Tensor& rows() const { return this->Rows; }
  /// Takes in rows of the layer's C: [n, keys], rows from position `first` on.
  void add(std::int64_t first, const at::Tensor& relevance);
  /// The layer is complete.
  void commit();
  /// On the way to the rank that goes on with the layers before.
  Tensor sent() const;
  void receive(const Tensor& rows);

private:
  at::Tensor Rows, Delta;
  std::int64_t Offset;
  BufferPool Pool;
};

/// One gradient on its way through the decoder, and later through the tower. It starts on the last
/// rank with layers and ends on rank 0; elsewhere `gradient` and `first` mean nothing.
struct GradientJob
{
  std::string name;    ///< for errors, e.g. "answer token 3"
  at::Tensor gradient; ///< [n, D] of rows [first, first + n)
  std::int64_t first = 0;
  bool ownOnly = false; ///< each row is a gradient of its own, see GradientRows
  std::vector<std::shared_ptr<LayerProduct>> products; ///< what this job's C rows go to
  std::function<void(std::int64_t layer, std::int64_t firstRow, const at::Tensor& gradient)> tap;
};

/// What is made of the gradients and kept until the last one is there, on this rank.
struct SweepResults
{
  std::size_t bytes = 0;
  std::string what; ///< for the error, e.g. "the gradients of 64 answer tokens"
};

class RelevancySweep
{
public:
  /// Runs vision tower and decoder on the positions that lead to answer token `last`. All ranks
  /// together; `roundedGradients` as in RelevancyOptions. Throws Error on too little memory, for
  /// `results` as well, values that are not finite, and log-probabilities other than the recorded
  /// ones.
  RelevancySweep(const LlavaModel::Impl& model, const TracedSequence& sequence, std::int64_t last,
    ranks::Team& team, const Progress& progress, const SweepResults& results = {},
    bool roundedGradients = false);

  ranks::Team& team() { return this->Team; }
  /// The gradient of the logits of answer tokens from..to, times `factor`: a row each. All ranks
  /// together.
  GradientJob logits(std::int64_t from, std::int64_t to, double factor);
  /// The gradient of an answer token's log-probability. All ranks together.
  GradientJob logprob(std::int64_t token);
  /// Back-propagates all jobs through the decoder and advances their products; afterwards, if
  /// `toImage`, a job's gradient is that of the image tokens [patches, Dt]. Throws Error on a
  /// gradient that is not finite. All ranks together, with jobs and products alike; rank 0 has the
  /// results.
  void decoder(std::vector<GradientJob>& jobs, bool toImage, const Progress& progress);
  /// From gradients of the image tokens back through projector and tower. Layers from `skippedFrom`
  /// on pass gradients but are not part of the products. On rank 0 alone.
  void vision(std::vector<GradientJob>& jobs, std::int64_t skippedFrom, const Progress& progress);

private:
  std::int64_t positions() const { return static_cast<std::int64_t>(this->Ids.size()); }
  at::TensorOptions options() const;
  /// The decoder's output at the positions that predict the answer, on the last rank with layers.
  at::Tensor top() const;
  /// A job that starts with what `row` makes for answer tokens from..to.
  GradientJob start(std::int64_t from, std::int64_t to,
    const std::function<at::Tensor(const LogitGradient& logits, std::int64_t token)>& row);
  void checkBeforehand(const SweepResults& results) const;
  void checkLogprobs();
  ranks::Message forwardTurn(ranks::Message given, const Progress& progress);
  at::Tensor embed(const Progress& progress);
  std::vector<at::Tensor> imageTokens(const Progress& progress);
  void forwardVision(const Progress& progress);
  ranks::Message decoderTurn(
    std::vector<GradientJob>& jobs, bool toImage, ranks::Message given, const Progress& progress);
  void decoderLayer(
    std::int64_t layer, std::vector<GradientJob>& jobs, bool toImage, const Progress& progress);
  ranks::Message pass(
    ranks::Direction direction, const ranks::Team::Turn& turn, const Progress& progress);
  /// Both fail at the next Checks.finish() at the latest.
  void checkFinite(const at::Tensor& values, const std::string& where);
  void checkGradient(const GradientJob& job, const std::string& where);

  const LlavaModel::Impl& Model;
  const TracedSequence& Sequence;
  ranks::Team& Team;
  std::vector<std::int64_t> Ids; ///< [S]
  Workspace Buffers;
  Arrivals Checks;
  std::vector<at::Tensor> DecoderInputs; ///< of this rank's layers, [S, D] each; last the output
  std::vector<at::Tensor> VisionInputs;  ///< Lv + 1 times [N, D], on rank 0
};

} // namespace lvlm::llava

#endif
