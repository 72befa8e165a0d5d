// SPDX-License-Identifier: Apache-2.0
/**
 * @class   vtkLVLMAttentionMap
 * @brief   attention of the answer's tokens to the picture, as a grid of patches
 *
 * A vtkImageData whose cells are the model's image tokens, in pixel coordinates of the picture (y
 * up), with the cell array `attention`: the chosen answer tokens, layers and heads reduced to one
 * number a patch. The picture travels along in the field data, for vtkLVLMOverlay, and so do
 * `heads`: which heads are shown, and of weighted attention `weighting`, both in words; where the
 * best heads are, also `best_heads`, pairs of layer and head.
 *
 * Attention can be weighted as J. Zhang et al. do ("MLLMs Know Where to Look", ICLR 2025) by
 * numbers of the model that made the trace, which runs in this process. They are kept, so that
 * other layers, heads, and tokens that were seen before cost nothing.
 */
#ifndef vtkLVLMAttentionMap_h
#define vtkLVLMAttentionMap_h

#include "Filters/Common/vtkLVLMTraceFilter.h"

#include "lvlmFiltersAnalysisModule.h"

#include <memory>
#include <string>

namespace lvlm
{
class WeightingCache;
enum class Reduction;
struct LayerParts;
struct Selection;
}

class LVLMFILTERSANALYSIS_EXPORT vtkLVLMAttentionMap : public vtkLVLMTraceFilter
{
public:
  static vtkLVLMAttentionMap* New();
  vtkTypeMacro(vtkLVLMAttentionMap, vtkLVLMTraceFilter);
  void PrintSelf(ostream& os, vtkIndent indent) override;

  enum
  {
    MEAN = 0,
    MAXIMUM = 1,
    STRONGEST_HEAD = 2
  };

  enum Weightings
  {
    NONE = 0,
    GRADIENT = 1,
    RELATIVE = 2
  };

  ///@{
  /** How tokens, layers and heads become one number: MEAN (default), MAXIMUM, or STRONGEST_HEAD:
   * of the chosen heads, the one that looks at the picture most, mean over the tokens. */
  vtkSetClampMacro(Reduction, int, MEAN, STRONGEST_HEAD);
  vtkGetMacro(Reduction, int);
  ///@}

  ///@{
  /** NONE (default): attention as it is. RELATIVE: divided, layer by layer, by what the position
   * that would begin the answer to GenericQuestion pays to the same picture, so that what any
   * question looks at drops out. GRADIENT: each number times the positive part of the gradient of
   * its token's log-probability with respect to it, so that what does not help the token drops out.
   * Which head is the strongest is told by attention as it is. */
  vtkSetClampMacro(Weighting, int, NONE, RELATIVE);
  vtkGetMacro(Weighting, int);
  ///@}

  ///@{
  /** Of RELATIVE. Default: the authors', "Write a general description of the image." */
  vtkSetStdStringFromCharMacro(GenericQuestion);
  vtkGetCharFromStdStringMacro(GenericQuestion);
  ///@}

  ///@{
  /** Folder of the model that made the trace. Empty (default): as the trace says. */
  vtkSetStdStringFromCharMacro(ModelDirectory);
  vtkGetCharFromStdStringMacro(ModelDirectory);
  ///@}

  ///@{
  /** Where the model computes: "cpu", "cuda" ... Empty (default): where the trace was made. */
  vtkSetStdStringFromCharMacro(Device);
  vtkGetCharFromStdStringMacro(Device);
  ///@}

protected:
  vtkLVLMAttentionMap();
  ~vtkLVLMAttentionMap() override;

  int FillOutputPortInformation(int port, vtkInformation* info) override;
  void Announce(const lvlm::TraceShape& shape, vtkInformationVector* outputs) override;
  void Compute(const lvlm::Trace& trace, vtkDataObject* data, vtkInformationVector** inputs,
    vtkInformationVector* outputs) override;

  int Reduction = MEAN;
  int Weighting = NONE;
  std::string GenericQuestion;
  std::string ModelDirectory;
  std::string Device;

private:
  /// The selection's attention to the patches, weighted; this rank's layers. All ranks together.
  lvlm::LayerParts GetMaps(const lvlm::Trace& trace, vtkDataObject* data,
    const lvlm::Selection& shown, lvlm::Reduction reduction);
  /// Of the selection's heads, the one with the most attention to the picture.
  void KeepStrongestHead(const lvlm::Trace& trace, lvlm::Selection& shown);

  vtkLVLMAttentionMap(const vtkLVLMAttentionMap&) = delete;
  void operator=(const vtkLVLMAttentionMap&) = delete;

  std::unique_ptr<lvlm::WeightingCache> Known;
};

#endif
