// SPDX-License-Identifier: Apache-2.0
/// @file TraceModel.h
/// The model that made a trace, opened again.
#ifndef LVLM_INFERENCE_TRACEMODEL_H
#define LVLM_INFERENCE_TRACEMODEL_H

#include "Models/Llava/LlavaModel.h"

#include <string>

namespace lvlm
{

/// In the precision and, unless `device` names another one, on the device of the trace; from
/// `directory`, or where the trace was made. `lacks` says what the trace would need no model for,
/// e.g. "no relevancy". For this rank's layers; call it inside team.together(). Throws Error.
std::shared_ptr<const llava::LlavaModel> openTraceModel(const Trace& trace,
  const std::string& directory, const std::string& device, const std::string& lacks,
  const ranks::Team& team);

} // namespace lvlm

#endif
