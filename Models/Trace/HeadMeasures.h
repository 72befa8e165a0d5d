// SPDX-License-Identifier: Apache-2.0
/// @file HeadMeasures.h
/// What tells heads apart that look at the picture: how much they do, and how they spread it.
#ifndef LVLM_TRACE_HEADMEASURES_H
#define LVLM_TRACE_HEADMEASURES_H

#include "Analysis.h"

namespace lvlm
{

/// Of a map [rows*cols], with natural logarithms: -sum p log p of its values divided by their sum;
/// 0 for a map of zeros.
double mapEntropy(const std::vector<double>& map);

/// The same over blobs instead of patches: what max(0, map - mean) leaves, in components of patches
/// that touch at an edge or a corner, each with its part of the sum. A map with nothing above its
/// mean counts as spread over all patches. Peruzzo et al., "Spatial Entropy as an Inductive Bias
/// for Vision Transformers", 2022, as Kang et al. use it to find localization heads (CVPR 2025).
double spatialEntropy(const std::vector<double>& map, const PatchGrid& grid);

/// Numbers of a head in headMeasures().
enum class HeadMeasure
{
  ImageShare, ///< the part of its attention that goes to the picture
  Entropy,
  SpatialEntropy,
  ColumnScore, ///< see ColumnScore.h
  ColumnToken
};
inline constexpr std::size_t HeadMeasures = 5;

/// Of the map of each head, mean over the chosen tokens, the measures in their order: width
/// HeadMeasures * Hd. The window of ColumnScore ends at the last of these tokens. `selection.heads`
/// is not looked at.
LayerParts headMeasures(
  const Trace& trace, const Selection& selection, const Progress& progress = {});
/// One of them of each head: [layers, Hd].
std::vector<double> measureOf(const LayerParts& all, HeadMeasure measure);
/// Throws Error, beginning with the property `what`, where there was no window for ColumnScore.
void requireColumnScores(const LayerParts& all, const std::string& what);

/// The elbow of sorted numbers: the one that lies furthest below the line from the smallest to the
/// largest (both axes from 0 to 1).
double elbowOf(std::vector<double> values);

/// Maps in the order in which they tell where something is, as places in the lists of their image
/// shares and spatial entropies: those whose image share is at least the elbow of all shares, the
/// lowest spatial entropy first; then the others, the largest share first.
std::vector<std::size_t> localizationOrder(
  const std::vector<double>& shares, const std::vector<double>& spatialEntropies);

/// What makes a head better than another.
enum class HeadRanking
{
  Localization, ///< as localizationOrder() has it
  ImageShare,   ///< more of it
  Entropy,      ///< less
  ColumnScore   ///< more
};

/// The `count` best of the heads that `wanted` chooses, among all heads of the layers of `all`, of
/// all these layers or `ofEachLayer`; the best first. Fewer where there are not so many. Throws
/// Error for an index out of range, and as requireColumnScores().
std::vector<HeadPlace> bestHeads(const LayerParts& all, HeadRanking ranking, const Indices& wanted,
  std::int64_t count, bool ofEachLayer);

} // namespace lvlm

#endif
