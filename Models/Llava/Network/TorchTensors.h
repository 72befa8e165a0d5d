// SPDX-License-Identifier: Apache-2.0
/// @file TorchTensors.h
/// Tensors of files, traces and messages as Torch's, and back: views of the same memory. Internal
/// to Models/Llava.
#ifndef LVLM_LLAVA_TORCHTENSORS_H
#define LVLM_LLAVA_TORCHTENSORS_H

#include "Models/Trace/Tensor.h"

#include <ATen/ATen.h>

namespace lvlm::llava
{

/// Both throw Error for a type that is not floating.
DType coreType(at::ScalarType type);
/// Not to be written to unless nobody else knows the memory.
at::Tensor inTorch(const Tensor& tensor);
/// A copy of what is on a device or not contiguous.
Tensor fromTorch(const at::Tensor& tensor);

/// A tensor that another rank sent. Throws Error unless it has this type and shape.
at::Tensor received(const Tensor& tensor, at::IntArrayRef shape, const at::TensorOptions& options);

} // namespace lvlm::llava

#endif
