// SPDX-License-Identifier: Apache-2.0
/**
 * @class   vtkLVLMPatchAttention
 * @brief   which words of the answer looked at some patches of the picture
 *
 * The reverse of vtkLVLMAttentionMap. The patches come from a list, from a selection of cells of an
 * attention map (port 1), or from both; without either all of them are taken. A vtkTable with a row
 * for every answer token: `answer_index`, `token`, `attention` (the mean over patches, layers and
 * heads) and for every chosen head h a column `head_<h>` (the mean over patches and layers), of the
 * best heads `layer_<l>_head_<h>`. Its field `patches` says which patches these are, and `heads`
 * which the best heads are.
 */
#ifndef vtkLVLMPatchAttention_h
#define vtkLVLMPatchAttention_h

#include "Filters/Common/vtkLVLMPatchFilter.h"

#include "lvlmFiltersAnalysisModule.h"

namespace lvlm
{
struct PatchAttention;
}

class LVLMFILTERSANALYSIS_EXPORT vtkLVLMPatchAttention : public vtkLVLMPatchFilter
{
public:
  static vtkLVLMPatchAttention* New();
  vtkTypeMacro(vtkLVLMPatchAttention, vtkLVLMPatchFilter);

protected:
  vtkLVLMPatchAttention() = default;
  ~vtkLVLMPatchAttention() override = default;

  int FillOutputPortInformation(int port, vtkInformation* info) override;
  void Compute(const lvlm::Trace& trace, vtkDataObject* data, vtkInformationVector** inputs,
    vtkInformationVector* outputs) override;

private:
  /// All ranks together.
  lvlm::PatchAttention AttentionOf(const lvlm::Trace& trace,
    const std::vector<std::int64_t>& patches, const lvlm::Selection& selection);

  vtkLVLMPatchAttention(const vtkLVLMPatchAttention&) = delete;
  void operator=(const vtkLVLMPatchAttention&) = delete;
};

#endif
