// SPDX-License-Identifier: Apache-2.0
/**
 * @class   vtkLVLMLayerVolume
 * @brief   attention maps of all layers, or of all heads of one layer, as a volume
 *
 * A 3D vtkImageData with a point at every patch's centre, in pixel coordinates of the picture (y
 * up), and a plane for every chosen layer (or head), in the order of the list: contour, slice or
 * volume-render its point array `attention`. The stack is as deep as the picture's longer edge;
 * plane i lies at (i + 0.5) times the spacing.
 */
#ifndef vtkLVLMLayerVolume_h
#define vtkLVLMLayerVolume_h

#include "Filters/Common/vtkLVLMTraceFilter.h"

#include "lvlmFiltersAnalysisModule.h"

class LVLMFILTERSANALYSIS_EXPORT vtkLVLMLayerVolume : public vtkLVLMTraceFilter
{
public:
  static vtkLVLMLayerVolume* New();
  vtkTypeMacro(vtkLVLMLayerVolume, vtkLVLMTraceFilter);

  enum
  {
    LAYERS = 0,
    HEADS = 1
  };
  enum
  {
    MEAN = 0,
    MAXIMUM = 1
  };

  ///@{
  /** What the planes are: LAYERS (default), or HEADS of the layer `Layer`. */
  vtkSetClampMacro(Axis, int, LAYERS, HEADS);
  vtkGetMacro(Axis, int);
  ///@}

  ///@{
  /** The layer whose heads are shown when Axis is HEADS; negative ones count from the end.
   * Default: -1, the last. */
  vtkSetMacro(Layer, int);
  vtkGetMacro(Layer, int);
  ///@}

  ///@{
  /** How tokens (and heads, when planes are layers) become one number: MEAN (default) or MAXIMUM.
   */
  vtkSetClampMacro(Reduction, int, MEAN, MAXIMUM);
  vtkGetMacro(Reduction, int);
  ///@}

  ///@{
  /** Colors of what is written, and of what it stands on, from which the paler ones are mixed: red,
   * green and blue in [0, 1]. Default: dark gray on white. */
  vtkSetVector3Macro(TextColor, double);
  vtkGetVector3Macro(TextColor, double);
  vtkSetVector3Macro(BackgroundColor, double);
  vtkGetVector3Macro(BackgroundColor, double);
  ///@}

protected:
  vtkLVLMLayerVolume();
  ~vtkLVLMLayerVolume() override = default;

  int FillOutputPortInformation(int port, vtkInformation* info) override;
  void Announce(const lvlm::TraceShape& shape, vtkInformationVector* outputs) override;
  void Compute(const lvlm::Trace& trace, vtkDataObject* data, vtkInformationVector** inputs,
    vtkInformationVector* outputs) override;

  int Axis = LAYERS;
  int Layer = -1;
  int Reduction = MEAN;
  double TextColor[3] = { 0.13, 0.13, 0.15 };
  double BackgroundColor[3] = { 1.0, 1.0, 1.0 };

private:
  vtkLVLMLayerVolume(const vtkLVLMLayerVolume&) = delete;
  void operator=(const vtkLVLMLayerVolume&) = delete;
};

#endif
