// SPDX-License-Identifier: Apache-2.0
#include "vtkLVLMOcclusion.h"

#include "Filters/Common/OutputVTK.h"
#include "Models/Llava/Intervention.h"
#include "Models/Trace/Faithfulness.h"
#include "Readers/TensorVTK.h"
#include "Readers/TraceShape.h"

#include "vtkCellData.h"
#include "vtkImageData.h"
#include "vtkInformation.h"
#include "vtkInformationVector.h"
#include "vtkObjectFactory.h"

#include <algorithm>

vtkStandardNewMacro(vtkLVLMOcclusion);

namespace
{
/// First patches of the windows along an edge.
lvlm::Indices beginsAlong(std::int64_t patches, std::int64_t window, std::int64_t stride)
{
  lvlm::Indices begins;
  for (std::int64_t begin = 0; begin < patches - window; begin += stride)
  {
    begins.push_back(begin);
  }
  begins.push_back(patches - window);
  return begins;
}

/// The patches of each window.
std::vector<lvlm::Indices> windowsOf(
  const lvlm::PatchGrid& grid, std::int64_t window, std::int64_t stride)
{
  if (window > grid.rows || window > grid.cols)
  {
    lvlm::fail("Window: ", window, " patches, the picture has ", grid.rows, " x ", grid.cols);
  }
  if (stride > window)
  {
    lvlm::fail("Stride: ", stride, " patches are more than the Window of ", window,
      ", and what lies between two windows would never be hidden");
  }
  std::vector<lvlm::Indices> windows;
  for (const std::int64_t top : beginsAlong(grid.rows, window, stride))
  {
    for (const std::int64_t left : beginsAlong(grid.cols, window, stride))
    {
      windows.emplace_back();
      for (std::int64_t i = 0; i < window * window; ++i)
      {
        windows.back().push_back((top + i / window) * grid.cols + left + i % window);
      }
    }
  }
  return windows;
}

/// Of each patch, the mean of its windows' drops.
std::vector<float> dropsOf(const std::vector<lvlm::Indices>& windows,
  const lvlm::llava::AnswerScores& scores, const lvlm::Indices& tokens, std::int64_t patches)
{
  std::vector<double> sum(static_cast<std::size_t>(patches));
  std::vector<double> covered(sum.size());
  const double original = lvlm::meanLogprob(scores.original, tokens);
  for (std::size_t i = 0; i < windows.size(); ++i)
  {
    const double drop = original - lvlm::meanLogprob(scores.variants[i], tokens);
    for (const std::int64_t patch : windows[i])
    {
      sum[static_cast<std::size_t>(patch)] += drop;
      covered[static_cast<std::size_t>(patch)] += 1;
    }
  }
  std::vector<float> drops(sum.size());
  std::transform(sum.begin(), sum.end(), covered.begin(), drops.begin(),
    [](double total, double count) { return static_cast<float>(total / count); });
  return drops;
}
}

void vtkLVLMOcclusion::PrintSelf(ostream& os, vtkIndent indent)
{
  this->Superclass::PrintSelf(os, indent);
  os << indent << "Window: " << this->Window << endl;
  os << indent << "Stride: " << this->Stride << endl;
}

int vtkLVLMOcclusion::FillOutputPortInformation(int, vtkInformation* info)
{
  info->Set(vtkDataObject::DATA_TYPE_NAME(), "vtkImageData");
  return 1;
}

void vtkLVLMOcclusion::Announce(const lvlm::TraceShape& shape, vtkInformationVector* outputs)
{
  lvlm::announceImage(outputs->GetInformationObject(0), lvlm::gridCells(shape));
}

void vtkLVLMOcclusion::Compute(const lvlm::Trace& trace, vtkDataObject* data,
  vtkInformationVector**, vtkInformationVector* outputs)
{
  const lvlm::Indices tokens = this->GetScoredTokens(trace, outputs);
  const std::vector<lvlm::Indices> windows = windowsOf(trace.grid, this->Window, this->Stride);
  std::vector<lvlm::llava::Variant> variants;
  for (const lvlm::Indices& window : windows)
  {
    variants.push_back(this->Hiding(window));
  }
  const std::vector<float> drops =
    dropsOf(windows, this->GetScores(data, variants), tokens, trace.grid.count());
  auto* image = vtkImageData::GetData(outputs);
  lvlm::shapeImage(image, lvlm::gridCells(lvlm::shapeOf(trace)));
  image->GetCellData()->SetScalars(lvlm::arrayFromTensor(
    lvlm::Tensor::of(lvlm::rowsUp(drops, trace.grid), { trace.grid.count() }), "drop"));
  lvlm::addPatchIndices(image, trace.grid);
  lvlm::addPicture(image, data);
}
