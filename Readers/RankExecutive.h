// SPDX-License-Identifier: Apache-2.0
/// @file RankExecutive.h
/// The executive of algorithms whose ranks work together: they run although their input failed.
///
/// VTK does not run an algorithm whose input failed. If that happens on one rank alone, the other
/// ranks wait for it in their first exchange, for ever. These executives run it nevertheless, on
/// all ranks, and leave DATA_NOT_GENERATED() in the information of the inputs, so that the
/// algorithm can make it an error everywhere.
#ifndef LVLM_READERS_RANKEXECUTIVE_H
#define LVLM_READERS_RANKEXECUTIVE_H

#include "lvlmReadersModule.h"

class vtkExecutive;
class vtkInformation;
class vtkInformationIntegerKey;
class vtkInformationVector;

namespace lvlm
{

/// In an algorithm's information: the number of ranks that run it together. See AlgorithmTeam.
LVLMREADERS_EXPORT vtkInformationIntegerKey* ranksKey();

/// For CreateDefaultExecutive().
LVLMREADERS_EXPORT vtkExecutive* newRankExecutive();

/// What newRankExecutive() makes from now on. ParaView replaces the executive of an algorithm
/// unless it is one of its own kind, which is not known here: Plugin/Server provides it.
using MakeExecutive = vtkExecutive* (*)();
LVLMREADERS_EXPORT void setRankExecutive(MakeExecutive make);

/// For ForwardUpstream() of such an executive: from what its base class did, what it returns.
LVLMREADERS_EXPORT int forwardedUpstream(vtkExecutive* self, vtkInformation* request, int done);

/// Whether the data of an input, or of one of them, could not be made.
LVLMREADERS_EXPORT bool inputFailed(vtkInformationVector* inputs);

} // namespace lvlm

#endif
