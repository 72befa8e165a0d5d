// SPDX-License-Identifier: Apache-2.0
/// @file Weighting.h
/// What attention is weighted by, with the model that made a trace: J. Zhang, M. Khayatkhoei,
/// P. Chhikara, F. Ilievski, "MLLMs Know Where to Look", ICLR 2025 (arXiv 2502.17422). Free of
/// Torch.
#ifndef LVLM_LLAVA_WEIGHTING_H
#define LVLM_LLAVA_WEIGHTING_H

#include "LlavaModel.h"

#include "Models/Trace/Weighting.h"

namespace lvlm::llava
{

/// d log p(token) / dA for each of some answer tokens, 0-based, of the row that predicts it and the
/// picture's patches: [layers of this rank, Hd, rows*cols], float32.
///
/// Memory beside the results: as of relevancyMaps() without the tower; the results are counted with
/// it and refused beforehand when they do not fit. Throws Error when the trace cannot be this
/// model's, for a gradient that is not finite and too little memory; Aborted when `progress` says
/// so. In a parallel run all ranks call it at the same time. `progress` is rank 0's.
TokenGradients attentionGradients(const LlavaModel& model, const Trace& trace,
  const Indices& tokens, const Progress& progress, ranks::Team& team);

/// Another question about the trace's picture, with its system prompt and template: the attention
/// of the position that predicts the answer's first token, as a trace that has nothing but
/// `attention.answer` [layers of this rank, Hd, 1, positions]. Throws and runs as
/// attentionGradients().
Trace attentionOfQuestion(const LlavaModel& model, const Trace& trace, const std::string& question,
  const Progress& progress, ranks::Team& team);

} // namespace lvlm::llava

#endif
