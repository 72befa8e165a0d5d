// SPDX-License-Identifier: Apache-2.0
/// @file Analysis.h
/// Raw attention of a trace, selected and reduced: what the analysis filters show. Nothing but the
/// rows that are asked for is read. Words and shapes as in Trace.h: T answer tokens, K keys, L
/// layers, Hd heads.
///
/// Indices are given as a user writes them: 0-based, negative ones count from the end, an index
/// given twice counts once, none at all means all. Every function throws Error that names an index
/// out of range and what would be in range, and Aborted when `progress` says so.
#ifndef LVLM_TRACE_ANALYSIS_H
#define LVLM_TRACE_ANALYSIS_H

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

/// `wanted` as indices in [0, count), in the given order, each once; all of them when empty.
/// `what` names the list in the error, e.g. "Layers".
Indices resolveIndices(const Indices& wanted, std::int64_t count, const std::string& what);

/// A head of a layer, both in [0, count).
struct HeadPlace
{
  std::int64_t layer = 0;
  std::int64_t head = 0;
};

struct Selection
{
  Indices answerTokens;
  Indices layers;
  Indices heads;
  /// Where there are any: these heads of these layers, in place of all `heads` of all `layers`, of
  /// which they are. Layers that have none are not chosen.
  std::vector<HeadPlace> places = {};
  /// By patch of the map, or empty: whether attention to it counts as 0, as that to sinks.
  std::vector<bool> dropped = {};
};

/// The heads that are chosen of a trace with so many layers and heads: layer by layer in the order
/// of the choice, and of each layer as they were given.
std::vector<HeadPlace> placesOf(
  const Selection& selection, std::int64_t layers, std::int64_t heads);
/// The heads of places, in their order.
Indices headsOf(const std::vector<HeadPlace>& places);

/// What one process contributes to a result over layers that may be spread over several: numbers
/// for each chosen layer that it holds. joinLayers() puts the parts of all processes into the order
/// of the choice, and what is made of that is the same, bit by bit, on any number of processes.
struct LayerParts
{
  Indices chosen;             ///< all chosen layers in the order of the choice, in every process
  Indices layers;             ///< those of them that `values` has
  std::vector<double> values; ///< [layers, width]: sums (Mean) or maxima (Maximum)
  std::int64_t width = 0;     ///< numbers a layer
  Indices samples;            ///< of each chosen layer: how many numbers went into each value
};

/// The attention to every patch, reduced over heads and tokens: width rows*cols.
LayerParts layerMaps(const Trace& trace, const Selection& selection, Reduction reduction,
  const Progress& progress = {});

/// The attention of each chosen head of one layer to every patch, reduced over tokens: width
/// heads*rows*cols. `selection.layers` is not looked at, nor are places in other layers.
LayerParts headMaps(const Trace& trace, const Selection& selection, std::int64_t layer,
  Reduction reduction, const Progress& progress = {});

/// Sums over some patches: width heads*T. `patches` are row-major; of the selection
/// `answerTokens` and `places` are not looked at.
LayerParts patchSums(const Trace& trace, const Indices& patches, const Selection& selection,
  const Progress& progress = {});

/// The attention to groups of positions, each summed: width T*groups, [answer tokens, groups].
/// Of the selection `answerTokens` and `dropped` are not looked at.
LayerParts groupSums(const Trace& trace, const std::vector<Indices>& groups,
  const Selection& selection, const Progress& progress = {});

/// The positions of a role that keys can have, in their order.
Indices positionsOf(const Trace& trace, Role role);

/// Which positions a head summary averages over.
enum class Source
{
  Image,
  Question
};
/// Sums over the chosen tokens and the positions of that kind: width Hd. Of the selection nothing
/// but `answerTokens` and `layers` is looked at. Throws when the trace has no position of that
/// kind.
LayerParts headSums(
  const Trace& trace, const Selection& selection, Source source, const Progress& progress = {});

/// The parts of all processes as one that has every chosen layer. Where several have a layer, the
/// first counts. Throws Error for parts that do not belong together, or a layer that none has.
LayerParts joinLayers(const std::vector<LayerParts>& parts);

///@{
/// Results of parts that have every chosen layer; throws Error for others.
/// All layers in one: [width].
std::vector<float> acrossLayers(const LayerParts& all, Reduction reduction);
/// Each layer for itself: [layers, width].
std::vector<float> eachLayer(const LayerParts& all, Reduction reduction);
/// How much each answer token looks at the patches of patchSums().
struct PatchAttention
{
  std::vector<float> mean;    ///< [T] over patches, layers and heads
  std::vector<float> perHead; ///< [heads, T] over patches and layers
};
PatchAttention patchAttention(const LayerParts& all, std::int64_t answerTokens);
///@}

/// The pieces of the recorded alternatives [T, k], row-major: from the metadata key
/// `answer.topk_token` (JSON, a list of T lists of k strings) when the trace has it; else a piece
/// is known where its id occurs in the sequence, and is written as <id 17> elsewhere.
std::vector<std::string> alternativeTokens(const Trace& trace);
/// What they say [T, k], each in the place of its answer token: from `answer.topk_text`, else
/// textOfPiece() of the pieces.
std::vector<std::string> alternativeTexts(const Trace& trace);

} // namespace lvlm

#endif
