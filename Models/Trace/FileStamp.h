// SPDX-License-Identifier: Apache-2.0
/// @file FileStamp.h
/// Whether a file is still the one that was read.
#ifndef LVLM_TRACE_FILESTAMP_H
#define LVLM_TRACE_FILESTAMP_H

#include <string>

namespace lvlm
{

/// Changes when the file is edited, overwritten or replaced, also by one of the same size and date:
/// made of its place on the disk, size and times. Empty when there is no such file. Follows links.
std::string fileStamp(const std::string& path);

} // namespace lvlm

#endif
