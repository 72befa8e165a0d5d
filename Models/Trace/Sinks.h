// SPDX-License-Identifier: Apache-2.0
/// @file Sinks.h
/// Attention sinks: positions that heads look at although they say nothing. Kang et al., "See What
/// You Are Told: Visual Attention Sink in Large Multimodal Models", ICLR 2025: a few dimensions of
/// the hidden state are far larger there than the rest, the same ones as at the first position.
///
/// Layers are counted as hidden states are: l is what leaves the l-th layer and enters attention
/// of the layer with index l.
#ifndef LVLM_TRACE_SINKS_H
#define LVLM_TRACE_SINKS_H

#include "Analysis.h"

namespace lvlm
{

/// The layers to look at: `wanted` as a user writes them, none: all from 2 on that can be looked
/// at. Of a trace without hidden states those of `attention.answer`. Throws Error when there is
/// none.
Indices sinkLayers(const Trace& trace, const Indices& wanted);

/// The dimensions of the first position's states that are larger than `threshold` times their root
/// mean square, of those of `layers` that this process has: pairs of layer and dimension, one after
/// the other. Throws Error for numbers that are not finite.
Indices largeDimensions(const Trace& trace, const Indices& layers, double threshold);
/// Of these pairs, from all processes, of which several may have the same: the dimensions that are
/// large after more than half of the layers.
Indices commonDimensions(const Indices& large, std::size_t layers);

/// phi = max over `dimensions` of |x_d| / rms(x) of every position: width K; 0 without dimensions.
/// Throws Error for a dimension that states do not have, and numbers that are not finite.
LayerParts sinkValues(const Trace& trace, const Indices& layers, const Indices& dimensions,
  const Progress& progress = {});

/// A substitute without hidden states: what every row of the answer gives the position at least, in
/// multiples of what it gives a position on average; mean over heads. Width K.
LayerParts columnValues(const Trace& trace, const Indices& layers, const Progress& progress = {});

/// How much the heads of some layers look at the picture, and how much of that goes to sinks:
/// width 2 Hd, for each head the mean over the tokens of its attention to all patches, and to those
/// that are sinks in that layer. `layers` are indices of decoder layers; `sinks` [layers,
/// rows*cols].
LayerParts headShares(const Trace& trace, const Indices& tokens, const Indices& layers,
  const std::vector<bool>& sinks, const Progress& progress = {});

} // namespace lvlm

#endif
