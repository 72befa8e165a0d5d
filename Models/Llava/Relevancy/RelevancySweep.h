// SPDX-License-Identifier: Apache-2.0
/// @file RelevancySweep.h
/// Forward pass that keeps every layer's input, and sweeps from the last layer to the first that
/// recompute each layer once for all gradients. In a parallel run both go from rank to rank, each
/// keeps and recomputes its own layers. Internal to Models/Llava.
#ifndef LVLM_LLAVA_RELEVANCYSWEEP_H
#define LVLM_LLAVA_RELEVANCYSWEEP_H

#include "RelevancyLayers.h"

#include "Models/Llava/Network/LlavaModelImpl.h"
#include "Models/Ranks/Team.h"

#include <vector>

namespace lvlm::llava
{

/// Rows of a product (I + C_L) ... (I + C_1), advanced by one layer at a time: rows <- rows + rows
/// C. Restricted to the positions [offset, offset + width), which is exact when C is causal and the
/// span starts at 0, and for rows that start inside the span.
class RelevancyRows
{
public:
  RelevancyRows() = default;
  /// rows [m, width]
  RelevancyRows(at::Tensor rows, std::int64_t offset);

  bool defined() const { return this->Rows.defined(); }
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
  std::int64_t Offset = 0;
};

/// One gradient on its way through the decoder, and later through the tower. It starts on the last
/// rank with layers and ends on rank 0; elsewhere `gradient` and `first` mean nothing.
struct GradientJob
{
  std::string name;    ///< for errors, e.g. "answer token 3"
  at::Tensor gradient; ///< [n, D] of rows [first, first + n)
  std::int64_t first = 0;
  bool ownOnly = false;                ///< each row is a gradient of its own, see GradientRows
  std::vector<RelevancyRows*> targets; ///< what this job's C rows go to
  std::function<void(std::int64_t layer, std::int64_t firstRow, const at::Tensor& gradient)> tap;
};

/// The sequence of a trace as the model reads it.
struct SweepInput
{
  std::vector<std::int64_t> ids; ///< [S], 0 at image positions
  at::Tensor pixels;             ///< [3, H, W]
  std::int64_t featureStart = 0;
};

class RelevancySweep
{
public:
  RelevancySweep(const LlavaModel::Impl& model, ranks::Team& team, SweepInput input);

  ranks::Team& team() { return this->Team; }
  /// Runs vision tower and decoder on the S positions. Throws Error on values that are not finite.
  /// All ranks together.
  void forward(const Progress& progress);
  /// The decoder's output at rows [first, S), on the last rank with layers: [n, D]
  at::Tensor top(std::int64_t first) const;
  Workspace& workspace() { return this->Buffers; }

  /// Back-propagates all jobs through the decoder; afterwards, if `toImage`, a job's gradient is
  /// that of the image tokens [patches, Dt]. `commit` are the products that advance a layer. Throws
  /// Error on a gradient that is not finite. All ranks together, with jobs and products alike;
  /// rank 0 has the results.
  void decoder(std::vector<GradientJob>& jobs, const std::vector<RelevancyRows*>& commit,
    bool toImage, const Progress& progress);
  /// From gradients of the image tokens back through projector and tower. Layers from `skippedFrom`
  /// on pass gradients but are not part of the products. On rank 0 alone.
  void vision(std::vector<GradientJob>& jobs, const std::vector<RelevancyRows*>& commit,
    std::int64_t skippedFrom, const Progress& progress);

private:
  ranks::Message forwardTurn(ranks::Message given, const Progress& progress);
  at::Tensor embed(const Progress& progress);
  void forwardVision(const Progress& progress);
  ranks::Message decoderTurn(std::vector<GradientJob>& jobs,
    const std::vector<RelevancyRows*>& commit, bool toImage, ranks::Message given,
    const Progress& progress);
  void decoderLayer(
    std::int64_t layer, std::vector<GradientJob>& jobs, bool toImage, const Progress& progress);
  ranks::Message pass(
    ranks::Direction direction, const ranks::Team::Turn& turn, const Progress& progress);
  at::TensorOptions options() const;
  void check(const GradientJob& job, const std::string& where) const;

  const LlavaModel::Impl& Model;
  ranks::Team& Team;
  SweepInput Input;
  Workspace Buffers;
  std::vector<at::Tensor> DecoderInputs; ///< of this rank's layers, [S, D] each; last the output
  std::vector<at::Tensor> VisionInputs;  ///< Lv + 1 times [N, D], on rank 0
};

} // namespace lvlm::llava

#endif
