// SPDX-License-Identifier: Apache-2.0
/**
 * @class   vtkLVLMAttentionMap
 * @brief   attention of the answer's tokens to the picture, as a grid of patches
 *
 * A vtkImageData whose cells are the model's image tokens, in pixel coordinates of the picture (y
 * up), with the cell array `attention`: the chosen answer tokens, layers and heads reduced to one
 * number a patch. The picture travels along in the field data, for vtkLVLMOverlay, and so does
 * `heads`: which heads are shown, in words.
 */
#ifndef vtkLVLMAttentionMap_h
#define vtkLVLMAttentionMap_h

#include "Filters/Common/vtkLVLMTraceFilter.h"

#include "lvlmFiltersAnalysisModule.h"

namespace lvlm
{
struct Selection;
}

class LVLMFILTERSANALYSIS_EXPORT vtkLVLMAttentionMap : public vtkLVLMTraceFilter
{
public:
  static vtkLVLMAttentionMap* New();
  vtkTypeMacro(vtkLVLMAttentionMap, vtkLVLMTraceFilter);

  enum
  {
    MEAN = 0,
    MAXIMUM = 1,
    STRONGEST_HEAD = 2
  };

  ///@{
  /** How tokens, layers and heads become one number: MEAN (default), MAXIMUM, or STRONGEST_HEAD:
   * of the chosen heads, the one that looks at the picture most, mean over the tokens. */
  vtkSetClampMacro(Reduction, int, MEAN, STRONGEST_HEAD);
  vtkGetMacro(Reduction, int);
  ///@}

  ///@{
  /** Whether patches that are attention sinks count as 0: those that vtkLVLMSinks finds by its
   * defaults. Default: false. */
  vtkSetMacro(ExcludeSinks, bool);
  vtkGetMacro(ExcludeSinks, bool);
  vtkBooleanMacro(ExcludeSinks, bool);
  ///@}

protected:
  vtkLVLMAttentionMap() = default;
  ~vtkLVLMAttentionMap() override = default;

  int FillOutputPortInformation(int port, vtkInformation* info) override;
  void Announce(const lvlm::TraceShape& shape, vtkInformationVector* outputs) override;
  void Compute(const lvlm::Trace& trace, vtkDataObject* data, vtkInformationVector** inputs,
    vtkInformationVector* outputs) override;

  int Reduction = MEAN;
  bool ExcludeSinks = false;

private:
  /// Sets the patches of a map that are sinks to 0. All ranks together.
  void DropSinks(const lvlm::Trace& trace, std::vector<float>& map);
  /// Of the selection's heads, the one with the most attention to the picture.
  void KeepStrongestHead(const lvlm::Trace& trace, lvlm::Selection& shown);

  vtkLVLMAttentionMap(const vtkLVLMAttentionMap&) = delete;
  void operator=(const vtkLVLMAttentionMap&) = delete;
};

#endif
