// SPDX-License-Identifier: Apache-2.0
#include "TensorVTK.h"

#include "KnownRange.h"
#include "vtkLVLMHalfArray.h"

#include "Models/Trace/Error.h"

#include "vtkAOSDataArrayTemplate.h"
#include "vtkArrayDispatch.h"
#include "vtkDoubleArray.h"
#include "vtkFloatArray.h"
#include "vtkInformation.h"
#include "vtkInformationDoubleVectorKey.h"
#include "vtkInformationInformationVectorKey.h"
#include "vtkInformationVector.h"
#include "vtkIntArray.h"
#include "vtkNew.h"
#include "vtkShortArray.h"
#include "vtkSignedCharArray.h"
#include "vtkTypeInt64Array.h"
#include "vtkUnsignedCharArray.h"

#include <mutex>
#include <unordered_map>

namespace lvlm
{

namespace
{
/// What keeps the memory under shared VTK buffers alive: a buffer's free function is told the
/// address alone. All owners of one address keep the same memory alive, so any entry may go first.
class Owners
{
public:
  static Owners& instance()
  {
    static auto* owners = new Owners; // never destroyed: VTK may free buffers during exit
    return *owners;
  }

  void add(const void* address, std::shared_ptr<const void> owner)
  {
    const std::lock_guard<std::mutex> lock(this->Mutex);
    this->Entries.emplace(address, std::move(owner));
  }

  std::shared_ptr<const void> find(const void* address)
  {
    const std::lock_guard<std::mutex> lock(this->Mutex);
    const auto found = this->Entries.find(address);
    return found == this->Entries.end() ? nullptr : found->second;
  }

  std::shared_ptr<const void> take(const void* address)
  {
    const std::lock_guard<std::mutex> lock(this->Mutex);
    const auto found = this->Entries.find(address);
    if (found == this->Entries.end())
    {
      return nullptr;
    }
    auto owner = std::move(found->second);
    this->Entries.erase(found);
    return owner; // released by the caller, outside the lock
  }

private:
  std::mutex Mutex;
  std::unordered_multimap<const void*, std::shared_ptr<const void>> Entries;
};

void releaseBuffer(void* address)
{
  Owners::instance().take(address);
}

/// One of VTK's own arrays, as New() of a derived class makes it.
template <typename ArrayT>
class Shared : public KnownRange<ArrayT>
{
public:
  static Shared* New()
  {
    auto* array = new Shared;
    array->InitializeObjectBase();
    return array;
  }
};

template <typename ArrayT>
vtkSmartPointer<vtkDataArray> share(const Tensor& tensor)
{
  using ValueT = typename ArrayT::ValueType;
  static_assert(sizeof(ValueT) <= 8, "plain numbers only");
  auto array = vtkSmartPointer<Shared<ArrayT>>::New();
  if (tensor.count() > 0)
  {
    auto* values = reinterpret_cast<ValueT*>(const_cast<std::byte*>(tensor.data));
    Owners::instance().add(values, tensor.owner);
    array->SetArray(values, tensor.count(), 0, vtkAbstractArray::VTK_DATA_ARRAY_USER_DEFINED);
    array->SetArrayFreeFunction(releaseBuffer);
  }
  return array;
}

vtkSmartPointer<vtkDataArray> shareAny(const Tensor& tensor, int components)
{
  switch (tensor.dtype)
  {
    case DType::F32:
      return share<vtkFloatArray>(tensor);
    case DType::F64:
      return share<vtkDoubleArray>(tensor);
    case DType::U8:
      return share<vtkUnsignedCharArray>(tensor);
    case DType::I8:
      return share<vtkSignedCharArray>(tensor);
    case DType::I16:
      return share<vtkShortArray>(tensor);
    case DType::I32:
      return share<vtkIntArray>(tensor);
    case DType::I64:
      return share<vtkTypeInt64Array>(tensor);
    case DType::F16:
    case DType::BF16:
    {
      vtkNew<vtkLVLMHalfArray> array;
      array->SetTensor(tensor, components);
      return array;
    }
    case DType::Bool:
      break;
  }
  fail("a tensor of ", nameOf(tensor.dtype), " cannot become a VTK array");
}

/// Fills `tensor` from the array if that is an array of structures of ValueT.
template <typename ValueT>
bool shareBack(vtkDataArray* array, DType dtype, Tensor& tensor)
{
  auto* typed = vtkAOSDataArrayTemplate<ValueT>::FastDownCast(array);
  if (!typed)
  {
    return false;
  }
  const ValueT* values = typed->GetPointer(0);
  tensor.dtype = dtype;
  tensor.data = reinterpret_cast<const std::byte*>(values);
  tensor.owner = Owners::instance().find(values);
  if (!tensor.owner)
  {
    tensor.owner = std::make_shared<vtkSmartPointer<vtkDataArray>>(array);
  }
  return true;
}

bool shareAnyBack(vtkDataArray* array, Tensor& tensor)
{
  if (auto* half = vtkLVLMHalfArray::SafeDownCast(array))
  {
    tensor = half->GetTensor();
    return true;
  }
  return shareBack<float>(array, DType::F32, tensor) ||
    shareBack<double>(array, DType::F64, tensor) ||
    shareBack<unsigned char>(array, DType::U8, tensor) ||
    shareBack<signed char>(array, DType::I8, tensor) ||
    shareBack<short>(array, DType::I16, tensor) || shareBack<int>(array, DType::I32, tensor) ||
    shareBack<long long>(array, DType::I64, tensor) ||
    (sizeof(long) == 8 && shareBack<long>(array, DType::I64, tensor));
}
}

vtkSmartPointer<vtkDataArray> arrayFromTensor(
  const Tensor& tensor, const std::string& name, int components)
{
  vtkSmartPointer<vtkDataArray> array = shareAny(tensor, components);
  array->SetNumberOfComponents(components);
  array->SetName(name.c_str());
  return array;
}

Tensor tensorFromArray(vtkDataArray* array, std::vector<std::int64_t> shape)
{
  Tensor tensor;
  if (!shareAnyBack(array, tensor))
  {
    vtkNew<vtkFloatArray> copy;
    copy->DeepCopy(array);
    shareAnyBack(copy, tensor);
  }
  if (elementCount(shape) != array->GetNumberOfValues())
  {
    fail("array '", array->GetName() ? array->GetName() : "", "' has ", array->GetNumberOfValues(),
      " values, which do not fill shape ", shapeText(shape));
  }
  tensor.shape = std::move(shape);
  return tensor;
}

void presetRange(vtkDataArray* array, double low, double high)
{
  const double range[2] = { low, high };
  vtkInformation* info = array->GetInformation();
  const auto preset =
    [&](vtkInformationInformationVectorKey* list, vtkInformationDoubleVectorKey* key)
  {
    vtkNew<vtkInformationVector> components;
    components->SetNumberOfInformationObjects(array->GetNumberOfComponents());
    for (int c = 0; c < array->GetNumberOfComponents(); ++c)
    {
      components->GetInformationObject(c)->Set(key, range, 2);
    }
    info->Set(list, components);
  };
  preset(vtkAbstractArray::PER_COMPONENT(), vtkDataArray::COMPONENT_RANGE());
  preset(vtkAbstractArray::PER_FINITE_COMPONENT(), vtkDataArray::COMPONENT_RANGE());
  info->Set(vtkDataArray::L2_NORM_RANGE(), range, 2);
  info->Set(vtkDataArray::L2_NORM_FINITE_RANGE(), range, 2);
}

} // namespace lvlm
