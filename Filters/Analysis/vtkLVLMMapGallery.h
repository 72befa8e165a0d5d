// SPDX-License-Identifier: Apache-2.0
/**
 * @class   vtkLVLMMapGallery
 * @brief   the attention maps of many heads, layers or answer tokens side by side
 *
 * Port 0: a vtkImageData whose cells are patches, as of vtkLVLMAttentionMap, of all the maps one
 * beside the other with empty cells (NaN) between them; cell arrays `attention`, `layer`,
 * `head`, `answer_index` (-1 where a map is of several), `patch`. One scale serves all. Port 1: a
 * vtkTable, a row a map in the order shown: `layer`, `head`, `answer_index`, `token`,
 * `image_share` (the sum of the map), `label`. Port 2: a vtkPolyData, these labels as shapes, each
 * above its map (cell arrays `color`, `label`: the row of port 1). A gallery of relevancy has the
 * cell array `relevancy` in place of `attention`, and shares of that.
 */
#ifndef vtkLVLMMapGallery_h
#define vtkLVLMMapGallery_h

#include "Filters/Common/vtkLVLMTraceFilter.h"

#include "lvlmFiltersAnalysisModule.h"

#include <memory>
#include <vector>

namespace lvlm
{
class RelevancyCache;
struct GalleryLayout;
struct GalleryMap;
struct HeadPlace;
struct PatchGrid;
struct Selection;
}

class LVLMFILTERSANALYSIS_EXPORT vtkLVLMMapGallery : public vtkLVLMTraceFilter
{
public:
  static vtkLVLMMapGallery* New();
  vtkTypeMacro(vtkLVLMMapGallery, vtkLVLMTraceFilter);

  enum
  {
    HEADS = 0,
    LAYERS = 1,
    ANSWER_TOKENS = 2
  };
  enum
  {
    INDEX = 0,
    IMAGE_SHARE = 1,
    LOCALIZATION = 2
  };

  ///@{
  /** What there is a map of: each of the chosen HEADS of each chosen layer (default), each of the
   * LAYERS, each of the ANSWER_TOKENS. What is not told apart is averaged. */
  vtkSetClampMacro(By, int, HEADS, ANSWER_TOKENS);
  vtkGetMacro(By, int);
  ///@}

  enum
  {
    ATTENTION = 0,
    RELEVANCY = 1
  };
  ///@{
  /** What the maps show: ATTENTION (default), or of ANSWER_TOKENS their RELEVANCY through the
   * language model (the `decoder` map of vtkLVLMRelevancy, exact and normalized), which needs a
   * trace that carries it or the model that made it. */
  vtkSetClampMacro(Of, int, ATTENTION, RELEVANCY);
  vtkGetMacro(Of, int);
  ///@}

  ///@{
  /** In which order: INDEX (default; of heads a row is a layer, and of the best heads the best is
   * first), IMAGE_SHARE, the map with the most
   * attention first, or LOCALIZATION, those first that tell where something is, as in the table of
   * vtkLVLMHeadSummary. */
  vtkSetClampMacro(Order, int, INDEX, LOCALIZATION);
  vtkGetMacro(Order, int);
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
  vtkLVLMMapGallery();
  ~vtkLVLMMapGallery() override;

  int FillOutputPortInformation(int port, vtkInformation* info) override;
  void Announce(const lvlm::TraceShape& shape, vtkInformationVector* outputs) override;
  void Compute(const lvlm::Trace& trace, vtkDataObject* data, vtkInformationVector** inputs,
    vtkInformationVector* outputs) override;

  int By = HEADS;
  int Of = ATTENTION;
  int Order = INDEX;
  double TextColor[3] = { 0.13, 0.13, 0.15 };
  double BackgroundColor[3] = { 1.0, 1.0, 1.0 };

private:
  lvlm::GalleryLayout LayoutOf(const lvlm::TraceShape& shape) const;
  std::vector<lvlm::GalleryMap> MapsOf(const lvlm::Trace& trace, const lvlm::Selection& chosen);
  std::vector<lvlm::GalleryMap> RelevancyOf(
    const lvlm::Trace& trace, vtkDataObject* data, const std::vector<std::int64_t>& tokens);
  /// `best`: the best heads, where these are shown.
  void Sort(std::vector<lvlm::GalleryMap>& maps, const std::vector<lvlm::HeadPlace>& best,
    const lvlm::PatchGrid& grid) const;
  /// For a caption: what there is a map of.
  std::string GetMapsText(const lvlm::Trace& trace, const lvlm::Selection& chosen) const;

  std::unique_ptr<lvlm::RelevancyCache> Known;

  vtkLVLMMapGallery(const vtkLVLMMapGallery&) = delete;
  void operator=(const vtkLVLMMapGallery&) = delete;
};

#endif
