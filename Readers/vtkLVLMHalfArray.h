// SPDX-License-Identifier: Apache-2.0
/**
 * @class   vtkLVLMHalfArray
 * @brief   read-only float array over stored half or bfloat16 numbers
 *
 * VTK has no 16-bit float type, and converting a whole memory-mapped trace would read it all. This
 * array shares the stored numbers and converts each value when it is asked for. Writing to it is an
 * error; NewInstance() gives an ordinary vtkFloatArray, so filters that copy values just work.
 */
#ifndef vtkLVLMHalfArray_h
#define vtkLVLMHalfArray_h

#include "KnownRange.h"

#include "Models/Trace/Tensor.h"

#include "lvlmReadersModule.h"

#include "vtkFloatArray.h"
#include "vtkGenericDataArray.h"

#include <mutex>
#include <vector>

class LVLMREADERS_EXPORT vtkLVLMHalfArray
  : public lvlm::KnownRange<vtkGenericDataArray<vtkLVLMHalfArray, float>>
{
public:
  using Generic = vtkGenericDataArray<vtkLVLMHalfArray, float>;
  vtkAbstractTypeMacro(vtkLVLMHalfArray, Generic);
  vtkAOSArrayNewInstanceMacro(vtkLVLMHalfArray);
  static vtkLVLMHalfArray* New();

  /// Shares the tensor (F16 or BF16, throws lvlm::Error otherwise) as tuples of `components`.
  void SetTensor(const lvlm::Tensor& tensor, int components);
  const lvlm::Tensor& GetTensor() const { return this->Stored; }

  ///@{
  /** The concept methods of vtkGenericDataArray. Setters report an error and change nothing. */
  float GetValue(vtkIdType index) const
  {
    return this->Brain ? lvlm::bfloat16ToFloat(this->Bits[index])
                       : lvlm::halfToFloat(this->Bits[index]);
  }
  void SetValue(vtkIdType index, float value);
  void GetTypedTuple(vtkIdType tuple, float* values) const;
  void SetTypedTuple(vtkIdType tuple, const float* values);
  float GetTypedComponent(vtkIdType tuple, int component) const
  {
    return this->GetValue(tuple * this->NumberOfComponents + component);
  }
  void SetTypedComponent(vtkIdType tuple, int component, float value);
  ///@}

  /// Converts everything once and keeps it: only for code that insists on a pointer. Safe on
  /// several threads at once, as in vtkSMPTools loops, unlike the same of vtkSOADataArrayTemplate.
  /// (VTK 9.3 has vtkImplicitArray, which would replace this class.)
  void* GetVoidPointer(vtkIdType index) override;
  bool HasStandardMemoryLayout() const override { return false; }
  void Initialize() override;

protected:
  vtkLVLMHalfArray() = default;
  ~vtkLVLMHalfArray() override = default;

  bool AllocateTuples(vtkIdType tuples);
  bool ReallocateTuples(vtkIdType tuples);
  void RefuseToWrite();

private:
  friend class vtkGenericDataArray<vtkLVLMHalfArray, float>;
  vtkLVLMHalfArray(const vtkLVLMHalfArray&) = delete;
  void operator=(const vtkLVLMHalfArray&) = delete;

  lvlm::Tensor Stored;
  const std::uint16_t* Bits = nullptr;
  bool Brain = false; ///< bfloat16, else IEEE half
  std::mutex ConvertMutex;
  std::vector<float> Converted;
};

#endif
