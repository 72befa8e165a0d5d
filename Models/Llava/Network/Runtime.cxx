// SPDX-License-Identifier: Apache-2.0
#include "Models/Llava/Runtime.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdlib>
#include <thread>

#include <sched.h>

namespace lvlm::llava
{

namespace
{
int environmentNumber(const char* name)
{
  const char* text = std::getenv(name);
  return text ? std::atoi(text) : 0;
}

int affinityCores()
{
  cpu_set_t set;
  CPU_ZERO(&set);
  return ::sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}
}

int ranksOnHost()
{
  for (const char* name :
    { "OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS", "SLURM_NTASKS_PER_NODE" })
  {
    if (const int ranks = environmentNumber(name); ranks > 0)
    {
      return ranks;
    }
  }
  return 1;
}

int standardThreads()
{
  if (const int given = environmentNumber("OMP_NUM_THREADS"); given > 0)
  {
    return given;
  }
  // mpirun may have bound the rank to its share already: then the mask is the smaller of the two.
  const int cores = static_cast<int>(std::thread::hardware_concurrency());
  return std::max(1, std::min(affinityCores(), std::max(1, cores) / ranksOnHost()));
}

void useThreads(int threads)
{
  const int wanted = threads > 0 ? std::min(threads, 1024) : standardThreads();
  if (at::get_num_threads() != wanted)
  {
    at::set_num_threads(wanted);
  }
}

} // namespace lvlm::llava
