// SPDX-License-Identifier: Apache-2.0
/**
 * @class   vtkLVLMBars
 * @brief   a column of a table as horizontal bars, each with its words: a chart for a render view
 *
 * Input: a vtkTable, e.g. of vtkLVLMTokens or of vtkLVLMRelevancy's second port. A bar a row, from
 * top to bottom; rows whose value is not a number are left out. Output: vtkPolyData in the plane z
 * = 0 with the cell arrays `color` (RGB, shown as it is) and `row` (of the table; -1 for the first
 * bar), and `answer_index`, `layer` and `head` of that row where the table has such columns. Bars
 * start at x = 0 and are 10 long at full scale, words end at x = -0.3, a row is 1 high and the
 * first lies below y = 0; the bounds depend on MaximumBars and on whether there is a Note, so that
 * a camera fits at all times.
 */
#ifndef vtkLVLMBars_h
#define vtkLVLMBars_h

#include "lvlmFiltersDrawingModule.h"

#include "vtkPolyDataAlgorithm.h"

#include <string>

class LVLMFILTERSDRAWING_EXPORT vtkLVLMBars : public vtkPolyDataAlgorithm
{
public:
  static vtkLVLMBars* New();
  vtkTypeMacro(vtkLVLMBars, vtkPolyDataAlgorithm);
  void PrintSelf(ostream& os, vtkIndent indent) override;

  enum
  {
    TABLE = 0,
    DESCENDING = 1
  };

  enum
  {
    BARS = 0,
    TEXT = 1
  };
  ///@{
  /** How they are shown: as BARS (default), or as a TEXT whose words stand on boxes that are the
   * stronger the larger their values. A text has the order of the table, MaximumBars lines, and
   * neither first bar nor note. */
  vtkSetClampMacro(Arrangement, int, BARS, TEXT);
  vtkGetMacro(Arrangement, int);
  ///@}

  ///@{
  /** Columns of the words and of the values; empty ones mean the table's first of their kind, and
   * of words the column `text` before others. */
  vtkSetMacro(Labels, std::string);
  vtkGetMacro(Labels, std::string);
  vtkSetMacro(Values, std::string);
  vtkGetMacro(Values, std::string);
  ///@}

  ///@{
  /** A column of words that stand in parentheses behind a bar's own. Default: none. */
  vtkSetMacro(Details, std::string);
  vtkGetMacro(Details, std::string);
  ///@}

  ///@{
  /** A column that is not 0 where a bar is highlighted. Default: none. */
  vtkSetMacro(Highlight, std::string);
  vtkGetMacro(Highlight, std::string);
  ///@}

  ///@{
  /** A column whose first value gets a bar above all others, and that bar's words. Default: none.
   */
  vtkSetMacro(FirstBar, std::string);
  vtkGetMacro(FirstBar, std::string);
  vtkSetMacro(FirstLabel, std::string);
  vtkGetMacro(FirstLabel, std::string);
  ///@}

  ///@{
  /** A line below the bars; {name} stands for the first value of that column. Default: none. */
  vtkSetMacro(Note, std::string);
  vtkGetMacro(Note, std::string);
  ///@}

  ///@{
  /** Rows in the order of the TABLE (default), or the largest values first. */
  vtkSetClampMacro(Order, int, TABLE, DESCENDING);
  vtkGetMacro(Order, int);
  ///@}

  ///@{
  /** How many bars there is room for. In the order of the table these are the ones around the first
   * highlighted bar. Default: 16. */
  vtkSetClampMacro(MaximumBars, int, 1, 1000);
  vtkGetMacro(MaximumBars, int);
  ///@}

  ///@{
  /** The value of a bar of full length; 0 (default) takes the largest one. */
  vtkSetMacro(FullScale, double);
  vtkGetMacro(FullScale, double);
  ///@}

  ///@{
  /** Whether values are written as percentages (default) or as numbers. */
  vtkSetMacro(Percent, bool);
  vtkGetMacro(Percent, bool);
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
  vtkLVLMBars() = default;
  ~vtkLVLMBars() override = default;

  int FillInputPortInformation(int port, vtkInformation* info) override;
  int RequestData(
    vtkInformation*, vtkInformationVector** inputs, vtkInformationVector* outputs) override;

  std::string Labels, Values, Details, Highlight, FirstBar, FirstLabel, Note;
  int Arrangement = BARS;
  int Order = TABLE;
  int MaximumBars = 16;
  double FullScale = 0.0;
  bool Percent = true;
  double TextColor[3] = { 0.13, 0.13, 0.15 };
  double BackgroundColor[3] = { 1.0, 1.0, 1.0 };

private:
  vtkLVLMBars(const vtkLVLMBars&) = delete;
  void operator=(const vtkLVLMBars&) = delete;
};

#endif
