// SPDX-License-Identifier: Apache-2.0
#include "Arrivals.h"

#include "Models/Trace/Error.h"

#include <c10/core/impl/VirtualGuardImpl.h>

#include <cmath>
#include <utility>

namespace lvlm::llava
{

namespace
{
/// Of pinned memory: more is waited for.
constexpr std::int64_t MostBytes = 256 << 20;
}

void Arrivals::bring(const at::Tensor& values, at::ScalarType type, Use use)
{
  const at::Tensor source = values.detach().to(type).contiguous();
  if (source.device().is_cpu())
  {
    use(source);
    return;
  }
  this->From = source.device();
  const at::Tensor there =
    at::empty(source.sizes(), at::TensorOptions(type).device(at::kCPU).pinned_memory(true));
  there.copy_(source, /*non_blocking=*/true);
  this->Bytes += static_cast<std::int64_t>(there.nbytes());
  this->OnTheWay.push_back({ there, std::move(use) });
  if (this->Bytes > MostBytes)
  {
    this->finish();
  }
}

void Arrivals::finish()
{
  const std::vector<Coming> come = std::exchange(this->OnTheWay, {});
  this->Bytes = 0;
  if (come.empty())
  {
    return;
  }
  c10::impl::VirtualGuardImpl(this->From.type()).getStream(this->From).synchronize();
  for (const Coming& each : come)
  {
    each.use(each.values);
  }
}

void requireFinite(Arrivals& arrivals, const at::Tensor& values, const std::string& where)
{
  // A sum is finite unless a value is not, or the values are about to overflow anyway.
  arrivals.bring(values.sum(), at::kDouble,
    [where](const at::Tensor& sum)
    {
      if (!std::isfinite(sum.item<double>()))
      {
        fail(where,
          " is not finite: the weights are damaged, or the precision is too low for this ",
          "model");
      }
    });
}

} // namespace lvlm::llava
