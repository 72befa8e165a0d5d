// SPDX-License-Identifier: Apache-2.0
/// @file ModelParts.h
/// The part of a model that a rank opens, and how far two lists of numbers are from each other.
#ifndef LVLM_TESTING_MODELPARTS_H
#define LVLM_TESTING_MODELPARTS_H

#include "TestDevice.h"

#include "Models/Llava/LlavaModel.h"

#include <cmath>

namespace lvlm_test
{

inline std::shared_ptr<const lvlm::llava::LlavaModel> openPart(const std::string& folder, int rank,
  int ranks, lvlm::llava::Precision precision = lvlm::llava::Precision::Float32)
{
  lvlm::llava::ModelOptions options;
  options.precision = precision;
  options.device = testDevice();
  options.threads = 1;
  options.rank = rank;
  options.ranks = ranks;
  return lvlm::llava::LlavaModel::open(folder, options);
}

inline double furthest(const std::vector<double>& ours, const double* theirs)
{
  double worst = 0;
  for (std::size_t t = 0; t < ours.size(); ++t)
  {
    const double one = std::abs(ours[t] - theirs[t]);
    worst = one <= worst ? worst : one; // NaN counts as large
  }
  return worst;
}

} // namespace lvlm_test

#endif
