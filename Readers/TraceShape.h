// SPDX-License-Identifier: Apache-2.0
/// @file TraceShape.h
/// How large a trace is, told through the pipeline before there is one: a structured output must
/// say its extent before any filter below it can ask for it.
#ifndef LVLM_READERS_TRACESHAPE_H
#define LVLM_READERS_TRACESHAPE_H

#include "Models/Trace/Trace.h"

#include "lvlmReadersModule.h"

#include <array>
#include <cstdint>
#include <vector>

class vtkAlgorithm;
class vtkInformation;

namespace lvlm
{

namespace ranks
{
class Team;
}

/// What can be known about a trace before it exists. -1: not known yet; 0: there is none.
struct TraceShape
{
  PatchGrid grid;
  std::vector<Region> regions;        ///< empty: `grid` over the whole picture
  std::int64_t width = 0;             ///< of the picture, pixels
  std::int64_t height = 0;            ///< of the picture, pixels
  std::vector<std::int64_t> pictures; ///< width and height of `image.1`, `image.2` ...
  std::int64_t answerTokens = -1;     ///< T
  std::int64_t layers = 0;            ///< of `attention.answer`, all ranks together
  std::int64_t heads = 0;             ///< of `attention.answer`
  std::int64_t hiddenLayers = 0;      ///< that `hidden.layers` lists
  /// L + 1: how many there may be. Of a trace that does not tell L, up to the last one listed.
  std::int64_t hiddenDepth = 0;
};

LVLMREADERS_EXPORT TraceShape shapeOf(const Trace& trace);
/// As withRegion() of a trace. -1, or a number that is out of range: the same shape.
LVLMREADERS_EXPORT TraceShape withRegion(const TraceShape& shape, std::int64_t region);

/// For a source's RequestInformation: tells the filters downstream what will come, and gives the
/// answer's tokens as time steps 0..T-1 once T is known.
LVLMREADERS_EXPORT void announceTrace(vtkInformation* outInfo, const TraceShape& shape);
/// What announceTrace said. False when nothing was announced.
LVLMREADERS_EXPORT bool announcedTrace(vtkInformation* info, TraceShape& shape);

/// For the RequestInformation of whatever makes a map: how large the picture below it is.
LVLMREADERS_EXPORT void announcePicture(vtkInformation* outInfo, const TraceShape& shape);
/// Width and height that announcePicture said; 0 and 0 where nothing was announced.
LVLMREADERS_EXPORT std::array<std::int64_t, 2> announcedPicture(vtkInformation* info);

/// For the RequestInformation of whatever takes a trace at its first input: what was announced if
/// that tells everything, else what the data there look like, for which it may have to be made.
/// Empty when that is no trace, or a broken one.
LVLMREADERS_EXPORT TraceShape inputShape(vtkAlgorithm* self);

/// For the RequestUpdateExtent of whatever takes a trace: asks for the layers of this rank, always,
/// so that the trace is not made again when something downstream asks for other pieces.
LVLMREADERS_EXPORT void askForOwnLayers(vtkInformation* inInfo, const ranks::Team& team);
/// Sets time steps 0..steps-1, or takes them away when there are none.
LVLMREADERS_EXPORT void setAnswerTime(vtkInformation* outInfo, std::int64_t steps);

} // namespace lvlm

#endif
