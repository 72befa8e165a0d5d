// SPDX-License-Identifier: Apache-2.0
/// @file TokenActivation.h
/// Token activation map (Y. Li et al., "Token Activation Map to Visually Explain Multimodal LLMs",
/// ICCV 2025, arXiv 2506.23270): where in the picture positions say an answer token themselves, by
/// their logits after the last layer, less what they say of the words before it.
///
/// The words are those of the question, then of the answer before the token. Each has a map of its
/// own, the positive part of its logit at the patches; what the token's map has in common with them
/// is the least-squares multiple of their mean, weighted by how much the token is said at their
/// positions. That is subtracted, the positive part is scaled to [0, 1] together with the words'
/// scores, and a rank-Gaussian filter takes single patches out.
///
/// As in the authors' code: a question's word stands at its own position, the answer's token t at
/// the position that predicts it; the question's first word counts as the word that its position
/// says; of the answer's first token it is the prompt's last token whose map is subtracted later
/// on. The authors give the map of the question's first word in place of the answer's first
/// token's; here that is a token like any other. Words are the same if their ids are.
#ifndef LVLM_TRACE_TOKENACTIVATION_H
#define LVLM_TRACE_TOKENACTIVATION_H

#include "Lens.h"

namespace lvlm
{

/// The ids whose logits are needed for all answer tokens, each once.
Indices activationWords(const Trace& trace);
/// The position whose own word is needed as well: of the question's first word; -1: there is none.
std::int64_t activationStart(const Trace& trace);

/// Of an answer token, a number in [0, 1] for each position [K]: the filtered map at the patches,
/// the words' scores at the question and at the answer before the token, 0 elsewhere. `last`: the
/// lens of the last layer alone with activationWords() and the word of activationStart(). Throws
/// Error for a lens that lacks any of that.
std::vector<double> tokenActivation(const Trace& trace, const Lens& last, std::int64_t token);

/// A rank-Gaussian filter over a map [rows, cols]: each value becomes the mean of the nine around
/// it in order of size, by Gaussian weights around the median whose width is their standard
/// deviation over their mean. Beyond the edge the map is reflected; where the nine are alike they
/// stay.
std::vector<double> rankGaussian(const std::vector<double>& map, const PatchGrid& grid);

} // namespace lvlm

#endif
