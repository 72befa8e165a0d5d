// SPDX-License-Identifier: Apache-2.0
/**
 * @class   vtkLVLMPatching
 * @brief   where, layer by position, the answer is carried
 *
 * Activation patching (K. Meng et al., "Locating and Editing Factual Associations in GPT", NeurIPS
 * 2022) between two traces of one model whose prompts are equally long: the question of input 0,
 * clean, and the same with one thing changed, input 1, corrupted. The model reads the corrupted
 * question, with what the clean one has at some positions in one layer put in its place: how much
 * of the clean answer token's probability comes back?
 *
 * Port 0, an image, a point for each chosen layer (x) and place (y): `restored` = (patched -
 * corrupted) / (clean - corrupted) of the token's probability (the mean of several tokens'), each
 * token after the clean ones before it; `restored_logprob`, the same of log-probabilities;
 * `probability`. Port 1, the same as a table, with what each place says. Port 2, a grid of patches:
 * `restored`, the largest over the layers of the place that a patch belongs to, and `layer`.
 */
#ifndef vtkLVLMPatching_h
#define vtkLVLMPatching_h

#include "lvlmFiltersInferenceModule.h"

#include "vtkLVLMInterventionFilter.h"

class LVLMFILTERSINFERENCE_EXPORT vtkLVLMPatching : public vtkLVLMInterventionFilter
{
public:
  static vtkLVLMPatching* New();
  vtkTypeMacro(vtkLVLMPatching, vtkLVLMInterventionFilter);
  void PrintSelf(ostream& os, vtkIndent indent) override;

  enum PlaceKinds
  {
    ROLES = 0,
    WORDS = 1,
    PATCHES = 2,
    EACH = 3
  };

  enum Parts
  {
    HIDDEN = 0,
    ATTENTION = 1,
    FEED_FORWARD = 2
  };

  ///@{
  /** What is patched at a time: all positions of a role; a word, or the whole picture (WORDS,
   * default); a patch of the picture; or a single position. */
  vtkSetClampMacro(Positions, int, ROLES, EACH);
  vtkGetMacro(Positions, int);
  ///@}

  ///@{
  /** What is taken over: the hidden state after the layer (default), or what attention or the
   * feed-forward part adds to it in the layer. */
  vtkSetClampMacro(What, int, HIDDEN, FEED_FORWARD);
  vtkGetMacro(What, int);
  ///@}

  /// The trace with one thing changed.
  void SetCorruptedConnection(vtkAlgorithmOutput* corrupted);

  vtkTypeBool ProcessRequest(
    vtkInformation*, vtkInformationVector** inputs, vtkInformationVector* outputs) override;

protected:
  vtkLVLMPatching();
  ~vtkLVLMPatching() override;

  int FillInputPortInformation(int port, vtkInformation* info) override;
  int FillOutputPortInformation(int port, vtkInformation* info) override;
  void Announce(const lvlm::TraceShape& shape, vtkInformationVector* outputs) override;
  void Compute(const lvlm::Trace& trace, vtkDataObject* data, vtkInformationVector** inputs,
    vtkInformationVector* outputs) override;

  int Positions = WORDS;
  int What = HIDDEN;

private:
  vtkLVLMPatching(const vtkLVLMPatching&) = delete;
  void operator=(const vtkLVLMPatching&) = delete;

  struct Known;
  /// Of the last call where nothing has changed.
  const Known& GetPatched(vtkDataObject* clean, vtkDataObject* corrupted,
    const std::vector<std::vector<std::int64_t>>& places, const std::vector<std::int64_t>& layers);

  std::unique_ptr<Known> Last;
};

#endif
