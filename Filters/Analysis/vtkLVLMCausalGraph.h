// SPDX-License-Identifier: Apache-2.0
/**
 * @class   vtkLVLMCausalGraph
 * @brief   which tokens explain an answer token, and how they depend on each other
 *
 * CLEANN (Rohekar et al. 2023) on the complete attention matrices of one layer, head by head; works
 * on any trace with `attention.full`. See Models/Causal/Explanation.h for the method.
 *
 * Port 0, vtkPolyData: a graph in pixel coordinates of the picture. Point i is node i as long as
 * `kind` is 0 (image token, a vertex at its patch) or 1 (text token, a vertex in the column beside
 * the picture); other points belong to edges (kind 2, polylines), their end marks (3), the nodes'
 * discs (4) and words (5). Point arrays: `kind`, `position`, `head` (-1 in a union), `heads`,
 * `radius`, `is_target`, `weight`, `label` (empty but for nodes). Cell arrays: `kind`, `heads`,
 * `source`, `target` (positions, -1 but for edges), `mark`, `p_value`, `color` (red, green, blue).
 *
 * Port 1, vtkTable, the nodes of all chosen heads: `head`, `position`, `token`, `role`, `patch`,
 * `radius` (0 the target, -1 outside the explanation), `weight`, `attention`.
 * Port 2, vtkTable, their edges: `head`, `source`, `target`, `mark`, `p_value`.
 * Port 3, vtkImageData: cell array `weight`, the patches' weights summed over the heads.
 * Port 4, vtkTable, a row a head: `head`, `importance`, `nodes`, `edges`, `explaining_patches`,
 * `explaining_words`, `tests`.
 */
#ifndef vtkLVLMCausalGraph_h
#define vtkLVLMCausalGraph_h

#include "Filters/Common/vtkLVLMTraceFilter.h"

#include "lvlmFiltersAnalysisModule.h"

namespace lvlm
{
namespace causal
{
struct HeadExplanation;
}
}

class LVLMFILTERSANALYSIS_EXPORT vtkLVLMCausalGraph : public vtkLVLMTraceFilter
{
public:
  static vtkLVLMCausalGraph* New();
  vtkTypeMacro(vtkLVLMCausalGraph, vtkLVLMTraceFilter);
  void PrintSelf(ostream& os, vtkIndent indent) override;

  enum
  {
    MOST_IMPORTANT_HEAD = 0,
    UNION_OF_HEADS = 1
  };

  enum
  {
    ALL_NODES = 0,
    EXPLANATION = 1
  };

  ///@{
  /** The answer token to explain, 0-based; negative ones count from the end. Default: 0. */
  void SetAnswerToken(int token);
  int GetAnswerToken() const;
  ///@}

  ///@{
  /** The model's layer, 0-based, which must have been recorded completely; negative ones count from
   * the end of the recorded layers. Default: -1, the last recorded one. */
  vtkSetMacro(Layer, int);
  vtkGetMacro(Layer, int);
  ///@}

  ///@{
  /** Attention above which a token takes part. Default: 0.005. */
  vtkSetMacro(AttentionThreshold, double);
  vtkGetMacro(AttentionThreshold, double);
  ///@}

  ///@{
  /** p-values above it mean independence, in [0, 1]. Default: 1e-5. */
  vtkSetMacro(Alpha, double);
  vtkGetMacro(Alpha, double);
  ///@}

  ///@{
  /** Number of samples behind each correlation, for Fisher's test. Default: 128. */
  vtkSetMacro(Samples, int);
  vtkGetMacro(Samples, int);
  ///@}

  ///@{
  /** Largest distance from the target on the graph; 0: no limit. Default: 3. */
  vtkSetMacro(Range, int);
  vtkGetMacro(Range, int);
  ///@}

  ///@{
  /** At most so many image tokens take part. Default: 50. */
  vtkSetMacro(MaximumNodes, int);
  vtkGetMacro(MaximumNodes, int);
  ///@}

  ///@{
  /** Threads that handle heads; 0 (default): the cores that the process may use. */
  vtkSetMacro(Threads, int);
  vtkGetMacro(Threads, int);
  ///@}

  ///@{
  /** What port 0 draws of several heads: MOST_IMPORTANT_HEAD (default) or UNION_OF_HEADS. */
  vtkSetClampMacro(Drawing, int, MOST_IMPORTANT_HEAD, UNION_OF_HEADS);
  vtkGetMacro(Drawing, int);
  ///@}

  ///@{
  /** In a union, edges of fewer heads are left out. Default: 1. */
  vtkSetMacro(MinimumHeads, int);
  vtkGetMacro(MinimumHeads, int);
  ///@}

  ///@{
  /** Which nodes port 0 draws: ALL_NODES (default) or those of the EXPLANATION. */
  vtkSetClampMacro(Nodes, int, ALL_NODES, EXPLANATION);
  vtkGetMacro(Nodes, int);
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
  vtkLVLMCausalGraph();
  ~vtkLVLMCausalGraph() override = default;

  int FillOutputPortInformation(int port, vtkInformation* info) override;
  void Announce(const lvlm::TraceShape& shape, vtkInformationVector* outputs) override;
  void Compute(const lvlm::Trace& trace, vtkDataObject* data, vtkInformationVector** inputs,
    vtkInformationVector* outputs) override;

  int Layer = -1;
  double AttentionThreshold = 0.005;
  double Alpha = 1e-5;
  int Samples = 128;
  int Range = 3;
  int MaximumNodes = 50;
  int Threads = 0;
  int Drawing = MOST_IMPORTANT_HEAD;
  int MinimumHeads = 1;
  int Nodes = ALL_NODES;
  double TextColor[3] = { 0.13, 0.13, 0.15 };
  double BackgroundColor[3] = { 1.0, 1.0, 1.0 };

private:
  vtkLVLMCausalGraph(const vtkLVLMCausalGraph&) = delete;
  void operator=(const vtkLVLMCausalGraph&) = delete;

  void CheckSettings() const;
  /// The heads of a slab of `attention.full` explained.
  std::vector<lvlm::causal::HeadExplanation> Explain(const lvlm::Trace& trace, std::int64_t slab,
    const std::vector<std::int64_t>& heads, std::int64_t token);
  /// The same by the rank that has the layer, for all ranks.
  std::vector<lvlm::causal::HeadExplanation> ExplainOnRanks(const lvlm::Trace& trace,
    std::int64_t layer, const std::vector<std::int64_t>& heads, std::int64_t token);
};

#endif
