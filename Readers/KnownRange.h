// SPDX-License-Identifier: Apache-2.0
/// @file KnownRange.h
/// A VTK array that answers the question for its range with what presetRange() said.
#ifndef LVLM_READERS_KNOWNRANGE_H
#define LVLM_READERS_KNOWNRANGE_H

#include "vtkDataArray.h"
#include "vtkInformation.h"
#include "vtkInformationDoubleVectorKey.h"
#include "vtkInformationInformationVectorKey.h"
#include "vtkInformationVector.h"

#include <algorithm>

namespace lvlm
{

/// VTK 9.3 and later ask a data set for the ranges of its arrays, and that computes them without a
/// look at those that are kept with the array. For a mapped file it would read it all, so this
/// looks.
template <typename ArrayT>
class KnownRange : public ArrayT
{
protected:
  using ArrayT::ComputeFiniteScalarRange;
  using ArrayT::ComputeFiniteVectorRange;
  using ArrayT::ComputeScalarRange;
  using ArrayT::ComputeVectorRange;

  bool ComputeScalarRange(
    double* ranges, const unsigned char* ghosts, unsigned char ghostsToSkip) override
  {
    return this->known(vtkAbstractArray::PER_COMPONENT(), ranges) ||
      ArrayT::ComputeScalarRange(ranges, ghosts, ghostsToSkip);
  }
  bool ComputeFiniteScalarRange(
    double* ranges, const unsigned char* ghosts, unsigned char ghostsToSkip) override
  {
    return this->known(vtkAbstractArray::PER_FINITE_COMPONENT(), ranges) ||
      ArrayT::ComputeFiniteScalarRange(ranges, ghosts, ghostsToSkip);
  }
  bool ComputeVectorRange(
    double range[2], const unsigned char* ghosts, unsigned char ghostsToSkip) override
  {
    return copied(this->kept(), vtkDataArray::L2_NORM_RANGE(), range) ||
      ArrayT::ComputeVectorRange(range, ghosts, ghostsToSkip);
  }
  bool ComputeFiniteVectorRange(
    double range[2], const unsigned char* ghosts, unsigned char ghostsToSkip) override
  {
    return copied(this->kept(), vtkDataArray::L2_NORM_FINITE_RANGE(), range) ||
      ArrayT::ComputeFiniteVectorRange(range, ghosts, ghostsToSkip);
  }

private:
  vtkInformation* kept() { return this->HasInformation() ? this->GetInformation() : nullptr; }

  static bool copied(vtkInformation* info, vtkInformationDoubleVectorKey* key, double* range)
  {
    const bool known = info && info->Has(key);
    if (known)
    {
      std::copy_n(info->Get(key), 2, range);
    }
    return known;
  }

  /// The ranges of all components, if all are known.
  bool known(vtkInformationInformationVectorKey* key, double* ranges)
  {
    vtkInformation* info = this->kept();
    vtkInformationVector* components = info ? info->Get(key) : nullptr;
    bool all =
      components && components->GetNumberOfInformationObjects() == this->GetNumberOfComponents();
    for (int c = 0; all && c < this->GetNumberOfComponents(); ++c)
    {
      all = copied(
        components->GetInformationObject(c), vtkDataArray::COMPONENT_RANGE(), ranges + 2 * c);
    }
    return all;
  }
};

} // namespace lvlm

#endif
