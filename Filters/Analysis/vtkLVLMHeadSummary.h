// SPDX-License-Identifier: Apache-2.0
/**
 * @class   vtkLVLMHeadSummary
 * @brief   which heads of which layers look at the picture, or at the question
 *
 * Port 0: a vtkImageData with a point for every layer (x) and head (y), point array `attention`:
 * the mean over the chosen answer tokens, and over the source's positions or their sum; or the
 * point array `entropy`, `spatial_entropy` or `sink_share` of the heads' maps, or `column_score`.
 * Port 1: the same as a table with the columns `layer`, `head` and the array's. Port 2, of the
 * picture: a row a head, those first that tell where something is: `rank`, `layer`, `head`,
 * `image_share`, `entropy`, `spatial_entropy`, `above_elbow` (see localizationOrder()),
 * `column_score`, `column_token` (see ColumnScore.h). Field data of port 0: `svar`, the mean image
 * share of all heads and layers.
 */
#ifndef vtkLVLMHeadSummary_h
#define vtkLVLMHeadSummary_h

#include "Filters/Common/vtkLVLMTraceFilter.h"

#include "lvlmFiltersAnalysisModule.h"

namespace lvlm
{
struct Selection;
}

class LVLMFILTERSANALYSIS_EXPORT vtkLVLMHeadSummary : public vtkLVLMTraceFilter
{
public:
  static vtkLVLMHeadSummary* New();
  vtkTypeMacro(vtkLVLMHeadSummary, vtkLVLMTraceFilter);

  enum
  {
    IMAGE = 0,
    QUESTION = 1
  };
  enum Measures
  {
    MEAN = 0,
    SUM = 1,
    ENTROPY = 2,
    LOCALIZATION = 3,
    SINK_SHARE = 4,
    COLUMN_SCORE = 5
  };

  ///@{
  /** The positions that are looked at: IMAGE (default), the image tokens, or QUESTION. */
  vtkSetClampMacro(Source, int, IMAGE, QUESTION);
  vtkGetMacro(Source, int);
  ///@}

  ///@{
  /** What is told of each head: MEAN (default) or SUM of its attention to the positions; of its map
   * of the picture ENTROPY or LOCALIZATION, its spatial entropy: low where it looks at one place;
   * SINK_SHARE, what of its look at the picture goes to attention sinks (see vtkLVLMSinks); or
   * COLUMN_SCORE, how much it hangs on one token of the answer, for which there must be one before
   * the last of the chosen ones. */
  vtkSetClampMacro(Measure, int, MEAN, COLUMN_SCORE);
  vtkGetMacro(Measure, int);
  ///@}

  void PrintSelf(ostream& os, vtkIndent indent) override;

protected:
  vtkLVLMHeadSummary();
  ~vtkLVLMHeadSummary() override = default;

  int FillOutputPortInformation(int port, vtkInformation* info) override;
  void Announce(const lvlm::TraceShape& shape, vtkInformationVector* outputs) override;
  void Compute(const lvlm::Trace& trace, vtkDataObject* data, vtkInformationVector** inputs,
    vtkInformationVector* outputs) override;

  int Source = IMAGE;
  int Measure = MEAN;

private:
  /// [layers, heads]. Sinks are those of the states that enter a layer; of later layers whose
  /// states the trace does not have, those of any layer.
  std::vector<float> GetSinkShares(const lvlm::Trace& trace, const lvlm::Selection& selection);

  vtkLVLMHeadSummary(const vtkLVLMHeadSummary&) = delete;
  void operator=(const vtkLVLMHeadSummary&) = delete;
};

#endif
