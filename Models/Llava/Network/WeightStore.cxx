// SPDX-License-Identifier: Apache-2.0
#include "WeightStore.h"

#include "TorchTensors.h"

namespace lvlm::llava
{

at::Tensor Linear::weightBeside(const at::Tensor& x) const
{
  return this->weight.device() == x.device() ? this->weight : this->copies->of(this->weight);
}

at::Tensor Workspace::widened(
  const std::string& slot, const at::Tensor& weight, at::ScalarType type)
{
  if (weight.scalar_type() == type)
  {
    return weight;
  }
  at::Tensor& buffer = this->Buffers[slot];
  if (!buffer.defined() || buffer.sizes() != weight.sizes() || buffer.scalar_type() != type ||
    buffer.device() != weight.device())
  {
    buffer = at::empty(weight.sizes(), weight.options().dtype(type));
  }
  const at::NoGradGuard guard;
  buffer.copy_(weight);
  return buffer;
}

WeightStore::WeightStore(
  std::shared_ptr<const checkpoint::Checkpoint> checkpoint, at::ScalarType type, at::Device device)
  : Files(std::move(checkpoint)), Type(type), Device(device),
    Copies(device.is_cpu() ? nullptr : std::make_shared<DeviceWeights>(device))
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
  Linear linear = this->linearOf(slot, this->stored(prefix + ".weight", { out, in }));
  if (bias)
  {
    linear.bias = this->small(prefix + ".bias", { out });
  }
  return linear;
}

Linear WeightStore::part(const std::string& joined, const std::string& slot, std::int64_t begin,
  std::int64_t out, std::int64_t total, std::int64_t in) const
{
  return this->linearOf(
    slot, this->stored(joined + ".weight", { total, in }).narrow(0, begin, out));
}

Linear WeightStore::linearOf(const std::string& slot, const at::Tensor& weight) const
{
  return { slot, weight, at::Tensor(), this->Copies };
}

at::Tensor apply(const Linear& linear, const Activations& activations, Workspace& workspace)
{
  workspace.pulse.beat();
  const at::Tensor& x = activations.rows();
  const at::Tensor weight = linear.weightBeside(x); // [out, in]
  return takesProduct(x, weight)
    ? product(activations, weight, linear.bias, workspace.pool)
    : at::linear(x, workspace.widened(linear.slot, weight, x.scalar_type()),
        linear.bias.defined() ? linear.bias.to(x.scalar_type()) : at::Tensor());
}

at::Tensor applyTransposed(const Linear& linear, const at::Tensor& gradient, Workspace& workspace)
{
  workspace.pulse.beat();
  if (workspace.roundsGradients && gradient.scalar_type() == at::kFloat)
  {
    return applyTransposed(linear, gradient.to(at::kBFloat16), workspace).to(at::kFloat);
  }
  const at::Tensor weight = linear.weightBeside(gradient); // [out, in]
  return takesProduct(gradient, weight)
    ? transposedProduct(gradient, weight, workspace.pool)
    : at::matmul(gradient, workspace.widened(linear.slot, weight, gradient.scalar_type()));
}

} // namespace lvlm::llava
