// SPDX-License-Identifier: Apache-2.0
/**
 * @class   vtkLVLMKnockout
 * @brief   through which layers information flows from some positions to others
 *
 * Attention from the positions To to the positions From is cut in a window of layers, before the
 * softmax, for every layer as the window's middle: M. Geva et al., "Dissecting Recall of Factual
 * Associations in Auto-Regressive Language Models", EMNLP 2023; for vision-language models Z. Zhang
 * et al., "Cross-modal Information Flow in Multimodal Large Language Models", arXiv 2411.18620.
 *
 * Port 0, a table, a row a layer: `layer`, `first_layer` and `last_layer` of the window,
 * `probability` of the answer token (the mean of several tokens'), each token after the recorded
 * ones before it, and its `change` in percent.
 *
 * Port 1, a trace: what the model answers when that attention is cut in Layers (none: in all of
 * them) while it reads the question and writes the answer, with the captures that the input has.
 * Its metadata `intervention` says what was cut; whatever needs the model again refuses it.
 */
#ifndef vtkLVLMKnockout_h
#define vtkLVLMKnockout_h

#include "lvlmFiltersInferenceModule.h"

#include "vtkLVLMInterventionFilter.h"

#include <vector>

class vtkAlgorithmOutput;

namespace lvlm
{
namespace llava
{
struct AttentionCut;
}
}

class LVLMFILTERSINFERENCE_EXPORT vtkLVLMKnockout : public vtkLVLMInterventionFilter
{
public:
  static vtkLVLMKnockout* New();
  vtkTypeMacro(vtkLVLMKnockout, vtkLVLMInterventionFilter);
  void PrintSelf(ostream& os, vtkIndent indent) override;

  enum Places
  {
    IMAGE = 0,
    QUESTION = 1,
    SYSTEM = 2,
    ANSWER = 3,
    PATCHES = 4,
    POSITIONS = 5
  };

  ///@{
  /** Which positions are no longer seen. ANSWER: the answer's tokens; PATCHES: those of Patches and
   * of the selection; POSITIONS: FromPositions. Default IMAGE. */
  vtkSetClampMacro(From, int, IMAGE, POSITIONS);
  vtkGetMacro(From, int);
  ///@}

  ///@{
  /** Which positions no longer see them. ANSWER: all positions that predict the answer's tokens;
   * the others as of From. Default ANSWER. */
  vtkSetClampMacro(To, int, IMAGE, POSITIONS);
  vtkGetMacro(To, int);
  ///@}

  ///@{
  /** Positions of the sequence, negative ones count from the end of what the model reads. */
  void AddFromPosition(int position);
  void RemoveAllFromPositions();
  void AddToPosition(int position);
  void RemoveAllToPositions();
  ///@}

  /** Lowest and highest position that the lists accept; 0 and 0 while there is no trace. */
  int* GetPositionRange() VTK_SIZEHINT(2);

  ///@{
  /** Patches, row-major from the top left; negative ones count from the end. */
  void AddPatch(int patch);
  void RemoveAllPatches();
  ///@}

  /// A vtkSelection of cells of a map, whose patches join Patches.
  void SetSelectionConnection(vtkAlgorithmOutput* selection);

  ///@{
  /** Layers of a window, its middle included; at the ends it is cut off. 0 (default): 9 of 32
   * layers, and of other models as large a part. */
  vtkSetClampMacro(WindowSize, int, 0, VTK_INT_MAX);
  vtkGetMacro(WindowSize, int);
  ///@}

  ///@{
  /** The most tokens of the answer of port 1. Default: 64. */
  vtkSetClampMacro(MaxNewTokens, int, 1, 1 << 20);
  vtkGetMacro(MaxNewTokens, int);
  ///@}

  vtkTypeBool ProcessRequest(
    vtkInformation*, vtkInformationVector** inputs, vtkInformationVector* outputs) override;

protected:
  vtkLVLMKnockout();
  ~vtkLVLMKnockout() override;

  int FillInputPortInformation(int port, vtkInformation* info) override;
  int FillOutputPortInformation(int port, vtkInformation* info) override;
  void Compute(const lvlm::Trace& trace, vtkDataObject* data, vtkInformationVector** inputs,
    vtkInformationVector* outputs) override;

  int From = IMAGE;
  int To = ANSWER;
  int WindowSize = 0;
  int MaxNewTokens = 64;
  std::vector<std::int64_t> FromPositions;
  std::vector<std::int64_t> ToPositions;
  std::vector<std::int64_t> Patches;
  int PositionRange[2] = { 0, 0 };

private:
  vtkLVLMKnockout(const vtkLVLMKnockout&) = delete;
  void operator=(const vtkLVLMKnockout&) = delete;

  std::vector<std::int64_t> GetPatchPositions(
    const lvlm::Trace& trace, vtkInformationVector* selections);
  /// Cuts in layers of a sequence whose answer is fed to the model up to position `end`.
  std::vector<lvlm::llava::AttentionCut> GetCuts(const lvlm::Trace& trace,
    const std::vector<std::int64_t>& patches, std::int64_t end,
    const std::vector<std::int64_t>& layers) const;
  /// The trace of port 1; that of the last call where nothing has changed.
  std::shared_ptr<const lvlm::Trace> GetAnswer(vtkDataObject* data,
    const std::vector<lvlm::llava::AttentionCut>& cuts, const std::string& said,
    const lvlm::Progress& progress);

  /// What is cut for port 1, in words.
  std::string Said(const std::vector<std::int64_t>& layers, std::int64_t total) const;

  struct KnownAnswer;
  std::unique_ptr<KnownAnswer> LastAnswer;
};

#endif
