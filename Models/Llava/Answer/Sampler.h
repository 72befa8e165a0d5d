// SPDX-License-Identifier: Apache-2.0
/// @file Sampler.h
/// Choice of the next token. Internal to Models/Llava.
#ifndef LVLM_LLAVA_SAMPLER_H
#define LVLM_LLAVA_SAMPLER_H

#include <ATen/ATen.h>

#include <cstdint>
#include <random>

namespace lvlm::llava
{

class Sampler
{
public:
  /// Temperature 0 is greedy. Throws Error for a temperature below 0 or a top-p outside (0, 1].
  Sampler(double temperature, double topP, std::uint64_t seed);

  /// The next token's id from logits [V].
  std::int64_t next(const at::Tensor& logits);

private:
  double Temperature;
  double TopP;
  std::mt19937_64 Random;
};

} // namespace lvlm::llava

#endif
