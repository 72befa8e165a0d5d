// SPDX-License-Identifier: Apache-2.0
#include "vtkLVLMHalfArray.h"

#include "Models/Trace/Error.h"

#include "vtkObjectFactory.h"

vtkStandardNewMacro(vtkLVLMHalfArray);

void vtkLVLMHalfArray::SetTensor(const lvlm::Tensor& tensor, int components)
{
  if (tensor.dtype != lvlm::DType::F16 && tensor.dtype != lvlm::DType::BF16)
  {
    lvlm::fail("a half array cannot share a tensor of ", lvlm::nameOf(tensor.dtype));
  }
  this->Stored = tensor;
  this->Bits = reinterpret_cast<const std::uint16_t*>(tensor.data);
  this->Brain = tensor.dtype == lvlm::DType::BF16;
  this->Converted.clear();
  this->NumberOfComponents = components;
  this->Size = tensor.count();
  this->MaxId = this->Size - 1;
  this->DataChanged();
}

void vtkLVLMHalfArray::RefuseToWrite()
{
  vtkErrorMacro("the array '" << (this->GetName() ? this->GetName() : "")
                              << "' shares stored half numbers and is read-only");
}

void vtkLVLMHalfArray::SetValue(vtkIdType, float)
{
  this->RefuseToWrite();
}

void vtkLVLMHalfArray::GetTypedTuple(vtkIdType tuple, float* values) const
{
  for (int c = 0; c < this->NumberOfComponents; ++c)
  {
    values[c] = this->GetTypedComponent(tuple, c);
  }
}

void vtkLVLMHalfArray::SetTypedTuple(vtkIdType, const float*)
{
  this->RefuseToWrite();
}

void vtkLVLMHalfArray::SetTypedComponent(vtkIdType, int, float)
{
  this->RefuseToWrite();
}

void* vtkLVLMHalfArray::GetVoidPointer(vtkIdType index)
{
  const std::lock_guard<std::mutex> lock(this->ConvertMutex);
  if (this->Converted.empty() && this->Size > 0)
  {
    this->Converted.resize(static_cast<std::size_t>(this->Size));
    this->Stored.toFloat(0, this->Size, this->Converted.data());
  }
  return this->Converted.data() + index;
}

void vtkLVLMHalfArray::Initialize()
{
  this->Stored = lvlm::Tensor();
  this->Bits = nullptr;
  this->Converted.clear();
  this->Size = 0;
  this->MaxId = -1;
  this->DataChanged();
}

bool vtkLVLMHalfArray::AllocateTuples(vtkIdType)
{
  this->RefuseToWrite();
  return false;
}

bool vtkLVLMHalfArray::ReallocateTuples(vtkIdType)
{
  this->RefuseToWrite();
  return false;
}
