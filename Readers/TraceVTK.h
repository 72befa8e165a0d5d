// SPDX-License-Identifier: Apache-2.0
/// @file TraceVTK.h
/// A trace as a VTK data object: the one form in which sources give it and filters take it.
///
/// A vtkMultiBlockDataSet whose blocks carry the names of the trace's tensors:
///
///   image             vtkImageData, point array `image` (u8 RGB) at the pixel centres, y up
///   tokens            vtkTable, a row a position: position, id, token, role
///   answer            vtkTable, a row an answer token: answer_index, id, token, logprob, topk_id,
///   topk_logprob attention.answer  vtkImageData: x = key, y = answer row, z = layer * heads + head
///   attention.full    vtkImageData: x = key, y = query, z = slab * heads + head
///   attention.vision  the same for the vision tower
///   relevancy.*       vtkImageData: x = key or patch (row-major), y = answer row
///
/// In a parallel run each rank's `attention.answer` and `attention.full` have this rank's layers
/// alone (see Models/Trace/Trace.h); a rank without any has an empty block of that name. All other
/// blocks and fields are the same on all ranks.
///
/// Each image block has one point array, named as the block, that shares the tensor's memory.
/// Field data of the root: the metadata strings of a `.lvlm` file and whole numbers
/// `prompt_length`, `image_start`, `heads`, `layer_begin`, `layer_total`, `attention.full.layers`,
/// ...
#ifndef LVLM_READERS_TRACEVTK_H
#define LVLM_READERS_TRACEVTK_H

#include "Models/Trace/Trace.h"

#include "lvlmReadersModule.h"

#include "vtkSmartPointer.h"

class vtkDataObject;
class vtkImageData;
class vtkInformation;
class vtkMultiBlockDataSet;

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
  std::int64_t width = 0;         ///< of the picture, pixels
  std::int64_t height = 0;        ///< of the picture, pixels
  std::int64_t answerTokens = -1; ///< T
  std::int64_t layers = 0;        ///< of `attention.answer`, all ranks together
  std::int64_t heads = 0;         ///< of `attention.answer`
};

/// The trace as blocks that share its memory. Throws Error when it is not valid.
LVLMREADERS_EXPORT vtkSmartPointer<vtkMultiBlockDataSet> traceToVTK(const Trace& trace);

/// The trace in a data object made by traceToVTK, sharing its memory. The picture is turned upside
/// down on the way and hence copied: only `withPicture`. Throws Error for any other data object.
LVLMREADERS_EXPORT Trace traceFromVTK(vtkDataObject* data, bool withPicture = false);

/// The block `image` of a trace, or nullptr.
LVLMREADERS_EXPORT vtkImageData* pictureOf(vtkDataObject* data);

LVLMREADERS_EXPORT TraceShape shapeOf(const Trace& trace);
/// The shape of a trace in VTK form. False when the object is no trace.
LVLMREADERS_EXPORT bool shapeOf(vtkDataObject* data, TraceShape& shape);

/// For a source's RequestInformation: tells the filters downstream what will come, and gives the
/// answer's tokens as time steps 0..T-1 once T is known.
LVLMREADERS_EXPORT void announceTrace(vtkInformation* outInfo, const TraceShape& shape);
/// For the RequestUpdateExtent of whatever takes a trace: asks for the layers of this rank, always,
/// so that the trace is not made again when something downstream asks for other pieces.
LVLMREADERS_EXPORT void askForOwnLayers(vtkInformation* inInfo, const ranks::Team& team);
/// What announceTrace said. False when nothing was announced.
LVLMREADERS_EXPORT bool announcedTrace(vtkInformation* info, TraceShape& shape);
/// Sets time steps 0..steps-1, or takes them away when there are none.
LVLMREADERS_EXPORT void setAnswerTime(vtkInformation* outInfo, std::int64_t steps);

} // namespace lvlm

#endif
