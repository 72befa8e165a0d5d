// SPDX-License-Identifier: Apache-2.0
#include "FileStamp.h"

#include <sstream>

#include <sys/stat.h>

namespace lvlm
{

std::string fileStamp(const std::string& path)
{
  struct stat status
  {
  };
  if (::stat(path.c_str(), &status) != 0)
  {
    return {};
  }
  std::ostringstream text;
  text << status.st_dev << "/" << status.st_ino << "/" << status.st_size;
  for (const timespec& time : { status.st_mtim, status.st_ctim })
  {
    text << "/" << time.tv_sec << "." << time.tv_nsec;
  }
  return text.str();
}

} // namespace lvlm
