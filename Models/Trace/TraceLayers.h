// SPDX-License-Identifier: Apache-2.0
/// @file TraceLayers.h
/// A trace whose layers are spread over processes: what one of them keeps.
#ifndef LVLM_TRACE_TRACELAYERS_H
#define LVLM_TRACE_TRACELAYERS_H

#include "LayerSpan.h"
#include "Trace.h"

namespace lvlm
{

/// The whole trace with the attention and the hidden states of the layers in `span` alone, as views
/// of the same memory; see Trace::tensors. A trace without `attention.answer` stays whole. So do
/// `attention.full` and `hidden.states` where the slabs of these layers do not follow one another.
/// Throws Error for a span that is not within the trace's layers.
Trace withLayers(const Trace& whole, const LayerSpan& span);

} // namespace lvlm

#endif
