// SPDX-License-Identifier: Apache-2.0
#include "WeightStore.h"

#include "Products.h"
#include "TorchTensors.h"

namespace lvlm::llava
{

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

Linear WeightStore::part(const std::string& joined, const std::string& slot, std::int64_t begin,
  std::int64_t out, std::int64_t total, std::int64_t in) const
{
  Linear linear;
  linear.slot = slot;
  linear.weight = this->stored(joined + ".weight", { total, in }).narrow(0, begin, out);
  return linear;
}

at::Tensor apply(const Linear& linear, const at::Tensor& x, Workspace& workspace)
{
  workspace.pulse.beat();
  return takesProduct(x, linear.weight)
    ? product(x, linear.weight, linear.bias, workspace.pool)
    : at::linear(x, workspace.widened(linear, x.scalar_type(), x.device()),
        linear.bias.defined() ? linear.bias.to(x.scalar_type()) : at::Tensor());
}

at::Tensor applyTransposed(const Linear& linear, const at::Tensor& gradient, Workspace& workspace)
{
  workspace.pulse.beat();
  return takesProduct(gradient, linear.weight)
    ? transposedProduct(gradient, linear.weight, workspace.pool)
    : at::matmul(gradient, workspace.widened(linear, gradient.scalar_type(), gradient.device()));
}

} // namespace lvlm::llava
