// SPDX-License-Identifier: Apache-2.0
#include "Sampler.h"

#include "Models/Trace/Error.h"

#include <algorithm>

namespace lvlm::llava
{

Sampler::Sampler(double temperature, double topP, std::uint64_t seed)
  : Temperature(temperature), TopP(topP), Random(seed)
{
  if (!(temperature >= 0 && temperature <= 1e6))
  {
    fail("Temperature ", temperature, " is not in [0, 1e6]");
  }
  if (!(topP > 0 && topP <= 1))
  {
    fail("TopP ", topP, " is not in (0, 1]");
  }
}

std::int64_t Sampler::next(const at::Tensor& logits)
{
  if (this->Temperature == 0)
  {
    return logits.argmax().item<std::int64_t>();
  }
  const at::Tensor z = logits.to(at::kCPU, at::kDouble);
  // The best one's exponent is 0 at any temperature: the lower it is, the more greedy the draw.
  const at::Tensor p = at::softmax((z - z.max()) / this->Temperature, 0); // [V]
  auto [sorted, order] = p.sort(/*stable=*/true, 0, /*descending=*/true); // [V], [V]
  // The smallest set whose probability reaches TopP: a token stays while those before it fall
  // short.
  const at::Tensor before = sorted.cumsum(0) - sorted;
  const at::Tensor kept = at::where(before < this->TopP, sorted, at::zeros_like(sorted));
  const at::Tensor cumulative = kept.cumsum(0);
  // Our own draw from the top 53 bits: the standard's distributions differ between libraries.
  const double uniform = static_cast<double>(this->Random() >> 11) * 0x1.0p-53;
  const double target = uniform * cumulative[-1].item<double>();
  const std::int64_t index = (cumulative <= target).sum().item<std::int64_t>();
  const std::int64_t last = (kept > 0).sum().item<std::int64_t>() - 1;
  return order[std::min(index, last)].item<std::int64_t>();
}

} // namespace lvlm::llava
