// SPDX-License-Identifier: Apache-2.0
#include "vtkLVLMOverlay.h"

#include "HeatMap.h"

#include "Filters/Common/OutputPieces.h"
#include "Filters/Common/OutputVTK.h"
#include "Readers/AlgorithmTeam.h"
#include "Readers/TraceShape.h"
#include "Readers/vtkLVLMGuard.h"
#include "Readers/vtkLVLMTrace.h"

#include "vtkCellData.h"
#include "vtkFieldData.h"
#include "vtkImageData.h"
#include "vtkInformation.h"
#include "vtkMultiBlockDataSet.h"
#include "vtkObjectFactory.h"
#include "vtkPointData.h"
#include "vtkSmartPointer.h"
#include "vtkStreamingDemandDrivenPipeline.h"
#include "vtkUnsignedCharArray.h"

#include <cmath>
#include <cstring>

vtkStandardNewMacro(vtkLVLMOverlay);

namespace
{
using Pipeline = vtkStreamingDemandDrivenPipeline;

/// The picture's size as far as the pipeline knows it before the data is there.
lvlm::ImageGeometry announcedPixels(vtkAlgorithm* self, vtkInformation* inInfo)
{
  if (vtkMultiBlockDataSet::SafeDownCast(vtkDataObject::GetData(inInfo)))
  {
    const lvlm::TraceShape shape = lvlm::inputShape(self);
    return lvlm::pixelCentres(shape.width, shape.height);
  }
  if (const auto [width, height] = lvlm::announcedPicture(inInfo); width > 0 && height > 0)
  {
    return lvlm::pixelCentres(width, height);
  }
  if (inInfo->Has(Pipeline::WHOLE_EXTENT()) && inInfo->Has(vtkDataObject::SPACING()))
  {
    // Of a map that came through another filter: its cells cover the picture.
    const int* extent = inInfo->Get(Pipeline::WHOLE_EXTENT());
    const double* spacing = inInfo->Get(vtkDataObject::SPACING());
    return lvlm::pixelCentres(std::llround((extent[1] - extent[0]) * spacing[0]),
      std::llround((extent[3] - extent[2]) * spacing[1]));
  }
  return {};
}

/// Rows in the opposite order: VTK's pictures have y up, RgbImage has row 0 at the top.
void flip(const std::uint8_t* from, std::uint8_t* to, std::int64_t width, std::int64_t height)
{
  const auto row = static_cast<std::size_t>(width) * 3;
  for (std::int64_t y = 0; y < height; ++y)
  {
    std::memcpy(to + static_cast<std::size_t>(height - 1 - y) * row,
      from + static_cast<std::size_t>(y) * row, row);
  }
}

/// The picture in a map's field data, top row first. Throws when there is none.
lvlm::picture::RgbImage pictureOfMap(vtkDataObject* map)
{
  vtkFieldData* fields = map->GetFieldData();
  auto* pixels = vtkUnsignedCharArray::SafeDownCast(fields->GetArray("picture"));
  vtkDataArray* size = fields->GetArray("picture_size");
  if (!pixels || !size || size->GetNumberOfValues() != 2)
  {
    lvlm::fail("the input carries no picture (field arrays 'picture' and 'picture_size'): give an "
               "LVLM map of a trace that has a picture");
  }
  lvlm::picture::RgbImage picture;
  picture.width = static_cast<std::int64_t>(size->GetComponent(0, 0));
  picture.height = static_cast<std::int64_t>(size->GetComponent(1, 0));
  if (picture.width < 1 || picture.height < 1 || picture.width > INT32_MAX ||
    picture.height > INT32_MAX || pixels->GetNumberOfValues() != picture.width * picture.height * 3)
  {
    lvlm::fail("the input's picture of ", pixels->GetNumberOfValues(), " bytes is not ",
      picture.width, " x ", picture.height, " pixels");
  }
  picture.pixels.resize(static_cast<std::size_t>(pixels->GetNumberOfValues()));
  flip(pixels->GetPointer(0), picture.pixels.data(), picture.width, picture.height);
  return picture;
}

/// The same picture in grays, by Rec. 601's weights of red, green and blue.
vtkSmartPointer<vtkDataArray> grayOf(vtkDataArray* pixels)
{
  auto gray = vtkSmartPointer<vtkUnsignedCharArray>::New();
  gray->SetName(pixels->GetName());
  gray->SetNumberOfComponents(3);
  gray->SetNumberOfTuples(pixels->GetNumberOfTuples());
  for (vtkIdType i = 0; i < pixels->GetNumberOfTuples(); ++i)
  {
    const double luma = 0.299 * pixels->GetComponent(i, 0) + 0.587 * pixels->GetComponent(i, 1) +
      0.114 * pixels->GetComponent(i, 2);
    const auto level = static_cast<unsigned char>(std::lround(luma));
    const unsigned char rgb[3] = { level, level, level };
    gray->SetTypedTuple(i, rgb);
  }
  return gray;
}

/// The trace's picture: as it is with its memory shared, or in grays. Throws when there is none.
void showPicture(vtkDataObject* trace, bool gray, vtkImageData* output)
{
  vtkImageData* picture = vtkLVLMTrace::PictureOf(trace);
  if (!picture)
  {
    lvlm::fail("the input is neither an LVLM map nor a trace with a picture");
  }
  output->CopyStructure(picture);
  const vtkSmartPointer<vtkDataArray> pixels = lvlm::pixelsOf(picture, "overlay");
  output->GetPointData()->SetScalars(gray ? grayOf(pixels) : pixels);
}

/// The cell values of a patch grid, row 0 at the top.
std::vector<float> heatOf(vtkImageData* map, vtkDataArray* array, lvlm::PatchGrid& grid)
{
  int dims[3];
  map->GetDimensions(dims);
  grid.cols = dims[0] - 1;
  grid.rows = dims[1] - 1;
  if (!array || dims[2] != 1 || grid.cols < 1 || grid.rows < 1 ||
    array->GetNumberOfTuples() != grid.count() || array->GetNumberOfComponents() != 1)
  {
    lvlm::fail("the input has no cell array with one number a patch: give an LVLM map");
  }
  std::vector<float> values(static_cast<std::size_t>(grid.count()));
  for (std::size_t i = 0; i < values.size(); ++i)
  {
    values[i] = static_cast<float>(array->GetComponent(static_cast<vtkIdType>(i), 0));
  }
  return lvlm::rowsUp(values, grid);
}

/// Where the map lies in its picture, whose pixels have their edges at whole numbers.
lvlm::Box boxOf(vtkImageData* map, const lvlm::picture::RgbImage& picture)
{
  double bounds[6];
  map->GetBounds(bounds);
  const auto height = static_cast<double>(picture.height);
  return { bounds[0], height - bounds[3], bounds[1], height - bounds[2] }; // VTK has y up
}

void write(const lvlm::picture::RgbImage& picture, vtkImageData* output)
{
  lvlm::shapeImage(output, lvlm::pixelCentres(picture.width, picture.height));
  output->AllocateScalars(VTK_UNSIGNED_CHAR, 3);
  output->GetPointData()->GetScalars()->SetName("overlay");
  flip(picture.pixels.data(), static_cast<std::uint8_t*>(output->GetScalarPointer()), picture.width,
    picture.height);
}
}

vtkLVLMOverlay::vtkLVLMOverlay() : Ranks(std::make_unique<lvlm::AlgorithmTeam>(this)) {}

vtkLVLMOverlay::~vtkLVLMOverlay() = default;

void vtkLVLMOverlay::SetController(vtkMultiProcessController* controller)
{
  lvlm::setController(this, this->Ranks, controller);
}

vtkMultiProcessController* vtkLVLMOverlay::GetController()
{
  return this->Ranks->controller();
}

void vtkLVLMOverlay::PrintSelf(ostream& os, vtkIndent indent)
{
  this->Superclass::PrintSelf(os, indent);
  os << indent << "Opacity: " << this->Opacity << endl;
  os << indent << "ColorMap: " << this->ColorMap << endl;
  os << indent << "Smooth: " << this->Smooth << endl;
  os << indent << "Grayscale: " << this->Grayscale << endl;
}

int vtkLVLMOverlay::FillInputPortInformation(int, vtkInformation* info)
{
  info->Set(vtkAlgorithm::INPUT_REQUIRED_DATA_TYPE(), "vtkImageData");
  info->Append(vtkAlgorithm::INPUT_REQUIRED_DATA_TYPE(), "vtkMultiBlockDataSet");
  return 1;
}

int vtkLVLMOverlay::RequestInformation(
  vtkInformation*, vtkInformationVector** inputs, vtkInformationVector* outputs)
{
  vtkInformation* outInfo = outputs->GetInformationObject(0);
  lvlm::announceImage(outInfo, announcedPixels(this, inputs[0]->GetInformationObject(0)));
  vtkDataObject::SetPointDataActiveScalarInfo(outInfo, VTK_UNSIGNED_CHAR, 3);
  lvlm::announcePieces(this, outputs, *this->Ranks);
  return 1;
}

int vtkLVLMOverlay::RequestUpdateExtent(
  vtkInformation*, vtkInformationVector** inputs, vtkInformationVector*)
{
  vtkInformation* inInfo = inputs[0]->GetInformationObject(0);
  if (vtkMultiBlockDataSet::SafeDownCast(vtkDataObject::GetData(inInfo)))
  {
    lvlm::askForOwnLayers(inInfo, *this->Ranks);
    return 1;
  }
  // The whole map on each rank: colours are stretched over all of it.
  if (inInfo->Has(Pipeline::WHOLE_EXTENT()))
  {
    inInfo->Set(Pipeline::UPDATE_EXTENT(), inInfo->Get(Pipeline::WHOLE_EXTENT()), 6);
  }
  inInfo->Set(Pipeline::UPDATE_PIECE_NUMBER(), 0);
  inInfo->Set(Pipeline::UPDATE_NUMBER_OF_PIECES(), 1);
  inInfo->Set(Pipeline::UPDATE_NUMBER_OF_GHOST_LEVELS(), 0);
  return 1;
}

vtkDataArray* vtkLVLMOverlay::ChooseArray(vtkImageData* map)
{
  vtkInformation* chosen = this->GetInputArrayInformation(0);
  const char* name =
    chosen->Has(vtkDataObject::FIELD_NAME()) ? chosen->Get(vtkDataObject::FIELD_NAME()) : nullptr;
  if (!name || !*name || std::string(name) == "None")
  {
    return map->GetCellData()->GetScalars();
  }
  vtkDataArray* array = map->GetCellData()->GetArray(name);
  if (!array)
  {
    lvlm::fail("Array: the input has no cell array '", name, "'");
  }
  return array;
}

int vtkLVLMOverlay::RequestData(
  vtkInformation*, vtkInformationVector** inputs, vtkInformationVector* outputs)
{
  return lvlm::guarded(this, outputs,
    [&]
    {
      vtkDataObject* data = vtkDataObject::GetData(inputs[0]);
      auto* output = vtkImageData::GetData(outputs);
      auto* map = vtkImageData::SafeDownCast(data);
      if (map && this->Opacity == 0) // what lies above does not matter, and may be a volume
      {
        write(pictureOfMap(map), output);
        if (this->Grayscale)
        {
          output->GetPointData()->SetScalars(grayOf(output->GetPointData()->GetScalars()));
        }
      }
      else if (map)
      {
        vtkDataArray* array = this->ChooseArray(map);
        lvlm::PatchGrid grid;
        const std::vector<float> heat = heatOf(map, array, grid);
        const lvlm::picture::RgbImage picture = pictureOfMap(map);
        const lvlm::HeatStyle style{ this->Opacity, this->ColorMap, this->Smooth };
        write(lvlm::blendHeat(picture, heat, grid, boxOf(map, picture), style), output);
      }
      else
      {
        output->GetFieldData()->Initialize(); // the trace's words are no part of its picture
        showPicture(data, this->Grayscale, output);
      }
      lvlm::cutToPiece(output, outputs->GetInformationObject(0), *this->Ranks);
    });
}
