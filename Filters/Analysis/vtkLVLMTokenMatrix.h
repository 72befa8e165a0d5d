// SPDX-License-Identifier: Apache-2.0
/**
 * @class   vtkLVLMTokenMatrix
 * @brief   how much each token of the answer looks at each token before it
 *
 * Port 0: a vtkPolyData in the plane z = 0, a square for each pair that attention knows: a row is a
 * token of the answer, from the top, a column one of the sequence before it, the picture as one.
 * Cell arrays `attention` (the mean over the chosen layers and heads, the sum over a column's
 * positions), `answer_index`, `position` (the first of the column), `row`, `column`. Port 1: the
 * same as a table, with the words: `answer_index`, `token`, `position`, `source`, `role`,
 * `attention`. Port 2: the words as shapes beside the rows and above the columns. Tokens may be
 * joined to words: a row is then the mean of its tokens, a column the sum.
 */
#ifndef vtkLVLMTokenMatrix_h
#define vtkLVLMTokenMatrix_h

#include "Filters/Common/vtkLVLMTraceFilter.h"

#include "lvlmFiltersAnalysisModule.h"

class LVLMFILTERSANALYSIS_EXPORT vtkLVLMTokenMatrix : public vtkLVLMTraceFilter
{
public:
  static vtkLVLMTokenMatrix* New();
  vtkTypeMacro(vtkLVLMTokenMatrix, vtkLVLMTraceFilter);
  void PrintSelf(ostream& os, vtkIndent indent) override;

  ///@{
  /** Whether tokens are joined to words. Default: off. */
  vtkSetMacro(JoinWords, bool);
  vtkGetMacro(JoinWords, bool);
  vtkBooleanMacro(JoinWords, bool);
  ///@}

  ///@{
  /** Colors of what is written, and of what it stands on, from which the paler ones are mixed: red,
   * green and blue in [0, 1]. Default: dark gray on white. */
  vtkSetVector3Macro(TextColor, double);
  vtkGetVector3Macro(TextColor, double);
  vtkSetVector3Macro(BackgroundColor, double);
  vtkGetVector3Macro(BackgroundColor, double);
  ///@}

protected:
  vtkLVLMTokenMatrix();
  ~vtkLVLMTokenMatrix() override = default;

  int FillOutputPortInformation(int port, vtkInformation* info) override;
  void Compute(const lvlm::Trace& trace, vtkDataObject* data, vtkInformationVector** inputs,
    vtkInformationVector* outputs) override;

  bool JoinWords = false;
  double TextColor[3] = { 0.13, 0.13, 0.15 };
  double BackgroundColor[3] = { 1.0, 1.0, 1.0 };

private:
  vtkLVLMTokenMatrix(const vtkLVLMTokenMatrix&) = delete;
  void operator=(const vtkLVLMTokenMatrix&) = delete;
};

#endif
