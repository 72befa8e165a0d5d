// SPDX-License-Identifier: Apache-2.0
/// @file TensorParcel.h
/// Torch tensors on their way between ranks. Internal to Models/Llava.
#ifndef LVLM_LLAVA_TENSORPARCEL_H
#define LVLM_LLAVA_TENSORPARCEL_H

#include "Models/Ranks/Parcel.h"

#include <ATen/ATen.h>

namespace lvlm::llava
{

void putTensor(ranks::Parcel& parcel, const at::Tensor& tensor);

/// The next tensor, copied to a device. Throws Error unless it has this type and shape.
at::Tensor takeTensor(
  ranks::Parcel& parcel, at::IntArrayRef shape, const at::TensorOptions& options);

} // namespace lvlm::llava

#endif
