// SPDX-License-Identifier: Apache-2.0
/// @file Weighting.h
/// Attention that is weighted before it is reduced to a map (Zhang et al., "MLLMs Know Where to
/// Look", ICLR 2025): by its gradient, or relative to what another question pays.
#ifndef LVLM_TRACE_WEIGHTING_H
#define LVLM_TRACE_WEIGHTING_H

#include "Analysis.h"

#include <map>

namespace lvlm
{

/// By answer token: d log p(token) / dA of the row that predicts it, at the picture's patches,
/// float32 [layers of this process, Hd, rows*cols].
using TokenGradients = std::map<std::int64_t, Tensor>;

/// layerMaps() of A max(0, gradient) at the picture's patches in place of A, reduced over the
/// tokens of `gradients`; those of the selection are not looked at. `region` as of withRegion().
/// There is no copy for more than a token at a time. Throws Error where the shapes are not the
/// trace's.
LayerParts gradientMaps(const Trace& trace, const TokenGradients& gradients,
  const Selection& selection, std::int64_t region, Reduction reduction,
  const Progress& progress = {});

/// Maps over maps, layer by layer, both reduced over their own tokens and heads: what is left to
/// reduce are the layers. 0 where `other` is 0, as attention is that float32 cannot tell from it.
/// Throws Error for maps of other layers or patches.
LayerParts relativeMaps(const LayerParts& maps, const LayerParts& other, Reduction reduction);

} // namespace lvlm

#endif
