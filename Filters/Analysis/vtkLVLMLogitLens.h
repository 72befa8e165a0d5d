// SPDX-License-Identifier: Apache-2.0
/**
 * @class   vtkLVLMLogitLens
 * @brief   which word each patch of the picture says, layer by layer
 *
 * The logit lens: softmax(W_U norm(h)) of the hidden state h of each position after each layer.
 * Layers are counted as of hidden states: 0 are the embeddings, l is what leaves the l-th layer.
 *
 * Port 0: a vtkImageData with a point at every patch's centre and a plane for every chosen layer,
 * as of vtkLVLMLayerVolume: point arrays `probability` (of the word; of several, that the patch
 * says one of them), `top_probability`, `top_id` and `top_text` (the most probable word).
 * Port 1: a table with a row for every layer and position: `layer`, `position`, `role`, `text`,
 * `patch` (-1 outside the picture), `probability`, `top1_id`, `top1_text`, `top1_probability` ...
 * and `confidence`, the word's largest probability over all patches and chosen layers.
 * Port 2: a cell a patch: `probability` and `layer` (the largest over the layers, and where it is),
 * `top_probability`, `top_layer`, `top_text`. Port 3: a row for every word that is among the best
 * of a patch, the most probable first: `word`, `id`, `confidence`, `layer`, `patch`, `patch_row`,
 * `patch_col`.
 *
 * Field data of ports 0 and 2: `word`, `source` (where the numbers come from), `strongest` (in
 * words), `confidence`, `confidence_layer`, `confidence_patch`.
 */
#ifndef vtkLVLMLogitLens_h
#define vtkLVLMLogitLens_h

#include "Filters/Common/vtkLVLMTraceFilter.h"

#include "lvlmFiltersAnalysisModule.h"

#include <memory>
#include <string>

namespace lvlm
{
class LensCache;
}

class LVLMFILTERSANALYSIS_EXPORT vtkLVLMLogitLens : public vtkLVLMTraceFilter
{
public:
  static vtkLVLMLogitLens* New();
  vtkTypeMacro(vtkLVLMLogitLens, vtkLVLMTraceFilter);
  void PrintSelf(ostream& os, vtkIndent indent) override;

  ///@{
  /** The word to look for, one token of the model. Empty (default): the chosen answer tokens. */
  vtkSetStdStringFromCharMacro(Word);
  vtkGetCharFromStdStringMacro(Word);
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
  vtkLVLMLogitLens();
  ~vtkLVLMLogitLens() override;

  int FillOutputPortInformation(int port, vtkInformation* info) override;
  void Announce(const lvlm::TraceShape& shape, vtkInformationVector* outputs) override;
  void Compute(const lvlm::Trace& trace, vtkDataObject* data, vtkInformationVector** inputs,
    vtkInformationVector* outputs) override;

  std::string Word;
  std::string ModelDirectory;
  std::string Device;

private:
  vtkLVLMLogitLens(const vtkLVLMLogitLens&) = delete;
  void operator=(const vtkLVLMLogitLens&) = delete;

  std::unique_ptr<lvlm::LensCache> Known;
};

#endif
