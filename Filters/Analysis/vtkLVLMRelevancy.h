// SPDX-License-Identifier: Apache-2.0
/**
 * @class   vtkLVLMRelevancy
 * @brief   which patches and which words made an answer token
 *
 * Port 0: a vtkImageData with a cell a patch, as of vtkLVLMAttentionMap, with the cell arrays
 * `decoder`, `vision`, `joint` and `joint_token`, as many as the method gives (rollout: `decoder`
 * alone; a token activation map is one of its own, `activation`). Port 1: a table with a row for
 * every word of the prompt and of the answer before the token: `word`, `role`, `position` (the
 * first), `positions` (how many), `relevancy` (their mean), `share` (of the row's sum), and, the
 * same in every row, the image's `image_mean`, `image_maximum`, `image_share` and
 * `image_percentile`. Port 0 has these four numbers in its field data, port 1 the `method` in
 * words. `image_percentile` is where the image's maximum stands among the question's three most
 * relevant words; in COMPATIBLE mode LVLM-Interpret's number, whose words lack the last one.
 *
 * The gradients come from the trace where it carries `relevancy.*`, else from the model that made
 * it. Computed maps are kept (64 MiB at most), each for what decides it: model, picture and tokens.
 */
#ifndef vtkLVLMRelevancy_h
#define vtkLVLMRelevancy_h

#include "Filters/Common/vtkLVLMTraceFilter.h"

#include "lvlmFiltersAnalysisModule.h"

#include <memory>
#include <string>

namespace lvlm
{
class RelevancyCache;
struct RelevancyRequest;
}

class LVLMFILTERSANALYSIS_EXPORT vtkLVLMRelevancy : public vtkLVLMTraceFilter
{
public:
  static vtkLVLMRelevancy* New();
  vtkTypeMacro(vtkLVLMRelevancy, vtkLVLMTraceFilter);
  void PrintSelf(ostream& os, vtkIndent indent) override;

  enum Methods
  {
    GRADIENT = 0,
    ROLLOUT_MEAN = 1,
    ROLLOUT_MAX = 2,
    TOKEN_ACTIVATION = 3
  };

  enum Precisions
  {
    FLOAT32 = 0,
    BFLOAT16 = 1
  };

  enum Modes
  {
    EXACT = 0,
    COMPATIBLE = 1
  };

  ///@{
  /** GRADIENT (default): relevancy of Chefer et al.; ROLLOUT_MEAN, ROLLOUT_MAX: attention rollout,
   * heads reduced to their mean or maximum, from `attention.full` of all layers; TOKEN_ACTIVATION:
   * token activation map (see Models/Trace/TokenActivation.h), the array `activation`. */
  vtkSetClampMacro(Method, int, GRADIENT, TOKEN_ACTIVATION);
  vtkGetMacro(Method, int);
  ///@}

  ///@{
  /** EXACT (default): gradients of the token itself; COMPATIBLE: what LVLM-Interpret computes. */
  vtkSetClampMacro(Mode, int, EXACT, COMPATIBLE);
  vtkGetMacro(Mode, int);
  ///@}

  ///@{
  /** Whether each row of relevancy is divided by its sum. Default: true. */
  vtkSetMacro(Normalize, bool);
  vtkGetMacro(Normalize, bool);
  vtkBooleanMacro(Normalize, bool);
  ///@}

  ///@{
  /** Whether a chosen token stands for the whole word that it belongs to. Default: false. */
  vtkSetMacro(Words, bool);
  vtkGetMacro(Words, bool);
  vtkBooleanMacro(Words, bool);
  ///@}

  ///@{
  /** Folder of the model that made the trace. Empty (default): as the trace says. */
  vtkSetStdStringFromCharMacro(ModelDirectory);
  vtkGetCharFromStdStringMacro(ModelDirectory);
  ///@}

  ///@{
  /** Where the model computes: "cpu", "cuda" ... Empty (default): where the trace was made. */
  vtkSetStdStringFromCharMacro(Device);
  vtkGetCharFromStdStringMacro(Device);
  ///@}

  ///@{
  /** Of the gradients. FLOAT32 (default): exact, in float64 where the trace is; BFLOAT16: rounded
   * in products with the model's weights, which is faster on units for bfloat16 and off by about a
   * hundredth of a map's maximum, a few hundredths through the tower. */
  vtkSetClampMacro(Precision, int, FLOAT32, BFLOAT16);
  vtkGetMacro(Precision, int);
  ///@}

protected:
  vtkLVLMRelevancy();
  ~vtkLVLMRelevancy() override;

  int FillOutputPortInformation(int port, vtkInformation* info) override;
  void Announce(const lvlm::TraceShape& shape, vtkInformationVector* outputs) override;
  void Compute(const lvlm::Trace& trace, vtkDataObject* data, vtkInformationVector** inputs,
    vtkInformationVector* outputs) override;

  int Method = GRADIENT;
  int Mode = EXACT;
  int Precision = FLOAT32;
  bool Normalize = true;
  bool Words = false;
  std::string ModelDirectory;
  std::string Device;

private:
  vtkLVLMRelevancy(const vtkLVLMRelevancy&) = delete;
  void operator=(const vtkLVLMRelevancy&) = delete;

  lvlm::RelevancyRequest GetRequest(const lvlm::Trace& trace, vtkInformationVector* outputs) const;

  std::unique_ptr<lvlm::RelevancyCache> Known;
};

#endif
