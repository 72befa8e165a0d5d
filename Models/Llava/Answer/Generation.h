// SPDX-License-Identifier: Apache-2.0
/// @file Generation.h
/// Prefill and decoding with capture. Internal to Models/Llava.
#ifndef LVLM_LLAVA_GENERATION_H
#define LVLM_LLAVA_GENERATION_H

#include "CaptureBuffer.h"
#include "Prompt.h"
#include "Sampler.h"

#include "Models/Llava/AttentionCut.h"
#include "Models/Llava/Network/Arrivals.h"
#include "Models/Llava/Network/LlavaModelImpl.h"

#include <optional>

namespace lvlm::llava
{

/// Layers as 0-based, sorted, unique numbers. Throws Error for one out of range.
std::vector<std::int64_t> resolveLayers(
  const std::vector<std::int64_t>& layers, std::int64_t count);
/// The numbers of the hidden states that a question wants, of a decoder with L layers. Throws Error
/// for one out of range.
std::vector<std::int64_t> wantedHidden(const Question& question, std::int64_t layers);
/// Those that belong to the span.
std::vector<std::int64_t> hiddenIn(const LayerSpan& span, const std::vector<std::int64_t>& hidden);
/// The type that they are kept in.
DType hiddenType(const LlavaModel::Impl& model);
/// Those of the layers that are in the span.
std::vector<std::int64_t> layersIn(const LayerSpan& span, const std::vector<std::int64_t>& layers);

/// One question on the layers of one rank, step by step. Not thread-safe; makes its own buffers.
class Generation
{
public:
  /// With `cuts`, positions do not see each other as these say.
  Generation(const LlavaModel::Impl& model, const Question& question, const Prompt& prompt,
    std::vector<AttentionCut> cuts = {});

  /// First rank: vision tower, projector and embeddings of the prompt, [P, D].
  at::Tensor embedPrompt(const std::vector<picture::SeenPicture>& seen, const Progress& progress);
  /// First rank: embedding of an answer token, [1, D].
  at::Tensor embedToken(std::int64_t token) const;
  /// This rank's layers on the next n positions: [n, D] -> [n, D].
  at::Tensor layers(at::Tensor hidden, const Progress& progress, const std::string& what);
  /// Last rank: logits of the next token [V] from the decoder's output [n, D].
  at::Tensor logits(const at::Tensor& hidden);
  std::int64_t promptLength() const { return static_cast<std::int64_t>(this->Input.ids.size()); }
  /// Beats while this rank works.
  Pulse& pulse() { return this->Buffers.pulse; }
  /// The hidden states' type and place.
  at::TensorOptions tensorOptions() const;
  /// Moves the captured tensors of an answer of T tokens into the trace.
  void moveCapture(Trace& trace, std::int64_t answerLength);

private:
  /// Hidden states [n, D] of the positions of this pass, if these are wanted.
  void captureHidden(std::int64_t number, const at::Tensor& hidden);
  /// Rows of a layer from `firstRow` of this pass on.
  void capture(std::int64_t layer, std::int64_t firstRow, const at::Tensor& probabilities);
  /// Rows of [heads, n, S], `firstPosition` the first of them, to rows from `rowBegin` on of a
  /// slab.
  void keepRows(CaptureBuffer& buffer, std::int64_t slab, std::int64_t rowBegin,
    std::int64_t firstPosition, const at::Tensor& probabilities);
  /// Fails, at the next finish() at the latest, if a value is not finite.
  void checkFinite(const at::Tensor& values, const std::string& where);

  const LlavaModel::Impl& Model;
  const Prompt& Input;
  std::vector<AttentionCut> Cuts;
  std::int64_t Fed = 0;                    ///< positions in the cache
  std::vector<std::int64_t> AllFullLayers; ///< of all ranks
  std::vector<std::int64_t> FullLayers;    ///< of this rank
  std::vector<std::int64_t> AllHidden;     ///< numbers of hidden states, of all ranks
  std::vector<std::int64_t> HiddenHere;    ///< of this rank
  bool CapturesAnswer = false;
  std::vector<LayerCache> Cache;
  Workspace Buffers;
  Arrivals Captured;
  std::optional<CaptureBuffer> Answer, Full, Vision, Hidden;
};

} // namespace lvlm::llava

#endif
