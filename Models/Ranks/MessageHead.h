// SPDX-License-Identifier: Apache-2.0
/// @file MessageHead.h
/// Numbers, texts and lists as the head of a message. Apart from Message.h, since VTK 9.3 and later
/// carry a JSON library of the same name: no file can include both.
#ifndef LVLM_RANKS_MESSAGEHEAD_H
#define LVLM_RANKS_MESSAGEHEAD_H

#include "Models/Trace/Json.h"

#include <string>

namespace lvlm::ranks
{

/// A value as the bytes of a head, and back; no bytes are no value. Throws Error for bytes that no
/// rank has written.
std::string packed(const nlohmann::json& value);
nlohmann::json unpacked(const std::string& head);

} // namespace lvlm::ranks

#endif
