// SPDX-License-Identifier: Apache-2.0
/// @file Relevancy.h
/// Relevancy maps of a recorded answer: which patches and which words made an answer token. Chefer,
/// Gur, Wolf: "Generic Attention-model Explainability for Interpreting Bi-Modal and Encoder-Decoder
/// Transformers", ICCV 2021, equations 5 (C), 6 (the product) and 8-9 (normalization), as
/// LVLM-Interpret (arXiv 2404.03118) applies them to LLaVA. Free of Torch.
#ifndef LVLM_LLAVA_RELEVANCY_H
#define LVLM_LLAVA_RELEVANCY_H

#include "LlavaModel.h"

#include <memory>
#include <vector>

namespace lvlm::llava
{

enum class RelevancyMode
{
  /// Everything from the gradient of the token itself, raw logits.
  Exact,
  /// What LVLM-Interpret computes: rows of the prompt keep token 0's gradients, row j has token
  /// j's; logits divided by the temperature; gradients of the vision tower summed over tokens 0..t;
  /// the tower's last layer left out.
  Compatible
};

struct RelevancyOptions
{
  RelevancyMode mode = RelevancyMode::Exact;
  bool normalize = true; ///< divide each row by its sum (equations 8-9)
  double temperature =
    1; ///< Compatible only; the `temperature` the answer was sampled with, 0 counts as 1
  bool decoder = true;
  bool vision = true;
  bool joint = true;
  bool jointToken = true;
};

/// The maps of n answer tokens; a tensor that was not asked for is empty.
struct RelevancyMaps
{
  std::vector<std::int64_t> tokens; ///< [n] as asked for
  Tensor decoder; ///< f32 [n, K] row of the token over the sequence, without the identity; 0 after
                  ///< its own position
  Tensor vision;  ///< f32 [n, rows*cols] row CLS of the product over the tower's layers
  Tensor joint;   ///< f32 [n, rows*cols] as vision, started from the decoder's image block
  Tensor jointToken; ///< f32 [n, rows*cols] as vision, started from the token's relevancy in row
                     ///< and column CLS
};

/// The relevancy of one trace, on the model that made it. Keeps what it has computed, so that
/// asking for a token again costs nothing. Not thread-safe.
///
/// Memory beside the results: the input of every layer and one gradient for each token of a group,
/// all of S x D numbers for S positions; one layer's intermediates; 64 MiB at most of attention.
/// `joint` alone adds two squares of rows*cols numbers for each token of a group (one pair in all
/// in Compatible mode). Groups are as large as fits in 256 MiB of gradients.
class Relevancy
{
public:
  /// Throws Error when the trace cannot be this model's: picture size, vocabulary, image span,
  /// grid.
  Relevancy(std::shared_ptr<const LlavaModel> model, const Trace& trace);
  ~Relevancy();
  Relevancy(const Relevancy&) = delete;
  Relevancy& operator=(const Relevancy&) = delete;

  /// Maps of some answer tokens, 0-based, negative ones count from the end; none at all means all.
  /// Throws Error for a token out of range, a gradient that is not finite, too little memory, and
  /// when the model does not give the trace's `answer.logprob` any more; Aborted when `progress`
  /// says so.
  ///
  /// In a parallel run all ranks call it at the same time, on the same trace but for the attention,
  /// and all get the maps. `progress` is rank 0's.
  RelevancyMaps compute(const std::vector<std::int64_t>& tokens, const RelevancyOptions& options,
    const Progress& progress = Progress());
  RelevancyMaps compute(const std::vector<std::int64_t>& tokens, const RelevancyOptions& options,
    const Progress& progress, ranks::Team& team);

  /// Gradient of an answer token's logit with respect to the attention of one layer, decoder: [Hd,
  /// S, S] with S = P + token, vision tower: [Hv, Nv, Nv]; f64 on a Float64 model, else f32. All of
  /// it in memory, for small models and tests, on one rank. Throws as compute() does, and for a
  /// layer out of range.
  Tensor attentionGradient(std::int64_t token, std::int64_t layer, bool visionTower);

private:
  struct Impl;
  std::unique_ptr<Impl> Self;
};

} // namespace lvlm::llava

#endif
