// SPDX-License-Identifier: Apache-2.0
/// @file Faithfulness.h
/// Whether a map names what an answer depends on: patches are taken away from the picture, or shown
/// one after the other, in the map's order. V. Petsiuk, A. Das, K. Saenko: "RISE", BMVC 2018
/// (deletion and insertion); J. DeYoung et al.: "ERASER", ACL 2020 (comprehensiveness,
/// sufficiency).
#ifndef LVLM_TRACE_FAITHFULNESS_H
#define LVLM_TRACE_FAITHFULNESS_H

#include "Analysis.h"

#include <cstdint>
#include <vector>

namespace lvlm
{

/// 0 to count - 1 in an order that `seed` decides, the same everywhere.
Indices randomOrder(std::int64_t count, std::uint64_t seed);

/// Patches by their value, the largest first; equal ones in randomOrder(). Throws Error for a value
/// that is not finite.
Indices patchOrder(const std::vector<float>& map, std::uint64_t seed);

/// How many of `patches` are taken at the steps 0 to `steps`: as even as whole numbers allow.
/// Throws Error unless steps is in [1, patches].
Indices stepCounts(std::int64_t patches, std::int64_t steps);

/// Of some of an answer's tokens; `logprobs` [T].
double meanProbability(const std::vector<double>& logprobs, const Indices& tokens);
double meanLogprob(const std::vector<double>& logprobs, const Indices& tokens);

struct Spread
{
  double mean = 0;
  double deviation = 0; ///< of a sample; 0 for one value
};

/// Of one value at least.
Spread spreadOf(const std::vector<double>& values);

/// Probabilities of the answer [steps + 1].
struct FaithfulnessCurves
{
  std::vector<double> deletion;  ///< with the map's first patches hidden
  std::vector<double> insertion; ///< with only these shown
};

struct FaithfulnessScores
{
  double deletion = 0;          ///< area under the curve; a faithful map's is small
  double insertion = 0;         ///< area under the curve; a faithful map's is large
  double comprehensiveness = 0; ///< mean fall of the probability over deletion's steps; large
  double sufficiency = 0;       ///< mean fall of the probability over insertion's steps; small
};

/// `fractions` [steps + 1] of the picture, rising from 0 to 1.
FaithfulnessScores faithfulnessScores(
  const FaithfulnessCurves& curves, const std::vector<double>& fractions);

} // namespace lvlm

#endif
