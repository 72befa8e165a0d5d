// SPDX-License-Identifier: Apache-2.0
/// @file SinkSearch.h
/// Attention sinks of a trace that is spread over ranks: for LVLMSinks and for maps that leave them
/// out.
#ifndef LVLM_FILTERS_COMMON_SINKSEARCH_H
#define LVLM_FILTERS_COMMON_SINKSEARCH_H

#include "Models/Trace/Sinks.h"

#include <functional>
#include <vector>

namespace lvlm
{
namespace ranks
{
class Team;
}

struct SinkSearch
{
  Indices layers;        ///< as a user writes them, see sinkLayers()
  Indices dimensions;    ///< none: found at the first position
  double threshold = 20; ///< that of Kang et al.
};

struct FoundSinks
{
  LayerParts values; ///< of every position after every layer
  Indices dimensions;
  bool byStates = false; ///< else the substitute, columnValues()
};

/// All ranks together, inside of Compute(); `join` puts the parts of all together. Throws Error.
FoundSinks findSinks(const SinkSearch& search, const Trace& trace, ranks::Team& team,
  const std::function<LayerParts(const LayerParts&)>& join, const Progress& progress);

/// By patch of the trace's map: whether it is a sink after any layer, by the defaults of the
/// search. As findSinks().
std::vector<bool> sinkPatches(const Trace& trace, ranks::Team& team,
  const std::function<LayerParts(const LayerParts&)>& join, const Progress& progress);

} // namespace lvlm

#endif
