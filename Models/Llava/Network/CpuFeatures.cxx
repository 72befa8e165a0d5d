// SPDX-License-Identifier: Apache-2.0
#include "CpuFeatures.h"

#ifdef LVLM_X86
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace lvlm::llava
{

#ifdef LVLM_X86
namespace
{
struct Leaf
{
  unsigned int eax = 0, ebx = 0, ecx = 0, edx = 0;
};

Leaf leafOf(unsigned int number, unsigned int part)
{
  Leaf leaf;
  return __get_cpuid_count(number, part, &leaf.eax, &leaf.ebx, &leaf.ecx, &leaf.edx) ? leaf
                                                                                     : Leaf();
}

/// Linux gives the state of the tiles to processes that ask for it.
bool leaveForTiles()
{
  constexpr long requestPermission = 0x1023; // ARCH_REQ_XCOMP_PERM
  constexpr long tileData = 18;              // XFEATURE_XTILEDATA
  return ::syscall(SYS_arch_prctl, requestPermission, tileData) == 0;
}
}

bool hasAvx2()
{
  // clang's __builtin_cpu_supports does not know f16c.
  static const bool has = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
    (leafOf(1, 0).ecx & bit_F16C) != 0;
  return has;
}

bool hasAvx512()
{
  static const bool has = hasAvx2() && __builtin_cpu_supports("avx512f");
  return has;
}

bool hasTiles()
{
  constexpr unsigned int tiles = 1u << 24, bfloat16 = 1u << 22; // of leaf 7, edx
  constexpr unsigned int conversions = 1u << 5;                 // of its part 1, eax: AVX512-BF16
  static const bool has = hasAvx512() && __builtin_cpu_supports("avx512bw") &&
    __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
    (leafOf(7, 1).eax & conversions) != 0 &&
    (leafOf(7, 0).edx & (tiles | bfloat16)) == (tiles | bfloat16) && leaveForTiles();
  return has;
}
#else
bool hasAvx2()
{
  return false;
}
bool hasAvx512()
{
  return false;
}
bool hasTiles()
{
  return false;
}
#endif

} // namespace lvlm::llava
