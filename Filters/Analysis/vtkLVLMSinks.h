// SPDX-License-Identifier: Apache-2.0
/**
 * @class   vtkLVLMSinks
 * @brief   patches that heads look at although they say nothing, and the heads that do so
 *
 * Kang et al., ICLR 2025: at an attention sink a few dimensions of the hidden state are more than
 * `Threshold` times its root mean square, the same dimensions as at the first position. Of a trace
 * without hidden states a substitute: what every row of the answer gives a position at least, in
 * multiples of what it gives one on average.
 *
 * Port 0: a cell a patch, with the cell arrays `sink_value` (the largest over the layers),
 * `is_sink` (whether that is above the threshold) and `layers` (after how many). Port 1: a row a
 * position: `position`, `role`, `text`, `patch`, `sink_value`, `is_sink`, `layers`. Port 2: a row
 * for each head of the decoder layers that such states enter: `layer`, `head`, `image_share` (of
 * the attention, mean over the tokens), `sink_share` (of that, what goes to sinks of that layer)
 * and `image_centric`: whether the head looks at the picture (share of at least 0.2) and less than
 * half of that at sinks. Field data of port 0: `method`, `dimensions`.
 */
#ifndef vtkLVLMSinks_h
#define vtkLVLMSinks_h

#include "Filters/Common/vtkLVLMTraceFilter.h"

#include "lvlmFiltersAnalysisModule.h"

#include <string>

class LVLMFILTERSANALYSIS_EXPORT vtkLVLMSinks : public vtkLVLMTraceFilter
{
public:
  static vtkLVLMSinks* New();
  vtkTypeMacro(vtkLVLMSinks, vtkLVLMTraceFilter);
  void PrintSelf(ostream& os, vtkIndent indent) override;

  ///@{
  /** How many times its root mean square a dimension must be. Default: 20. */
  vtkSetMacro(Threshold, double);
  vtkGetMacro(Threshold, double);
  ///@}

  ///@{
  /** The dimensions, 0-based. None (default): those of the first position. */
  void AddDimension(int dimension);
  void RemoveAllDimensions();
  ///@}

protected:
  vtkLVLMSinks();
  ~vtkLVLMSinks() override = default;

  int FillOutputPortInformation(int port, vtkInformation* info) override;
  void Announce(const lvlm::TraceShape& shape, vtkInformationVector* outputs) override;
  void Compute(const lvlm::Trace& trace, vtkDataObject* data, vtkInformationVector** inputs,
    vtkInformationVector* outputs) override;

  double Threshold = 20;
  std::vector<std::int64_t> Dimensions;

private:
  vtkLVLMSinks(const vtkLVLMSinks&) = delete;
  void operator=(const vtkLVLMSinks&) = delete;
};

#endif
