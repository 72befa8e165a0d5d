// SPDX-License-Identifier: Apache-2.0
/// @file ByteText.h
/// Sizes as people read them.
#ifndef LVLM_TRACE_BYTETEXT_H
#define LVLM_TRACE_BYTETEXT_H

#include <cstddef>
#include <string>

namespace lvlm
{

/// "1.5 GB", "230 MB" ...
std::string byteText(std::size_t bytes);

} // namespace lvlm

#endif
