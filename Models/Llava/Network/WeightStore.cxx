// SPDX-License-Identifier: Apache-2.0
#include "WeightStore.h"

#include "TorchTensors.h"

#include "MatVec.h"

#include "Models/Trace/Error.h"

namespace lvlm::llava
{

namespace
{
/// A row or two during decoding: bandwidth is all that counts, so the stored weights are read once
/// per row.
constexpr std::int64_t MaximumDirectRows = 2;

bool readsDirectly(const Linear& linear, const at::Tensor& x)
{
  const at::ScalarType type = linear.weight.scalar_type();
  return x.device().is_cpu() && x.scalar_type() == at::kFloat && x.size(0) <= MaximumDirectRows &&
    (type == at::kFloat || type == at::kBFloat16 || type == at::kHalf) &&
    !(at::GradMode::is_enabled() && x.requires_grad());
}

at::Tensor applyDirectly(const Linear& linear, const at::Tensor& x)
{
  const at::Tensor rows = x.contiguous();                                         // [n, in]
  at::Tensor y = at::empty({ rows.size(0), linear.weight.size(0) }, x.options()); // [n, out]
  for (std::int64_t row = 0; row < rows.size(0); ++row)
  {
    matVec(coreType(linear.weight.scalar_type()), linear.weight.data_ptr(), linear.weight.size(0),
      linear.weight.size(1), rows.data_ptr<float>() + row * rows.size(1),
      y.data_ptr<float>() + row * y.size(1));
  }
  return linear.bias.defined() ? y.add_(linear.bias) : y;
}
}

at::Tensor Workspace::widened(const Linear& linear, at::ScalarType type, at::Device device)
{
  if (linear.weight.scalar_type() == type && linear.weight.device() == device)
  {
    return linear.weight;
  }
  at::Tensor& buffer = this->Buffers[linear.slot];
  if (!buffer.defined() || buffer.sizes() != linear.weight.sizes() ||
    buffer.scalar_type() != type || buffer.device() != device)
  {
    buffer = at::empty(linear.weight.sizes(), at::TensorOptions(type).device(device));
  }
  const at::NoGradGuard guard;
  buffer.copy_(linear.weight);
  return buffer;
}

WeightStore::WeightStore(
  std::shared_ptr<const checkpoint::Checkpoint> checkpoint, at::ScalarType type, at::Device device)
  : Files(std::move(checkpoint)), Type(type), Device(device)
{
}

at::Tensor WeightStore::stored(const std::string& name, at::IntArrayRef shape) const
{
  return inTorch(this->Files->tensor(name, shape.vec()));
}

at::Tensor WeightStore::small(const std::string& name, at::IntArrayRef shape) const
{
  return this->stored(name, shape).to(this->Device, this->Type);
}

Linear WeightStore::linear(const std::string& prefix, const std::string& slot, std::int64_t out,
  std::int64_t in, bool bias) const
{
  Linear linear;
  linear.slot = slot;
  linear.weight = this->stored(prefix + ".weight", { out, in });
  if (bias)
  {
    linear.bias = this->small(prefix + ".bias", { out });
  }
  return linear;
}

at::Tensor apply(const Linear& linear, const at::Tensor& x, Workspace& workspace)
{
  workspace.pulse.beat();
  if (readsDirectly(linear, x))
  {
    return applyDirectly(linear, x);
  }
  return at::linear(x, workspace.widened(linear, x.scalar_type(), x.device()), linear.bias);
}

} // namespace lvlm::llava
