// SPDX-License-Identifier: Apache-2.0
/**
 * @class   vtkLVLMTokens
 * @brief   a trace's sequence as a table, a row a position
 *
 * Columns: `position`, `id`, `token` (the tokenizer's own piece), `text` (what it says), `role`,
 * `answer_index` (-1 outside the answer), `patch_row` and `patch_col` (-1 outside the image; row 0
 * is at the top), `logprob` (not a number outside the answer), and for each recorded alternative n
 * = 1..k: `top<n>_id`, `top<n>_token`, `top<n>_text`, `top<n>_logprob`. Last, `probability` and
 * `chosen`, which is 1 for the answer tokens that are chosen, by list or time or by the output that
 * it is about (port 1), and 0 for all others.
 * Field data: the strings `question`, as it was asked, and `model`, its name.
 */
#ifndef vtkLVLMTokens_h
#define vtkLVLMTokens_h

#include "Filters/Common/vtkLVLMTokenFilter.h"

#include "lvlmFiltersAnalysisModule.h"

class LVLMFILTERSANALYSIS_EXPORT vtkLVLMTokens : public vtkLVLMTokenFilter
{
public:
  static vtkLVLMTokens* New();
  vtkTypeMacro(vtkLVLMTokens, vtkLVLMTokenFilter);

protected:
  vtkLVLMTokens() = default;
  ~vtkLVLMTokens() override = default;

  int FillOutputPortInformation(int port, vtkInformation* info) override;
  void Compute(const lvlm::Trace& trace, vtkDataObject* data, vtkInformationVector** inputs,
    vtkInformationVector* outputs) override;

private:
  vtkLVLMTokens(const vtkLVLMTokens&) = delete;
  void operator=(const vtkLVLMTokens&) = delete;
};

#endif
