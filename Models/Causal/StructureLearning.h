// SPDX-License-Identifier: Apache-2.0
/// @file StructureLearning.h
/// Learning partial ancestral graphs by iterative causal discovery (ICD) with a known order.
///
/// R. Y. Rohekar, S. Nisimov, Y. Gurwicz, G. Novik, "Iterative causal discovery in the possible
/// presence of latent confounders and selection bias", NeurIPS 2021; the ordered variant as used by
/// R. Y. Rohekar, Y. Gurwicz, S. Nisimov, "Causal interpretation of self-attention in pre-trained
/// transformers" (CLEANN), NeurIPS 2023.
#ifndef LVLM_CAUSAL_STRUCTURE_LEARNING_H
#define LVLM_CAUSAL_STRUCTURE_LEARNING_H

#include "IndependenceTest.h"
#include "Orientation.h"

#include <atomic>
#include <vector>

namespace lvlm::causal
{

struct LearningOptions
{
  /// Largest conditioning set tried; negative: no limit (the search then ends by itself).
  int maximumConditioningSize = -1;
  /// Looked at before each test and within long searches; Aborted is thrown when it is set. May be
  /// null.
  const std::atomic<bool>* stop = nullptr;
};

struct LearnedStructure
{
  PartialAncestralGraph graph;
  SeparatingSets separation;
};

/// Ordered ICD: `order` is a permutation of the test's variables in which no node is an ancestor of
/// an earlier one (tokens: their positions). Equal to causality-lab's LearnStructOrderedICD without
/// selection bias. Throws Error when `order` is no permutation.
LearnedStructure learnOrdered(
  const std::vector<int>& order, IndependenceTest& test, const LearningOptions& options = {});

} // namespace lvlm::causal

#endif
