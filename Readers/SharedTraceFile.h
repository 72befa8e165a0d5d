// SPDX-License-Identifier: Apache-2.0
/// @file SharedTraceFile.h
/// A trace whose layers are spread over the ranks becomes one file.
#ifndef LVLM_READERS_SHAREDTRACEFILE_H
#define LVLM_READERS_SHAREDTRACEFILE_H

#include "Models/Trace/Trace.h"

#include <string>

namespace lvlm
{

namespace ranks
{
class Team;
}

/// Writes the trace of which each rank has its `own` layers: rank 0 writes, the attention and
/// the hidden states of the others come to it in bounded chunks, and the file is the one that a
/// single rank writes. To be called on all ranks, inside team.together().
void writeSharedTrace(const std::string& path, const Trace& own, ranks::Team& team);

} // namespace lvlm

#endif
