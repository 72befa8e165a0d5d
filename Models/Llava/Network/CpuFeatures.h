// SPDX-License-Identifier: Apache-2.0
/// @file CpuFeatures.h
/// What this CPU and its system offer, asked of the CPU itself and never told by its name.
#ifndef LVLM_LLAVA_CPUFEATURES_H
#define LVLM_LLAVA_CPUFEATURES_H

#if defined(__x86_64__) && defined(__GNUC__)
#define LVLM_X86 1
#endif

namespace lvlm::llava
{

/// AVX2 with fused multiply-add and conversions from half precision.
bool hasAvx2();

/// AVX-512's foundation, together with AVX2.
bool hasAvx512();

/// AMX tiles of bfloat16, together with AVX-512 and its conversions to bfloat16. Asks the system
/// once for the leave to use them: it may refuse.
bool hasTiles();

} // namespace lvlm::llava

#endif
