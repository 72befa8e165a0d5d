// SPDX-License-Identifier: Apache-2.0
/**
 * @class   vtkLVLMNodeTest
 * @brief   whether the answer depends on the nodes that explain it
 *
 * The nodes of a causal graph's explanation are hidden from the model, and as many random nodes of
 * the same graph: attention from all later positions to them is cut in all layers. If the
 * explanation holds, the answer token becomes less probable with the former than with the latter.
 *
 * Input 1 is the table of nodes of LVLM Causal Graph. The output is a table, a row a head and a
 * radius: `head`, `radius`, `nodes` and of these `patches` up to that radius, the target left out;
 * `drop`, how far the log-probability of the graph's target falls; `random_drop`,
 * `random_deviation`, mean and standard deviation of as many random patches and words of the head's
 * nodes, `random_low` and `random_high` a deviation below and above; `draws`; `p_value`, the part
 * of random sets, the explanation counted as one of them, that make it fall as far.
 */
#ifndef vtkLVLMNodeTest_h
#define vtkLVLMNodeTest_h

#include "lvlmFiltersInferenceModule.h"

#include "vtkLVLMInterventionFilter.h"

class LVLMFILTERSINFERENCE_EXPORT vtkLVLMNodeTest : public vtkLVLMInterventionFilter
{
public:
  static vtkLVLMNodeTest* New();
  vtkTypeMacro(vtkLVLMNodeTest, vtkLVLMInterventionFilter);
  void PrintSelf(ostream& os, vtkIndent indent) override;

  /// The nodes of a causal graph of the trace.
  void SetNodesConnection(vtkAlgorithmOutput* nodes);

  ///@{
  /** Random sets of nodes for each row. Default: 20. */
  vtkSetClampMacro(Draws, int, 1, 10000);
  vtkGetMacro(Draws, int);
  ///@}

  ///@{
  /** Decides which sets these are. Default: 0. */
  vtkSetMacro(Seed, int);
  vtkGetMacro(Seed, int);
  ///@}

protected:
  vtkLVLMNodeTest();
  ~vtkLVLMNodeTest() override = default;

  int FillInputPortInformation(int port, vtkInformation* info) override;
  int FillOutputPortInformation(int port, vtkInformation* info) override;
  void Compute(const lvlm::Trace& trace, vtkDataObject* data, vtkInformationVector** inputs,
    vtkInformationVector* outputs) override;

  int Draws = 20;
  int Seed = 0;

private:
  vtkLVLMNodeTest(const vtkLVLMNodeTest&) = delete;
  void operator=(const vtkLVLMNodeTest&) = delete;
};

#endif
