// SPDX-License-Identifier: Apache-2.0
/// @file RelevancyLayers.h
/// Each part of the model as a function that is computed once and then back-propagated through by
/// hand, for one gradient after the other. Not autograd: tried, it takes 1.2 to 2.2 times the time
/// and a third more memory (Plugin/Documentation/benchmarks.md), for [heads, S, S] of attention and
/// its gradients and for rows that nobody asks about. Internal to Models/Llava.
#ifndef LVLM_LLAVA_RELEVANCYLAYERS_H
#define LVLM_LLAVA_RELEVANCYLAYERS_H

#include "RelevancyAttention.h"

#include "Models/Llava/Network/Decoder.h"
#include "Models/Llava/Network/VisionTower.h"

#include <optional>

namespace lvlm::llava
{

/// Derivative of activate() at x, element by element.
at::Tensor activationSlope(checkpoint::Activation activation, const at::Tensor& x);

/// The type that gradients are computed in: float64 for a float64 model, else float32.
at::ScalarType gradientType(at::ScalarType computeType);

/// A linear map and its way back; the layer that owns it and the workspace outlive it.
class LinearGradient
{
public:
  LinearGradient() = default;
  LinearGradient(const Linear& linear, Workspace& workspace);
  at::Tensor forward(const Activations& x) const;    ///< [n, in] -> [n, out]
  at::Tensor back(const at::Tensor& gradient) const; ///< [n, out] -> [n, in]

private:
  const Linear* Source = nullptr;
  Workspace* Buffers = nullptr;
};

/// RMSNorm or LayerNorm at its input [n, D].
class NormGradient
{
public:
  static NormGradient rms(const at::Tensor& x, const at::Tensor& weight, double eps);
  static NormGradient layer(
    const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, double eps);

  const at::Tensor& output() const { return this->Output; } ///< [n, D]
  /// Gradient of rows [first, first + n') -> gradient of the input's rows.
  at::Tensor back(const at::Tensor& gradient, std::int64_t first) const;

private:
  bool Centered = false;
  at::Tensor Weight;     ///< [D]
  at::Tensor Normalized; ///< [n, D], before the weight
  at::Tensor Scale;      ///< [n, 1], one over the deviation
  at::Tensor Output;
};

/// A decoder layer at its input. Holds 2 S intermediate + 9 S hidden numbers about, and the layer's
/// weights through `workspace`, which must not be used for another layer meanwhile.
class DecoderLayerGradient
{
public:
  /// hidden [S, D] of positions 0..S-1, in the gradients' type, as all results are.
  DecoderLayerGradient(const DecoderLayer& layer, const at::Tensor& hidden, Workspace& workspace);

  const at::Tensor& output() const { return this->Output; } ///< [S, D]
  /// Gradient of the output's rows [rows.first, rows.first + n) -> of the input's rows
  /// [rows.result, rows.first + n).
  at::Tensor back(
    const at::Tensor& gradient, const GradientRows& rows, const GradientTaps& taps) const;

private:
  at::Tensor feedForward(const DecoderLayer& layer, const at::Tensor& middle, Workspace& workspace);
  at::Tensor heads(const LinearGradient& map, const at::Tensor& weight,
    std::optional<NormGradient>& norm, const Activations& x, const Rope& rope) const;
  at::Tensor headsBack(const LinearGradient& map, const std::optional<NormGradient>& norm,
    const at::Tensor& gradient, std::int64_t first) const;

  NormGradient InputNorm, PostNorm;
  std::optional<NormGradient> QueryNorm, KeyNorm; ///< rows are heads of positions, [S * heads, d]
  LinearGradient Query, Key, Value, Out, Gate, Up, Down;
  std::optional<BlockedAttention> Attention;
  std::int64_t KeyValueHeads, HeadSize;
  double NormEps, ResidualScale;
  Rope InverseRope;     ///< [S, d]
  at::Tensor Activated; ///< [S, I]: act(gate), the slope of the product in `up`
  at::Tensor GateSlope; ///< [S, I]: act'(gate) * up, its slope in `gate`
  at::Tensor Output;
};

/// A layer of the vision tower at its input; as DecoderLayerGradient, every row at once.
class VisionLayerGradient
{
public:
  VisionLayerGradient(const VisionLayer& layer, const at::Tensor& hidden, Workspace& workspace);

  const at::Tensor& output() const { return this->Output; }                    ///< [N, D]
  at::Tensor back(const at::Tensor& gradient, const GradientTaps& taps) const; ///< [N, D] -> [N, D]

private:
  NormGradient Norm1, Norm2;
  LinearGradient Query, Key, Value, Out, Fc1, Fc2;
  std::optional<BlockedAttention> Attention;
  std::int64_t Heads;
  at::Tensor Slope; ///< [N, I]
  at::Tensor Output;
};

/// The tower's features [N, F] -> image tokens [patches, Dt].
class ProjectorGradient
{
public:
  ProjectorGradient(const VisionTower& tower, const at::Tensor& features, Workspace& workspace);

  const at::Tensor& output() const { return this->Output; }
  at::Tensor back(
    const at::Tensor& gradient) const; ///< [patches, Dt] -> [N, F], 0 for a dropped CLS

private:
  std::optional<NormGradient> Norm;
  LinearGradient Linear1, Linear2;
  at::Tensor Slope;
  at::Tensor Output;
  bool DropsClassToken;
  double Scale;
};

/// Final norm and output projection for the rows that predict the answer.
class LogitGradient
{
public:
  /// hidden [n, D]: the decoder's output.
  LogitGradient(const Decoder& decoder, const at::Tensor& hidden, Workspace& workspace);

  /// Log-probability of a token at a row.
  double logprob(std::int64_t row, std::int64_t token) const;
  /// Gradient of the token's logit at this row: [1, D]
  at::Tensor back(std::int64_t row, std::int64_t token) const;
  /// Gradient of its log-probability there: [1, D]
  at::Tensor logprobBack(std::int64_t row, std::int64_t token) const;

private:
  NormGradient normAt(std::int64_t row) const;

  const Decoder& Source;
  at::Tensor Hidden; ///< [n, D]
  Workspace& Buffers;
};

} // namespace lvlm::llava

#endif
