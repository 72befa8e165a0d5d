// SPDX-License-Identifier: Apache-2.0
/// @file WeightStore.h
/// A checkpoint's weights as Torch tensors: views of the mapped files, and the buffers that they
/// are widened into, one layer at a time. Internal to Models/Llava.
#ifndef LVLM_LLAVA_WEIGHTSTORE_H
#define LVLM_LLAVA_WEIGHTSTORE_H

#include "BufferPool.h"
#include "DeviceWeights.h"
#include "Products.h"
#include "Pulse.h"

#include "Models/Checkpoint/Checkpoint.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h> // newer ATen.h do not bring it

#include <map>
#include <memory>
#include <string>

namespace lvlm::llava
{

/// y = x W^T + b. The weight stays in its stored type, on the mapped file.
struct Linear
{
  std::string slot;  ///< which buffer of a Workspace the widened weight goes to
  at::Tensor weight; ///< [out, in], stored type
  at::Tensor bias;   ///< [out], compute type; undefined when there is none
  /// Where copies of it on another device come from; none where the CPU computes.
  std::shared_ptr<DeviceWeights> copies;

  /// The weight in its stored type where x is.
  at::Tensor weightBeside(const at::Tensor& x) const;
};

/// The buffers of one computation, for weights that Products cannot take as they are stored. A
/// buffer belongs to a slot ("self_attn.q_proj" ...), so the weights of one layer are alive
/// together (back-propagation needs that) and the next layer's replace them.
class Workspace
{
public:
  /// A weight in `type`: itself when it has it, else the slot's buffer.
  at::Tensor widened(const std::string& slot, const at::Tensor& weight, at::ScalarType type);

  /// Whether applyTransposed() rounds gradients in float32 to bfloat16.
  bool roundsGradients = false;
  /// Beats before each linear map.
  Pulse pulse;
  /// For what passes from one map to the next.
  BufferPool pool;

private:
  std::map<std::string, at::Tensor> Buffers;
};

class WeightStore
{
public:
  WeightStore(std::shared_ptr<const checkpoint::Checkpoint> checkpoint, at::ScalarType type,
    at::Device device);

  at::ScalarType type() const { return this->Type; }
  at::Device device() const { return this->Device; }

  /// A small tensor (norm, bias, embedding of positions) in the compute type. Throws Error on a
  /// wrong shape.
  at::Tensor small(const std::string& name, at::IntArrayRef shape) const;
  /// A tensor in its stored type, on the mapped file.
  at::Tensor stored(const std::string& name, at::IntArrayRef shape) const;
  /// `prefix.weight` [out, in] and, where the configuration has one, `prefix.bias` [out].
  Linear linear(const std::string& prefix, const std::string& slot, std::int64_t out,
    std::int64_t in, bool bias) const;
  /// Rows [begin, begin + out) of `joined.weight` [total, in], where they lie: one of several maps
  /// that the file has in one matrix. No bias.
  Linear part(const std::string& joined, const std::string& slot, std::int64_t begin,
    std::int64_t out, std::int64_t total, std::int64_t in) const;
  /// A linear map without bias whose weight is already here.
  Linear linearOf(const std::string& slot, const at::Tensor& weight) const;
  bool has(const std::string& name) const { return this->Files->has(name); }

private:
  std::shared_ptr<const checkpoint::Checkpoint> Files;
  at::ScalarType Type;
  at::Device Device;
  std::shared_ptr<DeviceWeights> Copies;
};

/// x [n, in] -> x W^T + b [n, out], in x's type (see Products.h).
at::Tensor apply(const Linear& linear, const Activations& x, Workspace& workspace);

/// gradient [n, out] -> gradient W [n, in]: the way back through apply().
at::Tensor applyTransposed(const Linear& linear, const at::Tensor& gradient, Workspace& workspace);

} // namespace lvlm::llava

#endif
