// SPDX-License-Identifier: Apache-2.0
/// @file PatchSelection.h
/// From cells that are selected on a map to patches of the picture.
#ifndef LVLM_FILTERS_COMMON_PATCHSELECTION_H
#define LVLM_FILTERS_COMMON_PATCHSELECTION_H

#include <cstdint>
#include <vector>

class vtkInformationVector;

namespace lvlm
{

namespace ranks
{
class Team;
}
struct Trace;

/// The listed patches, as they are, and after them those of the cells that are selected on maps of
/// the trace, row-major from the top left, if `selections` is connected. In a parallel run
/// indices count within the piece of the map that a rank shows, as in ParaView's views, so each
/// rank finds the patches of its own piece, and all get those of all; global ids are patches.
/// Throws Error for a selection of anything but cells, for kinds that need the map's values, and
/// when neither a listed nor a selected patch is there though something is selected.
std::vector<std::int64_t> chosenPatches(const std::vector<std::int64_t>& listed,
  vtkInformationVector* selections, const Trace& trace, ranks::Team& team);

} // namespace lvlm

#endif
