// SPDX-License-Identifier: Apache-2.0
/// @file TraceFields.h
/// Names and look-ups that the conversions between traces and VTK share.
#ifndef LVLM_READERS_TRACEFIELDS_H
#define LVLM_READERS_TRACEFIELDS_H

#include "Models/Trace/Trace.h"

#include <cstddef>
#include <set>
#include <string>

class vtkDataObject;
class vtkFieldData;
class vtkMultiBlockDataSet;

namespace lvlm
{

namespace trace_fields
{
inline constexpr const char* TokensBlock = "tokens";
inline constexpr const char* AnswerBlock = "answer";
inline constexpr const char* Format = "lvlm-trace";
inline constexpr const char* ExtraPrefix = "extra.";
inline const std::set<std::string> OwnFields{ "format", "version", "model", "prompt", "answer",
  "tokens", "roles", "prompt_length", "image_start", "grid", "heads", "layer_begin", "layer_total",
  "attention.full.layers", "attention.full.heads", "attention.vision.heads" };

/// The block of that name, or nullptr.
vtkDataObject* findBlock(vtkMultiBlockDataSet* blocks, const std::string& name);
/// The data object as blocks when it is a trace, else nullptr.
vtkMultiBlockDataSet* blocksOf(vtkDataObject* data);
/// Empty when there is none.
std::string stringField(vtkFieldData* fields, const char* name);
/// Throws Error when there is none.
std::int64_t numberField(vtkFieldData* fields, const char* name);
/// 0 x 0 when there is none.
PatchGrid gridField(vtkFieldData* fields);
/// Copies rows of `rowBytes` in the opposite order: pictures have y down, VTK has y up.
void flipRows(const std::byte* from, std::byte* to, std::int64_t rows, std::size_t rowBytes);
} // namespace trace_fields

} // namespace lvlm

#endif
