// SPDX-License-Identifier: Apache-2.0
/// @file OutputPieces.h
/// Results that every rank of a parallel run knows as a whole, given out so that nothing is there
/// twice: structured ones by sub-extents, tables and geometry on the first rank.
#ifndef LVLM_FILTERS_COMMON_OUTPUTPIECES_H
#define LVLM_FILTERS_COMMON_OUTPUTPIECES_H

#include "vtkSmartPointer.h"
#include "vtkType.h"

#include <vector>

class vtkAlgorithm;
class vtkDataObject;
class vtkInformation;
class vtkInformationVector;

namespace lvlm
{

namespace ranks
{
class Team;
}

/// For RequestInformation: the structured outputs of an algorithm come in sub-extents.
void announcePieces(vtkAlgorithm* self, vtkInformationVector* outputs, const ranks::Team& team);

/// For RequestData: leaves in an output that holds the whole result what this rank shows of it: an
/// image is cut to the piece that was asked for; a trace has this rank's layers already; anything
/// else is emptied on all ranks but the first.
void cutToPiece(vtkDataObject* output, vtkInformation* outInfo, const ranks::Team& team);

/// The whole results of an algorithm, kept so that another piece of them is no new computation.
/// What one rank downstream asks for may differ from what others do; computing needs all ranks.
class WholeResults
{
public:
  /// Whether what is kept was made from the same inputs and settings. `key` holds their times.
  bool fits(const std::vector<vtkMTimeType>& key) const
  {
    return !this->Results.empty() && key == this->Key;
  }
  void forget() { this->Results.clear(); }
  /// Takes over what the outputs hold.
  void keep(const std::vector<vtkMTimeType>& key, vtkInformationVector* outputs);
  /// Gives each output its piece.
  void give(vtkInformationVector* outputs, const ranks::Team& team) const;

private:
  std::vector<vtkMTimeType> Key;
  std::vector<vtkSmartPointer<vtkDataObject>> Results; ///< by output port
};

} // namespace lvlm

#endif
