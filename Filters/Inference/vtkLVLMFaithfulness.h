// SPDX-License-Identifier: Apache-2.0
/**
 * @class   vtkLVLMFaithfulness
 * @brief   whether maps name what an answer depends on
 *
 * Port 0 of the input: the trace; port 1: one or more maps, vtkImageData with a cell a patch.
 * Patches are hidden from the model in each map's order (deletion), or all but these (insertion),
 * and in random orders.
 *
 * Output port 0: a table, a row a step: `fraction` of the picture, `deletion NAME` and `insertion
 * NAME` for each map: the probability of the answer token (the mean of several tokens'), each token
 * after the recorded ones before it; for the random orders their mean under the name `random`, and
 * a standard deviation below and above it as `deletion random low`, `deletion random high` and so
 * on. Output port 1: a row a map, then `random` and the standard deviation of the random orders:
 * `map`, the areas `deletion` and `insertion`, `comprehensiveness`, `sufficiency`.
 */
#ifndef vtkLVLMFaithfulness_h
#define vtkLVLMFaithfulness_h

#include "lvlmFiltersInferenceModule.h"

#include "vtkLVLMInterventionFilter.h"

#include <string>
#include <vector>

class vtkAlgorithmOutput;

class LVLMFILTERSINFERENCE_EXPORT vtkLVLMFaithfulness : public vtkLVLMInterventionFilter
{
public:
  static vtkLVLMFaithfulness* New();
  vtkTypeMacro(vtkLVLMFaithfulness, vtkLVLMInterventionFilter);
  void PrintSelf(ostream& os, vtkIndent indent) override;

  ///@{
  /** The maps to test. */
  void AddMapConnection(vtkAlgorithmOutput* map);
  void RemoveAllMapConnections();
  ///@}

  ///@{
  /** Cell arrays of the maps: of each map those that it has are tested. None (default): the active
   * scalars of each map. */
  void AddArray(const char* name);
  void RemoveAllArrays();
  ///@}

  ///@{
  /** What the maps are called in the tables, in their order, with commas between them; a map
   * without a name is called as its array. Default: none. */
  vtkSetStdStringFromCharMacro(Names);
  vtkGetCharFromStdStringMacro(Names);
  ///@}

  ///@{
  /** Into how many parts the picture is cut, in [1, patches]. Default 10. */
  vtkSetClampMacro(Steps, int, 1, VTK_INT_MAX);
  vtkGetMacro(Steps, int);
  ///@}

  ///@{
  /** Random orders to compare with; 0: none. Default 5. */
  vtkSetClampMacro(Random, int, 0, 1000);
  vtkGetMacro(Random, int);
  ///@}

  ///@{
  /** Of the random orders, and of patches whose values are equal. Default 0. */
  vtkSetMacro(Seed, int);
  vtkGetMacro(Seed, int);
  ///@}

protected:
  vtkLVLMFaithfulness();
  ~vtkLVLMFaithfulness() override;

  int FillInputPortInformation(int port, vtkInformation* info) override;
  int FillOutputPortInformation(int port, vtkInformation* info) override;
  void Compute(const lvlm::Trace& trace, vtkDataObject* data, vtkInformationVector** inputs,
    vtkInformationVector* outputs) override;

  std::vector<std::string> Arrays;
  std::string Names;
  int Steps = 10;
  int Random = 5;
  int Seed = 0;

private:
  vtkLVLMFaithfulness(const vtkLVLMFaithfulness&) = delete;
  void operator=(const vtkLVLMFaithfulness&) = delete;

  struct Order;
  std::vector<Order> GetOrders(const lvlm::Trace& trace, vtkInformationVector* maps);
};

#endif
