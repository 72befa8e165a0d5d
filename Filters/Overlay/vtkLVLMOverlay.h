// SPDX-License-Identifier: Apache-2.0
/**
 * @class   vtkLVLMOverlay
 * @brief   a heat map over the picture, as an RGB image
 *
 * Input: a map made by vtkLVLMAttentionMap (or any other map that carries the picture in its field
 * data), or a trace, which gives its plain picture. Output: a vtkImageData in pixel coordinates of
 * the picture (points are pixel centres, y up) with the point array `overlay` of three unsigned
 * chars, which ParaView shows as it is and saves as PNG.
 */
#ifndef vtkLVLMOverlay_h
#define vtkLVLMOverlay_h

#include "lvlmFiltersOverlayModule.h"

#include "vtkImageAlgorithm.h"

#include <memory>

class vtkDataArray;
class vtkMultiProcessController;

namespace lvlm
{
class AlgorithmTeam;
}

class LVLMFILTERSOVERLAY_EXPORT vtkLVLMOverlay : public vtkImageAlgorithm
{
public:
  static vtkLVLMOverlay* New();
  vtkTypeMacro(vtkLVLMOverlay, vtkImageAlgorithm);
  void PrintSelf(ostream& os, vtkIndent indent) override;

  ///@{
  /** 0: the picture alone; 1: the colours alone. Default: 0.5. */
  vtkSetClampMacro(Opacity, double, 0.0, 1.0);
  vtkGetMacro(Opacity, double);
  ///@}

  ///@{
  /** One of OpenCV's colour maps, e.g. 2 (Jet), 14 (Inferno), 20 (Turbo, the default). */
  vtkSetClampMacro(ColorMap, int, 0, 21);
  vtkGetMacro(ColorMap, int);
  ///@}

  ///@{
  /** Whether colours run smoothly from patch to patch (default) or fill each patch. */
  vtkSetMacro(Smooth, bool);
  vtkGetMacro(Smooth, bool);
  vtkBooleanMacro(Smooth, bool);
  ///@}

  ///@{
  /** Whether the plain picture of a trace is in grays, for colors that lie above it. Default:
   * false.
   */
  vtkSetMacro(Grayscale, bool);
  vtkGetMacro(Grayscale, bool);
  vtkBooleanMacro(Grayscale, bool);
  ///@}

  ///@{
  /** The processes that work together. Default: the global controller. */
  void SetController(vtkMultiProcessController* controller);
  vtkMultiProcessController* GetController();
  ///@}

protected:
  vtkLVLMOverlay();
  ~vtkLVLMOverlay() override;

  int FillInputPortInformation(int port, vtkInformation* info) override;
  int RequestInformation(
    vtkInformation*, vtkInformationVector** inputs, vtkInformationVector* outputs) override;
  int RequestUpdateExtent(
    vtkInformation*, vtkInformationVector** inputs, vtkInformationVector* outputs) override;
  int RequestData(
    vtkInformation*, vtkInformationVector** inputs, vtkInformationVector* outputs) override;

  double Opacity = 0.5;
  int ColorMap = 20;
  bool Smooth = true;
  bool Grayscale = false;

private:
  vtkLVLMOverlay(const vtkLVLMOverlay&) = delete;
  void operator=(const vtkLVLMOverlay&) = delete;

  /// The array that SetInputArrayToProcess names, else the active one. Throws lvlm::Error.
  vtkDataArray* ChooseArray(vtkImageData* map);

  std::unique_ptr<lvlm::AlgorithmTeam> Ranks;
};

#endif
