// SPDX-License-Identifier: Apache-2.0
#include "Models/Llava/Runtime.h"

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <sstream>
#include <string>

#include <sys/resource.h>

namespace lvlm::llava
{

namespace
{
/// -1 when the file is absent or says "max".
std::int64_t numberIn(const std::string& path)
{
  std::ifstream file(path);
  std::int64_t value = -1;
  return file >> value ? value : -1;
}

/// The sum of some lines "NAME NUMBER" of a file, or "NAME: NUMBER"; 0 when there are none.
std::int64_t linesOf(const std::string& path, std::initializer_list<const char*> names)
{
  std::ifstream file(path);
  std::string line;
  std::int64_t sum = 0;
  while (std::getline(file, line))
  {
    std::istringstream words(line);
    std::string name;
    std::int64_t value = 0;
    if (words >> name >> value && std::find(names.begin(), names.end(), name) != names.end())
    {
      sum += value;
    }
  }
  return sum;
}

/// What a control group leaves. Pages of files count as used there and are given up when memory is
/// wanted: a mapped model's weights must not count.
std::int64_t leftIn(const std::string& group, const char* limitName, const char* usedName)
{
  const std::int64_t limit = numberIn(group + "/" + limitName);
  const std::int64_t used = numberIn(group + "/" + usedName);
  if (limit <= 0 || used < 0)
  {
    return INT64_MAX;
  }
  const std::int64_t files = linesOf(group + "/memory.stat", { "inactive_file", "active_file" });
  return std::max<std::int64_t>(0, limit - std::max<std::int64_t>(0, used - files));
}

/// Of the process's control group and of all above it: a batch system limits a job's, not the
/// host's.
std::int64_t leftInGroups()
{
  std::int64_t left = INT64_MAX;
  std::ifstream groups("/proc/self/cgroup");
  std::string line;
  while (std::getline(groups, line)) // "0::/path", or "9:memory:/path" before version 2
  {
    const bool second = line.rfind("0::", 0) == 0;
    const std::size_t first = second ? 3 : line.find(":memory:") + 8;
    if (!second && line.find(":memory:") == std::string::npos)
    {
      continue;
    }
    const std::string root = second ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory";
    for (std::string path = line.substr(first); true; path.resize(path.rfind('/')))
    {
      left = std::min(left,
        second ? leftIn(root + path, "memory.max", "memory.current")
               : leftIn(root + path, "memory.limit_in_bytes", "memory.usage_in_bytes"));
      if (path.find('/') == std::string::npos)
      {
        break;
      }
    }
  }
  return left;
}

/// What `ulimit -d` leaves to this process.
std::int64_t leftToProcess()
{
  rlimit limit{};
  if (::getrlimit(RLIMIT_DATA, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
  {
    return INT64_MAX;
  }
  return std::max<std::int64_t>(0,
    static_cast<std::int64_t>(limit.rlim_cur) - 1024 * linesOf("/proc/self/status", { "VmData:" }));
}
}

std::size_t availableMemory(int ranks)
{
  const std::int64_t system = 1024 * linesOf("/proc/meminfo", { "MemAvailable:" });
  const std::int64_t host = std::min(system > 0 ? system : INT64_MAX, leftInGroups());
  return static_cast<std::size_t>(
    std::min(host / (ranks > 1 ? ranksOnHost() : 1), leftToProcess()));
}

} // namespace lvlm::llava
