// SPDX-License-Identifier: Apache-2.0
/**
 * @class vtkLVLMRankPipeline
 * @brief ParaView's executive for filters whose ranks work together
 *
 * See Readers/RankExecutive.h. The filters make it themselves wherever the plugin is loaded.
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

protected:
  vtkLVLMRankPipeline() = default;
  ~vtkLVLMRankPipeline() override = default;

  using vtkPVCompositeDataPipeline::ForwardUpstream;
  int ForwardUpstream(vtkInformation* request) override;

private:
  vtkLVLMRankPipeline(const vtkLVLMRankPipeline&) = delete;
  void operator=(const vtkLVLMRankPipeline&) = delete;
};

#endif
