// SPDX-License-Identifier: Apache-2.0
/// @file Relevancy.h
/// Relevancy maps of a recorded answer: which patches and which words made an answer token. Chefer,
/// Gur, Wolf: "Generic Attention-model Explainability for Interpreting Bi-Modal and Encoder-Decoder
/// Transformers", ICCV 2021, equations 5 (C), 6 (the product) and 8-9 (normalization), as
/// LVLM-Interpret (arXiv 2404.03118) applies them to LLaVA. Free of Torch.
#ifndef LVLM_LLAVA_RELEVANCY_H
#define LVLM_LLAVA_RELEVANCY_H

#include "LlavaModel.h"

#include "Models/Trace/RelevancyCache.h"

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
  /// Compatible only; the `temperature` that the answer was sampled with, 0 counts as 1.
  double temperature = 1;
  bool tower = true; ///< the maps that lead through the vision tower, too
  /// Gradients are rounded to bfloat16 before each product with weights, which is faster where
  /// there are units for it; the model itself and its attention stay as exact as they are.
  bool roundedGradients = false;
};

/// The maps of some answer tokens, 0-based, negative ones count from the end; none at all means
/// all:
///   relevancy.decoder      [K] row of the token over the sequence; 0 after its own position
///   relevancy.vision       [rows*cols] row CLS of the product over the tower's layers
///   relevancy.joint        [rows*cols] as vision, started from the decoder's image block
///   relevancy.joint_token  [rows*cols] as vision, started from the token's row in row and column
///                          CLS
/// Of a tower without CLS there are two:
///   relevancy.decoder      as above
///   relevancy.joint        [rows*cols] the decoder's map of the patches, multiplied by the product
///                          over the tower's layers: one product through both
///
/// Throws Error when the trace cannot be this model's (picture size, vocabulary, image span, grid,
/// log-probabilities), for a token out of range, a gradient that is not finite and too little
/// memory; Aborted when `progress` says so. Keeps nothing: see RelevancyCache.
///
/// Memory beside the results: the input of every layer and one gradient for each token of a group,
/// all of S x D numbers for S positions; one layer's intermediates; 64 MiB at most of attention;
/// for the tower's maps two squares of rows*cols numbers for each token of a group (one pair in all
/// in Compatible mode). Groups are as large as fits in 256 MiB of gradients.
///
/// In a parallel run all ranks call it at the same time, on the same trace but for the attention,
/// and all get the maps. `progress` is rank 0's.
AnswerMaps relevancyMaps(const LlavaModel& model, const Trace& trace, const Indices& tokens,
  const RelevancyOptions& options, const Progress& progress, ranks::Team& team);

} // namespace lvlm::llava

#endif
