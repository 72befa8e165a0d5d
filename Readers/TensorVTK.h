// SPDX-License-Identifier: Apache-2.0
/// @file TensorVTK.h
/// Tensors as VTK arrays and back, without copying.
#ifndef LVLM_READERS_TENSORVTK_H
#define LVLM_READERS_TENSORVTK_H

#include "Models/Trace/Tensor.h"

#include "lvlmReadersModule.h"

#include "vtkDataArray.h"
#include "vtkSmartPointer.h"

#include <string>

namespace lvlm
{

/// The tensor's numbers as tuples of `components`, sharing its memory (which the array keeps
/// alive). F16 and BF16 become a vtkLVLMHalfArray. The array must not be written to: the memory may
/// be a read-only file mapping. Throws Error for a type that VTK has no array for.
LVLMREADERS_EXPORT vtkSmartPointer<vtkDataArray> arrayFromTensor(
  const Tensor& tensor, const std::string& name, int components = 1);

/// The array's numbers as a tensor of this shape: shares memory that is laid out as an array of
/// structures, copies the rest (to float32). Throws Error when the shape does not fit the array.
LVLMREADERS_EXPORT Tensor tensorFromArray(vtkDataArray* array, std::vector<std::int64_t> shape);

/// Answers every later question about the array's range with [low, high] until it is modified.
/// ParaView asks for the range of whatever it shows: for a mapped file that would read it all.
LVLMREADERS_EXPORT void presetRange(vtkDataArray* array, double low, double high);

} // namespace lvlm

#endif
