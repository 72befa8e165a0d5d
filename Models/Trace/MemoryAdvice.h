// SPDX-License-Identifier: Apache-2.0
/// @file MemoryAdvice.h
/// Tells the system how a memory-mapped tensor will be read. Only speed depends on it.
#ifndef LVLM_TRACE_MEMORYADVICE_H
#define LVLM_TRACE_MEMORYADVICE_H

#include "Tensor.h"

namespace lvlm
{

/// The tensor will be read here and there. Otherwise each touched row brings the disk's whole
/// read-ahead along: measured on a sparse file, 4.3 ms a row against 0.008 ms.
void expectScatteredReads(const Tensor& tensor);

/// Elements [first, first + n) will be read next, all of them: starts reading them in one go.
void expectReads(const Tensor& tensor, std::int64_t first, std::int64_t n);

} // namespace lvlm

#endif
