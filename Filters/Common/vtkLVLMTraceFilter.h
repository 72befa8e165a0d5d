// SPDX-License-Identifier: Apache-2.0
/**
 * @class   vtkLVLMTraceFilter
 * @brief   what the analyses of a trace have in common
 *
 * Takes a trace (see Readers/vtkLVLMTrace.h), holds the lists of answer tokens, layers and heads
 * that most analyses select by, offers their valid ranges to the user interface, translates
 * pipeline time into an answer token, and turns every exception into a VTK error. A subclass
 * implements Announce() and Compute(); which of the lists it uses is told by its proxy.
 *
 * In a parallel run Compute() runs on all ranks together, each with the layers that it has: they
 * exchange what they found (JoinLayers(), GetRanks()) until every rank has the whole result, which
 * is small. It is then given out so that nothing is there twice: images in sub-extents, tables and
 * geometry on rank 0. Results are those of one rank, bit by bit.
 */
#ifndef vtkLVLMTraceFilter_h
#define vtkLVLMTraceFilter_h

#include "lvlmFiltersCommonModule.h"

#include "vtkAlgorithm.h"
#include "vtkNew.h"
#include "vtkStringArray.h"

#include "Models/Trace/Error.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace lvlm
{
class AlgorithmTeam;
class WholeResults;
struct LayerParts;
struct Selection;
struct Trace;
struct TraceShape;
namespace ranks // VTK 9.1's wrapping tools do not read "lvlm::ranks" here
{
class Team;
}
}

class vtkMultiProcessController;

class LVLMFILTERSCOMMON_EXPORT vtkLVLMTraceFilter : public vtkAlgorithm
{
public:
  vtkAbstractTypeMacro(vtkLVLMTraceFilter, vtkAlgorithm);
  void PrintSelf(ostream& os, vtkIndent indent) override;

  ///@{
  /** The chosen answer tokens, 0-based; negative ones count from the end. None (default): all. */
  void AddAnswerToken(int token);
  void RemoveAllAnswerTokens();
  ///@}

  ///@{
  /** The chosen layers, 0-based; negative ones count from the end. None (default): all. */
  void AddLayer(int layer);
  void RemoveAllLayers();
  ///@}

  ///@{
  /** The chosen heads, 0-based; negative ones count from the end. None (default): all. */
  void AddHead(int head);
  void RemoveAllHeads();
  ///@}

  enum BestByMeasure
  {
    BY_LOCALIZATION = 0,
    BY_IMAGE_SHARE = 1,
    BY_ENTROPY = 2,
    BY_COLUMN_SCORE = 3
  };
  ///@{
  /** How many heads are taken, the best of the chosen layers' chosen heads, for the tokens that are
   * looked at. A head is one of a layer: a mean over the best is the mean over just these; where
   * layers are told apart, these are the best of each layer. 0 (default): all that are chosen. */
  vtkSetClampMacro(BestHeads, int, 0, VTK_INT_MAX);
  vtkGetMacro(BestHeads, int);
  ///@}
  ///@{
  /** What makes a head better, in the ranking of vtkLVLMHeadSummary for the same tokens and layers:
   * BY_LOCALIZATION (default) is its order, BY_IMAGE_SHARE more of it, BY_ENTROPY less, and
   * BY_COLUMN_SCORE more. */
  vtkSetClampMacro(BestBy, int, BY_LOCALIZATION, BY_COLUMN_SCORE);
  vtkGetMacro(BestBy, int);
  ///@}

  ///@{
  /** Whether attention to patches that are attention sinks counts as 0, those that vtkLVLMSinks
   * finds by its defaults after any layer. Default: false. */
  vtkSetMacro(ExcludeSinks, bool);
  vtkGetMacro(ExcludeSinks, bool);
  vtkBooleanMacro(ExcludeSinks, bool);
  ///@}

  ///@{
  /** Whether the token at the pipeline time takes the place of the chosen ones. Default: false. */
  vtkSetMacro(FollowTime, bool);
  vtkGetMacro(FollowTime, bool);
  vtkBooleanMacro(FollowTime, bool);
  ///@}

  ///@{
  /** Of a trace whose picture has several regions, the one that maps show, on its own grid; -1
   * (default): all together, on the grid of the finest one. */
  vtkSetMacro(Region, int);
  vtkGetMacro(Region, int);
  ///@}

  ///@{
  /** Lowest and highest index that the input's trace accepts, e.g. -5 and 4 for five tokens; 0 and
   * 0 as long as nothing is known. For the domains of the properties. */
  vtkGetVector2Macro(AnswerTokenRange, int);
  vtkGetVector2Macro(LayerRange, int);
  vtkGetVector2Macro(HeadRange, int);
  vtkGetVector2Macro(PatchRange, int);
  vtkGetVector2Macro(RegionRange, int);
  ///@}

  ///@{
  /** The processes that work together. Default: the global controller. */
  void SetController(vtkMultiProcessController* controller);
  vtkMultiProcessController* GetController();
  ///@}

  /// The answer's tokens with what is known about each, for the user interface: the number of
  /// columns, their names, then the values row by row (see LVLMTokens). Empty while there is no
  /// trace.
  vtkStringArray* GetTokenTable();

  vtkTypeBool ProcessRequest(
    vtkInformation*, vtkInformationVector** inputs, vtkInformationVector* outputs) override;

protected:
  vtkLVLMTraceFilter();
  ~vtkLVLMTraceFilter() override;

  int FillInputPortInformation(int port, vtkInformation* info) override;
  vtkExecutive* CreateDefaultExecutive() override;

  /// Tells extents of structured outputs before any data is there. Errors may be thrown and are
  /// ignored here: Compute() will meet them again.
  virtual void Announce(const lvlm::TraceShape& shape, vtkInformationVector* outputs);

  /// Fills the outputs with the whole result, on every rank. `data` is the input that shows the
  /// trace.
  /// Throws lvlm::Error.
  virtual void Compute(const lvlm::Trace& trace, vtkDataObject* data, vtkInformationVector** inputs,
    vtkInformationVector* outputs) = 0;

  /// The chosen answer tokens, or the one of the pipeline time when that is followed.
  std::vector<std::int64_t> GetTokensToUse(
    const lvlm::Trace& trace, vtkInformationVector* outputs) const;

  /// Tells in the field data of all outputs which answer tokens they are about, for captions and
  /// whatever else names them: `answer_tokens`, their indices, and `late`, what there is to say
  /// where the time has passed the answer's end.
  void TellTokens(const lvlm::Trace& trace, const std::vector<std::int64_t>& tokens,
    vtkInformationVector* outputs) const;
  /// That `late`.
  std::string GetLateText(const lvlm::Trace& trace, vtkInformationVector* outputs) const;

  /// What BestHeads means where layers are told apart, and where not.
  enum BestOf
  {
    BEST_OF_ALL,
    BEST_OF_EACH_LAYER
  };
  /// These tokens; of these layers the chosen heads, or the best of them; and without sinks, if so.
  /// All ranks together, inside of Compute(). Throws lvlm::Error.
  lvlm::Selection Select(const lvlm::Trace& trace, const std::vector<std::int64_t>& tokens,
    const std::vector<std::int64_t>& layers, BestOf best);
  /// Tells the best heads, where these were taken, in the field data of all outputs: `best_heads`,
  /// pairs of layer and head.
  void TellHeads(const lvlm::Selection& selection, vtkInformationVector* outputs) const;
  /// For captions, of so many heads: "which localize best", or nothing where BestHeads is off.
  std::string GetBestText(std::size_t heads) const;
  /// For captions: ", without 3 attention sinks", or nothing.
  static std::string GetSinksText(const lvlm::Selection& selection);

  /// Whether the outputs change with the time. Default: FollowTime.
  virtual bool FollowsTime(vtkInformationVector** inputs) const;

  /// For exchanges in Compute(). All ranks must make the same ones.
  lvlm::ranks::Team& GetRanks();
  /// The parts of all ranks as one.
  lvlm::LayerParts JoinLayers(const lvlm::LayerParts& own);
  /// For the work of this rank in Compute(): reports to observers; rank 0 asks them whether to go
  /// on.
  lvlm::Progress GetRankProgress();

  std::vector<std::int64_t> AnswerTokens;
  std::vector<std::int64_t> Layers;
  std::vector<std::int64_t> Heads;
  int BestHeads = 0;
  int BestBy = BY_LOCALIZATION;
  bool ExcludeSinks = false;
  bool FollowTime = false;
  int AnswerTokenRange[2] = { 0, 0 };
  int LayerRange[2] = { 0, 0 };
  int HeadRange[2] = { 0, 0 };
  int PatchRange[2] = { 0, 0 };
  int RegionRange[2] = { -1, -1 };
  int Region = -1;

private:
  vtkLVLMTraceFilter(const vtkLVLMTraceFilter&) = delete;
  void operator=(const vtkLVLMTraceFilter&) = delete;

  vtkNew<vtkStringArray> TokenTable;
  std::weak_ptr<const lvlm::Trace> TokenTableTrace; ///< whose answer it shows

  /// Compute(), and an error where the trace's file was changed under it.
  void ComputeIntact(
    vtkDataObject* data, vtkInformationVector** inputs, vtkInformationVector* outputs);
  int RequestInformation(vtkInformationVector** inputs, vtkInformationVector* outputs);
  int RequestUpdateExtent(vtkInformationVector** inputs);
  int RequestData(vtkInformationVector** inputs, vtkInformationVector* outputs);
  void ComputeOnRanks(
    vtkDataObject* data, vtkInformationVector** inputs, vtkInformationVector* outputs);
  /// Times of everything that a result depends on.
  std::vector<vtkMTimeType> GetResultKey(
    vtkInformationVector** inputs, vtkInformationVector* outputs);

  /// Of the pipeline time, 0 where it is not followed.
  vtkMTimeType GetTimeBits(vtkInformationVector* outputs) const;

  /// Of what went wrong last: when its pipeline was changed, and the time.
  std::vector<vtkMTimeType> Failed;
  std::unique_ptr<lvlm::AlgorithmTeam> Ranks;
  std::unique_ptr<lvlm::WholeResults> Results;
};

#endif
