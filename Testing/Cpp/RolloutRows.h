// SPDX-License-Identifier: Apache-2.0
/// @file RolloutRows.h
/// Rollout through all layers in one process, as LVLMRelevancy does over several.
#ifndef LVLM_TESTING_ROLLOUTROWS_H
#define LVLM_TESTING_ROLLOUTROWS_H

#include "Models/Trace/Rollout.h"

namespace lvlm_test
{
/// [n, K]
inline std::vector<float> rolloutRows(
  const lvlm::Trace& trace, const lvlm::Indices& answerTokens, lvlm::Reduction reduction)
{
  lvlm::Rollout rollout(trace, answerTokens, reduction);
  for (std::int64_t layer = rollout.layers(); layer-- > 0;)
  {
    rollout.descend(layer);
  }
  return { rollout.rows.begin(), rollout.rows.end() };
}
} // namespace lvlm_test

#endif
