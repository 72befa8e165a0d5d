// SPDX-License-Identifier: Apache-2.0
/// @file TraceBlocks.h
/// The named blocks that show a trace (see vtkLVLMTrace.h): made from it, and read back. For
/// vtkLVLMTrace alone.
#ifndef LVLM_READERS_TRACEBLOCKS_H
#define LVLM_READERS_TRACEBLOCKS_H

#include "Models/Trace/Regions.h"

#include <cstddef>
#include <set>
#include <string>

class vtkDataObject;
class vtkFieldData;
class vtkImageData;
class vtkMultiBlockDataSet;

namespace lvlm
{

/// Fills `blocks`, which are empty, with views of the trace's memory; the picture is copied, since
/// VTK's y axis points up. Throws Error when the trace is not valid.
void blocksFromTrace(const Trace& trace, vtkMultiBlockDataSet* blocks);

/// The trace that the blocks show, sharing their memory; the picture is copied top row first.
/// Throws Error naming what is missing or contradicts itself.
Trace traceFromBlocks(vtkMultiBlockDataSet* blocks);

/// Names and look-ups that both ways share.
namespace trace_blocks
{
inline constexpr const char* TokensBlock = "tokens";
inline constexpr const char* AnswerBlock = "answer";
inline constexpr const char* Format = "lvlm-trace";
inline constexpr const char* ExtraPrefix = "extra.";
inline const std::set<std::string> OwnFields{ "format", "version", "model", "prompt", "answer",
  "tokens", "text", "roles", "prompt_length", "image_start", "grid", "heads", "layer_begin",
  "layer_total", "attention.full.layers", "attention.full.heads", "attention.vision.heads",
  "hidden.layers", "hidden.width", "regions" };

/// The block of that name, or nullptr.
vtkDataObject* findBlock(vtkMultiBlockDataSet* blocks, const std::string& name);
/// The block `image`, or `image.1` ..., when it is a picture, or nullptr.
vtkImageData* findPicture(vtkMultiBlockDataSet* blocks, std::int64_t image);
/// Copies rows of `rowBytes` in the opposite order: pictures have y down, VTK has y up.
void flipRows(const std::byte* from, std::byte* to, std::int64_t rows, std::size_t rowBytes);
} // namespace trace_blocks

} // namespace lvlm

#endif
