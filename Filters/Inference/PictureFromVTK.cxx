// SPDX-License-Identifier: Apache-2.0
#include "PictureFromVTK.h"

#include "Filters/Common/OutputVTK.h"
#include "Models/Picture/ImageProcessor.h"
#include "Models/Trace/Error.h"

#include "vtkArrayDispatch.h"
#include "vtkCellData.h"
#include "vtkDataArray.h"
#include "vtkDataArrayRange.h"
#include "vtkImageData.h"
#include "vtkInformation.h"
#include "vtkPointData.h"
#include "vtkStreamingDemandDrivenPipeline.h"

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <string>
#include <type_traits>

namespace lvlm
{

namespace
{
std::string nameOfArray(vtkDataArray* values)
{
  return values->GetName() ? "'" + std::string(values->GetName()) + "'" : "without a name";
}

struct Size
{
  std::int64_t width;
  std::int64_t height;
};

Size sizeOfPicture(vtkImageData* image, vtkDataArray* values)
{
  int dims[3];
  image->GetDimensions(dims);
  if (dims[2] > 1)
  {
    fail("the picture has ", dims[2],
      " slices in z: a flat image is needed (extract one slice first)");
  }
  const bool onCells = values->GetNumberOfTuples() != image->GetNumberOfPoints();
  const Size size{ dims[0] - (onCells ? 1 : 0), dims[1] - (onCells ? 1 : 0) };
  if (size.width < 1 || size.height < 1 || values->GetNumberOfTuples() != size.width * size.height)
  {
    fail("the picture is empty (", dims[0], " x ", dims[1], " points, array ", nameOfArray(values),
      " of ", values->GetNumberOfTuples(), " tuples)");
  }
  if (size.width > picture::MaximumImageEdge || size.height > picture::MaximumImageEdge)
  {
    fail("the picture is ", size.width, " x ", size.height, ", more than ",
      picture::MaximumImageEdge, " on an edge");
  }
  return size;
}

/// Factor that brings the array's values to [0, 255].
double scaleOf(vtkDataArray* values, int components)
{
  const int type = values->GetDataType();
  if (type == VTK_UNSIGNED_CHAR)
  {
    return 1;
  }
  if (type == VTK_UNSIGNED_SHORT)
  {
    return 255.0 / 65535.0;
  }
  double low = 0, high = 0;
  for (int component = 0; component < components; ++component)
  {
    double range[2];
    values->GetRange(range, component);
    low = component == 0 ? range[0] : std::min(low, range[0]);
    high = component == 0 ? range[1] : std::max(high, range[1]);
  }
  if (!(low >= 0 && high <= 255))
  {
    fail("the picture's array ", nameOfArray(values), " of type ", values->GetDataTypeAsString(),
      " has values in [", low, ", ", high, "]: [0, 1] or [0, 255] is needed (rescale it first)");
  }
  const bool floating = type == VTK_FLOAT || type == VTK_DOUBLE;
  return floating && high <= 1 ? 255.0 : 1.0;
}

std::uint8_t byteOf(double value, double scale, vtkDataArray* values)
{
  if (!std::isfinite(value))
  {
    fail("the picture's array ", nameOfArray(values), " holds a value that is not finite");
  }
  return static_cast<std::uint8_t>(std::lround(std::clamp(value * scale, 0.0, 255.0)));
}

/// Fills the picture from an array of a known type: large pictures have hundreds of millions of
/// values.
struct CopyColors
{
  picture::RgbImage& Picture;
  int Colors;
  double Scale;

  template <typename Array>
  void operator()(Array* values) const
  {
    const auto pixels = vtk::DataArrayTupleRange(values);
    const std::int64_t width = this->Picture.width;
    std::uint8_t* to = this->Picture.pixels.data();
    // VTK's last row is the picture's first.
    for (std::int64_t row = this->Picture.height - 1; row >= 0; --row)
    {
      for (std::int64_t col = 0; col < width; ++col)
      {
        const auto pixel = pixels[row * width + col];
        for (int c = 0; c < 3; ++c, ++to)
        {
          const auto value = pixel[this->Colors == 3 ? c : 0];
          if constexpr (std::is_same_v<vtk::GetAPIType<Array>, unsigned char>)
          {
            *to = value;
          }
          else
          {
            *to = byteOf(static_cast<double>(value), this->Scale, values);
          }
        }
      }
    }
  }
};
}

picture::RgbImage pictureFromVTK(vtkImageData* image, vtkDataArray* values)
{
  const Size size = sizeOfPicture(image, values);
  const int components = values->GetNumberOfComponents();
  if (components < 1 || components > 4)
  {
    fail("the picture's array ", nameOfArray(values), " has ", components,
      " components: 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGBA) are needed");
  }
  const int colors = components >= 3 ? 3 : 1;
  const double scale = scaleOf(values, colors);
  picture::RgbImage picture;
  picture.width = size.width;
  picture.height = size.height;
  picture.pixels.resize(static_cast<std::size_t>(size.width * size.height * 3));
  const CopyColors copy{ picture, colors, scale };
  if (!vtkArrayDispatch::Dispatch::Execute(values, copy))
  {
    copy(values);
  }
  return picture;
}

vtkDataArray* colorsOf(vtkDataArray* chosen, vtkImageData* image)
{
  vtkDataArray* values = chosen;
  for (vtkDataSetAttributes* data : std::initializer_list<vtkDataSetAttributes*>{
         image->GetPointData(), image->GetCellData() }) // raster readers put pixels on cells
  {
    values = values ? values : data->GetScalars();
    values = values ? values : data->GetArray(0);
  }
  if (!values)
  {
    fail("the input has no array of colors on its points or cells");
  }
  return values;
}

picture::PictureSize announcedSize(vtkInformation* info)
{
  auto* key = vtkStreamingDemandDrivenPipeline::WHOLE_EXTENT();
  if (!info || !info->Has(key))
  {
    return {};
  }
  const int* extent = info->Get(key); // a picture has one slice, as is checked later
  const auto edge = [](int begin, int end)
  { return std::max<std::int64_t>(0, std::int64_t(end) - begin + 1); };
  return { edge(extent[0], extent[1]), edge(extent[2], extent[3]) };
}

void pictureToVTK(const picture::RgbImage& picture, vtkImageData* image)
{
  shapeImage(image, pixelCentres(picture.width, picture.height));
  image->AllocateScalars(VTK_UNSIGNED_CHAR, 3);
  vtkDataArray* const pixels = image->GetPointData()->GetScalars();
  pixels->SetName("picture");
  auto* const to = static_cast<std::uint8_t*>(pixels->GetVoidPointer(0));
  const std::int64_t row = picture.width * 3;
  for (std::int64_t y = 0; y < picture.height; ++y)
  {
    std::copy_n(picture.pixels.data() + (picture.height - 1 - y) * row, row, to + y * row);
  }
}

} // namespace lvlm
