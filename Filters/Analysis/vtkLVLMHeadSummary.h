// SPDX-License-Identifier: Apache-2.0
/**
 * @class   vtkLVLMHeadSummary
 * @brief   which heads of which layers look at the picture, or at the question
 *
 * Port 0: a vtkImageData with a point for every layer (x) and head (y), point array `attention`:
 * the mean over the chosen answer tokens and over the source's positions. Port 1: the same as a
 * table with the columns `layer`, `head`, `attention`.
 */
#ifndef vtkLVLMHeadSummary_h
#define vtkLVLMHeadSummary_h

#include "Filters/Common/vtkLVLMTraceFilter.h"

#include "lvlmFiltersAnalysisModule.h"

class LVLMFILTERSANALYSIS_EXPORT vtkLVLMHeadSummary : public vtkLVLMTraceFilter
{
public:
  static vtkLVLMHeadSummary* New();
  vtkTypeMacro(vtkLVLMHeadSummary, vtkLVLMTraceFilter);

  enum
  {
    IMAGE = 0,
    QUESTION = 1
  };

  ///@{
  /** The positions that are looked at: IMAGE (default), the image tokens, or QUESTION. */
  vtkSetClampMacro(Source, int, IMAGE, QUESTION);
  vtkGetMacro(Source, int);
  ///@}

protected:
  vtkLVLMHeadSummary();
  ~vtkLVLMHeadSummary() override = default;

  int FillOutputPortInformation(int port, vtkInformation* info) override;
  void Announce(const lvlm::TraceShape& shape, vtkInformationVector* outputs) override;
  void Compute(const lvlm::Trace& trace, vtkDataObject* data, vtkInformationVector** inputs,
    vtkInformationVector* outputs) override;

  int Source = IMAGE;

private:
  vtkLVLMHeadSummary(const vtkLVLMHeadSummary&) = delete;
  void operator=(const vtkLVLMHeadSummary&) = delete;
};

#endif
