// SPDX-License-Identifier: Apache-2.0
/**
 * @class   vtkLVLMPaintOver
 * @brief   the picture that the model saw, with some patches painted over
 *
 * For asking again: what if this were not there? The patches come from a list, from a selection of
 * cells of a map (port 1), or from both; without either the picture stays as it is. A vtkImageData
 * in pixel coordinates (points are pixel centres, y up) with the point array `picture` of three
 * unsigned chars, which vtkLLaVAInference takes. The picture has the size that the model works in,
 * so that it is not scaled again: all other pixels reach the model unchanged.
 */
#ifndef vtkLVLMPaintOver_h
#define vtkLVLMPaintOver_h

#include "Filters/Common/vtkLVLMPatchFilter.h"

#include "lvlmFiltersDrawingModule.h"

class LVLMFILTERSDRAWING_EXPORT vtkLVLMPaintOver : public vtkLVLMPatchFilter
{
public:
  static vtkLVLMPaintOver* New();
  vtkTypeMacro(vtkLVLMPaintOver, vtkLVLMPatchFilter);
  void PrintSelf(ostream& os, vtkIndent indent) override;

  enum
  {
    MEAN_COLOR = 0,
    BLACK = 1,
    WHITE = 2,
    COLOR = 3
  };

  ///@{
  /** What the patches are filled with: MEAN_COLOR of the whole picture (default), BLACK, WHITE, or
   * COLOR. */
  vtkSetClampMacro(Fill, int, MEAN_COLOR, COLOR);
  vtkGetMacro(Fill, int);
  ///@}

  ///@{
  /** Red, green and blue from 0 to 1, when Fill is COLOR. Default: a middle grey. */
  vtkSetVector3Macro(Color, double);
  vtkGetVector3Macro(Color, double);
  ///@}

protected:
  vtkLVLMPaintOver() = default;
  ~vtkLVLMPaintOver() override = default;

  int FillOutputPortInformation(int port, vtkInformation* info) override;
  void Announce(const lvlm::TraceShape& shape, vtkInformationVector* outputs) override;
  void Compute(const lvlm::Trace& trace, vtkDataObject* data, vtkInformationVector** inputs,
    vtkInformationVector* outputs) override;

  int Fill = MEAN_COLOR;
  double Color[3] = { 0.5, 0.5, 0.5 };

private:
  vtkLVLMPaintOver(const vtkLVLMPaintOver&) = delete;
  void operator=(const vtkLVLMPaintOver&) = delete;
};

#endif
