// SPDX-License-Identifier: Apache-2.0
/**
 * @class   vtkLVLMPictureFilter
 * @brief   what filters have in common that make pictures of a picture
 *
 * Input: a flat vtkImageData with 1 to 4 colour components on its points or cells, as
 * vtkLLaVAInference takes it. Outputs: vtkImageData in pixel coordinates with the point array
 * `picture` of three unsigned chars. On several ranks the first one has everything.
 */
#ifndef vtkLVLMPictureFilter_h
#define vtkLVLMPictureFilter_h

#include "lvlmFiltersInferenceModule.h"

#include "vtkImageAlgorithm.h"

#include <cstdint>
#include <vector>

class LVLMFILTERSINFERENCE_EXPORT vtkLVLMPictureFilter : public vtkImageAlgorithm
{
public:
  vtkAbstractTypeMacro(vtkLVLMPictureFilter, vtkImageAlgorithm);

protected:
  vtkLVLMPictureFilter() = default;
  ~vtkLVLMPictureFilter() override = default;

  struct Size
  {
    std::int64_t width;
    std::int64_t height;
  };

  int RequestInformation(
    vtkInformation*, vtkInformationVector** inputs, vtkInformationVector* outputs) override;
  int RequestUpdateExtent(
    vtkInformation*, vtkInformationVector** inputs, vtkInformationVector* outputs) override;

  /// How large each output will be. May throw: RequestData() then tells what is wrong.
  virtual std::vector<Size> Announce(const Size& picture) = 0;

private:
  vtkLVLMPictureFilter(const vtkLVLMPictureFilter&) = delete;
  void operator=(const vtkLVLMPictureFilter&) = delete;
};

#endif
