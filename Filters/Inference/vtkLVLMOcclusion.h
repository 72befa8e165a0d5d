// SPDX-License-Identifier: Apache-2.0
/**
 * @class   vtkLVLMOcclusion
 * @brief   how much less probable an answer token is when a part of the picture is hidden
 *
 * A vtkImageData with a cell a patch, as of vtkLVLMAttentionMap, with the cell array `drop`: how
 * far the token's log-probability (natural logarithm; the mean of several tokens') falls when a
 * window of patches is hidden, the mean over all windows that cover the patch. Negative where the
 * token gains.
 */
#ifndef vtkLVLMOcclusion_h
#define vtkLVLMOcclusion_h

#include "lvlmFiltersInferenceModule.h"

#include "vtkLVLMInterventionFilter.h"

class LVLMFILTERSINFERENCE_EXPORT vtkLVLMOcclusion : public vtkLVLMInterventionFilter
{
public:
  static vtkLVLMOcclusion* New();
  vtkTypeMacro(vtkLVLMOcclusion, vtkLVLMInterventionFilter);
  void PrintSelf(ostream& os, vtkIndent indent) override;

  ///@{
  /** Edge of the square window that is hidden, in patches; at least 1. Default 3. */
  vtkSetClampMacro(Window, int, 1, VTK_INT_MAX);
  vtkGetMacro(Window, int);
  ///@}

  ///@{
  /** From one window to the next, in patches: at least 1 and at most Window. The last window of a
   * row or column ends at the picture's edge. Default 1. */
  vtkSetClampMacro(Stride, int, 1, VTK_INT_MAX);
  vtkGetMacro(Stride, int);
  ///@}

protected:
  vtkLVLMOcclusion() = default;
  ~vtkLVLMOcclusion() override = default;

  int FillOutputPortInformation(int port, vtkInformation* info) override;
  void Announce(const lvlm::TraceShape& shape, vtkInformationVector* outputs) override;
  void Compute(const lvlm::Trace& trace, vtkDataObject* data, vtkInformationVector** inputs,
    vtkInformationVector* outputs) override;

  int Window = 3;
  int Stride = 1;

private:
  vtkLVLMOcclusion(const vtkLVLMOcclusion&) = delete;
  void operator=(const vtkLVLMOcclusion&) = delete;
};

#endif
