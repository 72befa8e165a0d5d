// SPDX-License-Identifier: Apache-2.0
/**
 * @class   vtkOutsideImageShare
 * @brief   how much of each answer token's attention goes to the picture
 *
 * A table, a row an answer token: `answer_index`, and `image_share`, the attention to all patches,
 * mean over the heads of the chosen layers.
 */
#ifndef vtkOutsideImageShare_h
#define vtkOutsideImageShare_h

#include "outsideFiltersModule.h"

#include "Filters/Common/vtkLVLMTraceFilter.h"

class OUTSIDEFILTERS_EXPORT vtkOutsideImageShare : public vtkLVLMTraceFilter
{
public:
  static vtkOutsideImageShare* New();
  vtkTypeMacro(vtkOutsideImageShare, vtkLVLMTraceFilter);

protected:
  int FillOutputPortInformation(int port, vtkInformation* info) override;
  void Compute(const lvlm::Trace& trace, vtkDataObject* data, vtkInformationVector** inputs,
    vtkInformationVector* outputs) override;
};

#endif
