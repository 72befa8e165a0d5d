// SPDX-License-Identifier: Apache-2.0
/**
 * @class   vtkLVLMCaption
 * @brief   question and answer of a trace as text for a view
 *
 * A vtkTable with one string, which ParaView shows as text. In the text, `{question}` is replaced
 * by the question, `{answer}` by the answer with the chosen tokens in brackets, and `{token}` by
 * the chosen tokens alone (cut where they take more than a quarter of a line); each line is
 * shortened to a length, the answer around its first bracket. With FollowTime the bracket moves
 * through the answer. `{late}` says so where the time has passed the answer's end, else it is
 * nothing.
 *
 * The second input is optional: an output that the text is about. Then the tokens are those that
 * this output shows, and `{name}` is replaced by the strings `name` of its field data, each of
 * several in a line; a line that asks for one that is not there is left out.
 */
#ifndef vtkLVLMCaption_h
#define vtkLVLMCaption_h

#include "Filters/Common/vtkLVLMTokenFilter.h"

#include "lvlmFiltersDrawingModule.h"

#include <string>

class LVLMFILTERSDRAWING_EXPORT vtkLVLMCaption : public vtkLVLMTokenFilter
{
public:
  static vtkLVLMCaption* New();
  vtkTypeMacro(vtkLVLMCaption, vtkLVLMTokenFilter);
  void PrintSelf(ostream& os, vtkIndent indent) override;

  ///@{
  /** The text with its `{}` fields. Default: the question and, below it, the answer. */
  vtkSetMacro(Text, std::string);
  vtkGetMacro(Text, std::string);
  ///@}

  ///@{
  /** Characters of a line at most; 0 sets no limit. Default: 80. */
  vtkSetClampMacro(LineLength, int, 0, 100000);
  vtkGetMacro(LineLength, int);
  ///@}

protected:
  vtkLVLMCaption() = default;
  ~vtkLVLMCaption() override = default;

  int FillOutputPortInformation(int port, vtkInformation* info) override;
  void Compute(const lvlm::Trace& trace, vtkDataObject* data, vtkInformationVector** inputs,
    vtkInformationVector* outputs) override;

  std::string Text = "{question}\n{answer}";
  int LineLength = 80;

private:
  vtkLVLMCaption(const vtkLVLMCaption&) = delete;
  void operator=(const vtkLVLMCaption&) = delete;
};

#endif
