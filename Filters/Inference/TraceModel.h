// SPDX-License-Identifier: Apache-2.0
/// @file TraceModel.h
/// The model that made a trace.
#ifndef LVLM_INFERENCE_TRACEMODEL_H
#define LVLM_INFERENCE_TRACEMODEL_H

#include "Models/Llava/LlavaModel.h"

#include <memory>
#include <string>

namespace lvlm
{

/// The key of a trace's further metadata, "" where it is missing.
std::string extraOf(const Trace& trace, const char* key);

/// The model of a trace, in the recorded precision, opened as this rank's part. `modelDirectory`
/// and `device` say where it lies and runs now; empty: as the trace says. Throws Error when the
/// trace does not tell, or its model is gone.
std::shared_ptr<const llava::LlavaModel> openTraceModel(const Trace& trace,
  const std::string& modelDirectory, const std::string& device, const ranks::Team& team);

} // namespace lvlm

#endif
