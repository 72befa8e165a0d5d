// SPDX-License-Identifier: Apache-2.0
/// @file ShortText.h
/// UTF-8 text made fit for a drawing.
#ifndef LVLM_FILTERS_DRAWING_SHORTTEXT_H
#define LVLM_FILTERS_DRAWING_SHORTTEXT_H

#include <string>

namespace lvlm
{

/// Without white space at its ends, and with single spaces in place of line breaks and longer gaps.
std::string oneLine(const std::string& text);

/// At most `length` characters, an ellipsis for what is left out; the part around the byte `keep`
/// is kept. A length of 0 sets no limit.
std::string shortened(const std::string& text, std::size_t length, std::size_t keep = 0);

/// Puts `with` in the place of every `what`.
void replaceAll(std::string& text, const std::string& what, const std::string& with);

} // namespace lvlm

#endif
