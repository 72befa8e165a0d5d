// SPDX-License-Identifier: Apache-2.0
/**
 * @class vtkLVLMRankPipeline
 * @brief executive of a filter whose ranks work together: it runs although its input failed
 *
 * VTK does not run a filter whose input failed. If that happens on one rank alone, the other ranks
 * wait for it in their first exchange, for ever. This runs the filter nevertheless, and leaves
 * DATA_NOT_GENERATED() in the information of the inputs, so that the filter can make it an error on
 * all ranks.
 */
#ifndef vtkLVLMRankPipeline_h
#define vtkLVLMRankPipeline_h

#include "lvlmServerModule.h"

#include "vtkPVCompositeDataPipeline.h"

class LVLMSERVER_EXPORT vtkLVLMRankPipeline : public vtkPVCompositeDataPipeline
{
public:
  static vtkLVLMRankPipeline* New();
  vtkTypeMacro(vtkLVLMRankPipeline, vtkPVCompositeDataPipeline);
  void PrintSelf(ostream& os, vtkIndent indent) override;

protected:
  vtkLVLMRankPipeline();
  ~vtkLVLMRankPipeline() override;

  using vtkPVCompositeDataPipeline::ForwardUpstream;
  int ForwardUpstream(vtkInformation* request) override;

private:
  vtkLVLMRankPipeline(const vtkLVLMRankPipeline&) = delete;
  void operator=(const vtkLVLMRankPipeline&) = delete;
};

#endif
