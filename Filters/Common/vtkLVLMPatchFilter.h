// SPDX-License-Identifier: Apache-2.0
/**
 * @class   vtkLVLMPatchFilter
 * @brief   what the filters have in common for which patches of the picture are chosen
 *
 * The patches come from a list, from a selection of cells of a map (port 1), or from both. What
 * none of them means is the subclass's matter, which gets them by lvlm::chosenPatches().
 */
#ifndef vtkLVLMPatchFilter_h
#define vtkLVLMPatchFilter_h

#include "lvlmFiltersCommonModule.h"

#include "vtkLVLMTraceFilter.h"

#include <cstdint>
#include <vector>

class vtkAlgorithmOutput;

class LVLMFILTERSCOMMON_EXPORT vtkLVLMPatchFilter : public vtkLVLMTraceFilter
{
public:
  vtkAbstractTypeMacro(vtkLVLMPatchFilter, vtkLVLMTraceFilter);
  void PrintSelf(ostream& os, vtkIndent indent) override;

  ///@{
  /** The chosen patches, row-major from the top left; negative ones count from the end. */
  void AddPatch(int patch);
  void RemoveAllPatches();
  ///@}

  /// A vtkSelection of cells of a map.
  void SetSelectionConnection(vtkAlgorithmOutput* selection);

protected:
  vtkLVLMPatchFilter();
  ~vtkLVLMPatchFilter() override = default;

  int FillInputPortInformation(int port, vtkInformation* info) override;

  std::vector<std::int64_t> Patches;

private:
  vtkLVLMPatchFilter(const vtkLVLMPatchFilter&) = delete;
  void operator=(const vtkLVLMPatchFilter&) = delete;
};

#endif
