// SPDX-License-Identifier: Apache-2.0
/// @file Analysis.h
/// Raw attention of a trace, selected and reduced: what the analysis filters show. Nothing but the
/// rows that are asked for is read. Words and shapes as in Trace.h: T answer tokens, K keys, L
/// layers, Hd heads.
///
/// Indices are given as a user writes them: 0-based, negative ones count from the end, an index
/// given twice counts once, none at all means all. Every function throws Error that names an index
/// out of range and what would be in range, and Aborted when `progress` says so.
#ifndef LVLM_CORE_ANALYSIS_H
#define LVLM_CORE_ANALYSIS_H

#include "Error.h"
#include "Trace.h"

#include <cstdint>
#include <string>
#include <vector>

namespace lvlm
{

using Indices = std::vector<std::int64_t>;

enum class Reduction
{
  Mean,
  Maximum
};

/// Which positions a head summary averages over.
enum class Source
{
  Image,
  Question
};

/// `wanted` as indices in [0, count), in the given order, each once; all of them when empty.
/// `what` names the list in the error, e.g. "Layers".
Indices resolveIndices(const Indices& wanted, std::int64_t count, const std::string& what);

struct Selection
{
  Indices answerTokens;
  Indices layers;
  Indices heads;
};

/// The attention to every patch, reduced over heads and tokens but not yet over layers: what one
/// process contributes when the layers are spread over several. Combining the layers in order makes
/// the result the same, bit by bit, on any number of processes.
struct LayerMaps
{
  Indices layers;             ///< the layers that were chosen and that this process holds
  std::vector<double> values; ///< [layers, rows*cols]: sums (Mean) or maxima (Maximum)
  std::int64_t cells = 0;     ///< rows*cols
  std::int64_t samples = 0;   ///< heads x tokens that went into each value
};
LayerMaps layerMaps(const Trace& trace, const Selection& selection, Reduction reduction,
  const Progress& progress = {});

/// One map [rows*cols] of all layers of `maps`.
std::vector<float> combineLayers(const LayerMaps& maps, Reduction reduction);

/// Attention of the selected answer rows to the image: [rows*cols], row-major, row 0 at the top.
std::vector<float> attentionMap(const Trace& trace, const Selection& selection, Reduction reduction,
  const Progress& progress = {});

/// One map a selected layer: [layers, rows*cols].
std::vector<float> attentionOfLayers(const Trace& trace, const Selection& selection,
  Reduction reduction, const Progress& progress = {});

/// One map a selected head of one layer: [heads, rows*cols]. `selection.layers` is not looked at.
std::vector<float> attentionOfHeads(const Trace& trace, const Selection& selection,
  std::int64_t layer, Reduction reduction, const Progress& progress = {});

/// The reverse: how much each answer token looks at some patches.
struct PatchAttention
{
  Indices heads;              ///< the chosen heads
  std::vector<float> mean;    ///< [T] over patches, layers and heads
  std::vector<float> perHead; ///< [heads, T] over patches and layers
};
/// `patches` are row-major; `selection.answerTokens` is not looked at.
PatchAttention patchAttention(const Trace& trace, const Indices& patches,
  const Selection& selection, const Progress& progress = {});

/// How much each head of each layer looks at the image, or at the question.
struct HeadSummary
{
  Indices layers;            ///< the layers that were chosen and that this process holds
  std::vector<float> values; ///< [layers, Hd] mean over the chosen tokens and the positions
};
/// `selection.heads` is not looked at. Throws when the trace has no position of that kind.
HeadSummary headSummary(
  const Trace& trace, const Selection& selection, Source source, const Progress& progress = {});

/// The pieces of the recorded alternatives [T, k], row-major: from the metadata key
/// `answer.topk_token` (JSON, a list of T lists of k strings) when the trace has it; else a piece
/// is known where its id occurs in the sequence, and is written as <id 17> elsewhere.
std::vector<std::string> alternativeTokens(const Trace& trace);

} // namespace lvlm

#endif
