// SPDX-License-Identifier: Apache-2.0
#include "TorchTensors.h"

#include "Models/Trace/Error.h"

namespace lvlm::llava
{

namespace
{
at::ScalarType scalarType(DType type)
{
  switch (type)
  {
    case DType::F32:
      return at::kFloat;
    case DType::BF16:
      return at::kBFloat16;
    case DType::F16:
      return at::kHalf;
    case DType::F64:
      return at::kDouble;
    default:
      fail("weights of type ", nameOf(type), " are not supported");
  }
}
}

DType coreType(at::ScalarType type)
{
  for (const DType core : { DType::F32, DType::BF16, DType::F16, DType::F64 })
  {
    if (scalarType(core) == type)
    {
      return core;
    }
  }
  fail("a Torch tensor of type ", c10::toString(type), " is not floating");
}

at::Tensor inTorch(const Tensor& tensor)
{
  void* data = const_cast<std::byte*>(tensor.data); // Torch has no tensors that are read-only
  return at::from_blob(
    data, tensor.shape, [owner = tensor.owner](void*) {},
    at::TensorOptions(scalarType(tensor.dtype)));
}

Tensor fromTorch(const at::Tensor& tensor)
{
  const auto values = std::make_shared<const at::Tensor>(tensor.to(at::kCPU).contiguous());
  Tensor view;
  view.dtype = coreType(values->scalar_type());
  view.shape = values->sizes().vec();
  view.data = static_cast<const std::byte*>(values->data_ptr());
  view.owner = values;
  return view;
}

at::Tensor received(const Tensor& tensor, at::IntArrayRef shape, const at::TensorOptions& options)
{
  const DType wanted = coreType(c10::typeMetaToScalarType(options.dtype()));
  if (tensor.dtype != wanted || at::IntArrayRef(tensor.shape) != shape)
  {
    fail("a tensor from another rank has shape ", shapeText(tensor.shape), " and type ",
      nameOf(tensor.dtype), ", expected ", shapeText(shape.vec()), " and ", nameOf(wanted),
      ": the ranks' model folders differ");
  }
  return inTorch(tensor).to(options.device());
}

} // namespace lvlm::llava
