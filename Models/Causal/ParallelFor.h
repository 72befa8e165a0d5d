// SPDX-License-Identifier: Apache-2.0
/// @file ParallelFor.h
/// Independent pieces of work on several threads, with progress and abort.
#ifndef LVLM_CAUSAL_PARALLEL_FOR_H
#define LVLM_CAUSAL_PARALLEL_FOR_H

#include "Models/Trace/Error.h"

#include <atomic>
#include <functional>
#include <string>

namespace lvlm::causal
{

/// Runs work(0, stop) .. work(count - 1, stop) on at most `threads` threads (at least one).
/// `progress` is called on the calling thread alone, so it may touch VTK or Qt objects; `stop` is
/// set when it answers false or when a piece throws. Pieces should then return, or throw Aborted,
/// soon. Rethrows the first exception after all threads ended; throws Aborted after an abort.
void parallelFor(int count, int threads, const Progress& progress, const std::string& text,
  const std::function<void(int index, const std::atomic<bool>& stop)>& work);

} // namespace lvlm::causal

#endif
