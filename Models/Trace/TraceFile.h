// SPDX-License-Identifier: Apache-2.0
/// @file TraceFile.h
/// The `.lvlm` file: one safetensors file whose metadata holds the trace's words (DESIGN section
/// 4).
#ifndef LVLM_TRACE_TRACEFILE_H
#define LVLM_TRACE_TRACEFILE_H

#include "Safetensors.h"
#include "Trace.h"

#include <string>

namespace lvlm
{

/// Opens a trace. Its tensors are views of the mapped file: nothing but the header is read.
/// Throws Error that names the file and the contradiction.
Trace readTrace(const std::string& path);

/// Writes a whole trace. Throws Error, also when `trace` holds a part of its layers only.
void writeTrace(const std::string& path, const Trace& trace);

/// The same for a trace whose layers are spread over processes: `trace` describes it as a whole,
/// and `bytes` brings the numbers of each tensor (see Safetensors.h).
void writeTrace(const std::string& path, const Trace& trace, const TensorBytes& bytes);

} // namespace lvlm

#endif
