// SPDX-License-Identifier: Apache-2.0
/**
 * @class   vtkLVLMInterventionFilter
 * @brief   what the filters have in common that keep a model from seeing something
 *
 * The model that made the trace reads prompt and recorded answer again, with patches of the picture
 * hidden. Scores of the whole answer are kept, so that other answer tokens cost nothing.
 */
#ifndef vtkLVLMInterventionFilter_h
#define vtkLVLMInterventionFilter_h

#include "lvlmFiltersInferenceModule.h"

#include "Filters/Common/vtkLVLMTraceFilter.h"

#include <memory>
#include <string>
#include <vector>

namespace lvlm
{
namespace llava
{
class LlavaModel;
struct AnswerScores;
struct Variant;
}
}

class LVLMFILTERSINFERENCE_EXPORT vtkLVLMInterventionFilter : public vtkLVLMTraceFilter
{
public:
  vtkAbstractTypeMacro(vtkLVLMInterventionFilter, vtkLVLMTraceFilter);
  void PrintSelf(ostream& os, vtkIndent indent) override;

  enum Fills
  {
    MEAN_COLOR = 0,
    BLACK = 1,
    BLUR = 2,
    MEAN_EMBEDDING = 3,
    ZERO_EMBEDDING = 4
  };

  ///@{
  /** What takes the place of hidden patches: of their pixels MEAN_COLOR (of the whole picture,
   * default), BLACK or BLUR (the picture, blurred); or of what the projector makes of them
   * MEAN_EMBEDDING (of all patches) or ZERO_EMBEDDING. */
  vtkSetClampMacro(Fill, int, MEAN_COLOR, ZERO_EMBEDDING);
  vtkGetMacro(Fill, int);
  ///@}

  ///@{
  /** Folder of the model that made the trace. Empty (default): as the trace says. */
  vtkSetStdStringFromCharMacro(ModelDirectory);
  vtkGetCharFromStdStringMacro(ModelDirectory);
  ///@}

  ///@{
  /** Where it runs: "cpu", "cuda" ... Empty (default): where the trace was made. */
  vtkSetStdStringFromCharMacro(Device);
  vtkGetCharFromStdStringMacro(Device);
  ///@}

protected:
  vtkLVLMInterventionFilter();
  ~vtkLVLMInterventionFilter() override;

  /// The answer tokens to use, in [0, T). Throws lvlm::Error when there are none.
  std::vector<std::int64_t> GetScoredTokens(
    const lvlm::Trace& trace, vtkInformationVector* outputs) const;
  /// The trace's model. All ranks together. Throws lvlm::Error.
  std::shared_ptr<const lvlm::llava::LlavaModel> OpenModel(const lvlm::Trace& trace);
  /// A variant with patches hidden as Fill says.
  lvlm::llava::Variant Hiding(std::vector<std::int64_t> patches) const;
  /// The whole answer's scores; those of the last call where nothing has changed. All ranks
  /// together. Throws lvlm::Error.
  const lvlm::llava::AnswerScores& GetScores(vtkDataObject* data,
    const std::vector<lvlm::llava::Variant>& variants, const lvlm::Progress& progress);
  const lvlm::llava::AnswerScores& GetScores(
    vtkDataObject* data, const std::vector<lvlm::llava::Variant>& variants);

  int Fill = MEAN_COLOR;
  std::string ModelDirectory;
  std::string Device;

private:
  vtkLVLMInterventionFilter(const vtkLVLMInterventionFilter&) = delete;
  void operator=(const vtkLVLMInterventionFilter&) = delete;

  struct Known;
  std::unique_ptr<Known> Last;
};

#endif
