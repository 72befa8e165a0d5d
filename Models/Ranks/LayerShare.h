// SPDX-License-Identifier: Apache-2.0
/// @file LayerShare.h
/// Which layers of a model, or of a trace, belong to which rank of a parallel run.
#ifndef LVLM_RANKS_LAYERSHARE_H
#define LVLM_RANKS_LAYERSHARE_H

#include "Models/Trace/LayerSpan.h"

#include <cstdint>

namespace lvlm::ranks
{

/// Contiguous spans in the order of the ranks; the first `layers % ranks` of them hold one layer
/// more. Ranks beyond the number of layers hold none: an empty span at the end. Throws Error for a
/// negative number of layers and for a rank that is not one of `ranks`.
LayerSpan layersOfRank(std::int64_t layers, int rank, int ranks);

} // namespace lvlm::ranks

#endif
