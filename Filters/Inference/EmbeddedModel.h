// SPDX-License-Identifier: Apache-2.0
/// @file EmbeddedModel.h
/// Where checkpoints lie: the one that ships with the plugin, and what users write.
#ifndef LVLM_INFERENCE_EMBEDDEDMODEL_H
#define LVLM_INFERENCE_EMBEDDEDMODEL_H

#include <string>

namespace lvlm
{

/// Folder of the embedded model: $LVLM_MODEL_DIRECTORY, else share/lvlm-interpret/TinyLlava of the
/// prefix that the plugin was installed to, else the source tree that it was built from. Throws
/// Error when none is there.
std::string embeddedModelDirectory();

/// The folder that a user means: nothing is the embedded model, a leading ~ the home folder.
std::string modelFolder(const std::string& given);

} // namespace lvlm

#endif
