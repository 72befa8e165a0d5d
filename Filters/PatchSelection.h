// SPDX-License-Identifier: Apache-2.0
/// @file PatchSelection.h
/// From cells that are selected on a map to patches of the picture.
#ifndef LVLM_FILTERS_PATCHSELECTION_H
#define LVLM_FILTERS_PATCHSELECTION_H

#include <cstdint>
#include <vector>

class vtkSelection;

namespace lvlm
{

class RankExchange;
struct TraceShape;

/// The patches of a selection of cells of a map, row-major from the top left. In a parallel run
/// indices count within the piece of the map that a rank shows, as in ParaView's views, so each
/// rank finds the patches of its own piece, and all get those of all; global ids are patches.
/// Throws Error for a selection of anything but cells, for kinds that need the map's values, and
/// when none of the patches is in it unless it `mayBeEmpty`. No selection, or one without nodes: no
/// patches.
std::vector<std::int64_t> selectedPatches(
  vtkSelection* selection, const TraceShape& shape, RankExchange& ranks, bool mayBeEmpty);

} // namespace lvlm

#endif
