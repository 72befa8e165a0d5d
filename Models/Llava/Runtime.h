// SPDX-License-Identifier: Apache-2.0
/// @file Runtime.h
/// The machine that inference runs on: threads, memory, device. Free of Torch.
#ifndef LVLM_LLAVA_RUNTIME_H
#define LVLM_LLAVA_RUNTIME_H

#include <cstddef>

namespace lvlm::llava
{

/// Threads that a process should use when nobody says: OMP_NUM_THREADS if set, else the cores of
/// its affinity mask, shared with the other MPI ranks of the host.
int standardThreads();

/// MPI ranks of this run on this host, as the launcher tells; 1 outside MPI.
int ranksOnHost();

/// Sets the threads of Torch and OpenMP for the calling thread's work; 0 means standardThreads().
void useThreads(int threads);

/// Bytes that this process can still allocate: the least of what the system, its control groups and
/// `ulimit -d` leave. In a run on several ranks those of its host share the first two.
std::size_t availableMemory(int ranks = 1);

} // namespace lvlm::llava

#endif
