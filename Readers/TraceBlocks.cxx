// SPDX-License-Identifier: Apache-2.0
#include "TraceBlocks.h"

#include "vtkCompositeDataSet.h"
#include "vtkDataArray.h"
#include "vtkImageData.h"
#include "vtkInformation.h"
#include "vtkMultiBlockDataSet.h"
#include "vtkPointData.h"

#include <cstring>

namespace lvlm::trace_blocks
{

vtkDataObject* findBlock(vtkMultiBlockDataSet* blocks, const std::string& name)
{
  for (unsigned int b = 0; b < blocks->GetNumberOfBlocks(); ++b)
  {
    if (blocks->HasMetaData(b) && blocks->GetMetaData(b)->Has(vtkCompositeDataSet::NAME()) &&
      name == blocks->GetMetaData(b)->Get(vtkCompositeDataSet::NAME()))
    {
      return blocks->GetBlock(b);
    }
  }
  return nullptr;
}

vtkImageData* findPicture(vtkMultiBlockDataSet* blocks, std::int64_t image)
{
  auto* picture = vtkImageData::SafeDownCast(findBlock(blocks, pictureName(image)));
  vtkDataArray* array =
    picture ? picture->GetPointData()->GetArray(pictureName(image).c_str()) : nullptr;
  const bool good =
    array && array->GetDataType() == VTK_UNSIGNED_CHAR && array->GetNumberOfComponents() == 3;
  return good ? picture : nullptr;
}

void flipRows(const std::byte* from, std::byte* to, std::int64_t rows, std::size_t rowBytes)
{
  for (std::int64_t row = 0; row < rows; ++row)
  {
    std::memcpy(to + static_cast<std::size_t>(rows - 1 - row) * rowBytes,
      from + static_cast<std::size_t>(row) * rowBytes, rowBytes);
  }
}

} // namespace lvlm::trace_blocks
