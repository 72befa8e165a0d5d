// SPDX-License-Identifier: Apache-2.0
/// @file Families.h
/// The checkpoints of Testing/Golden/family_goldens.py: folders below Data/llava, and relevancy of
/// the same names.
#ifndef LVLM_TESTING_FAMILIES_H
#define LVLM_TESTING_FAMILIES_H

namespace lvlm_test
{
inline constexpr const char* Families[] = { "siglip-qwen2", "siglip-llama", "joined-layers",
  "vipllava", "gemma", "qwen3", "phi3", "granite" };
} // namespace lvlm_test

#endif
