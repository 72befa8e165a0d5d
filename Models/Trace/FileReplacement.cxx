// SPDX-License-Identifier: Apache-2.0
#include "FileReplacement.h"

#include "Error.h"

#include <atomic>
#include <cerrno>
#include <climits>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace lvlm
{

namespace
{
/// As many as Linux itself follows.
constexpr int MaximumLinks = 40;
constexpr unsigned int ModeBits = 07777;

std::string folderOf(const std::string& path)
{
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? std::string() : path.substr(0, slash + 1);
}

/// Where a path leads to; the file itself need not be there.
std::string withoutLinks(const std::string& path)
{
  std::string target = path;
  for (int links = 0; links <= MaximumLinks; ++links)
  {
    char next[PATH_MAX];
    const ssize_t length = ::readlink(target.c_str(), next, sizeof next);
    if (length < 0)
    {
      return target;
    }
    const std::string to(next, static_cast<std::size_t>(length));
    target = !to.empty() && to[0] == '/' ? to : folderOf(target) + to;
  }
  failSystem(ELOOP, path, ": cannot be created");
}
}

FileReplacement::FileReplacement(const std::string& path) : Path(path), Target(withoutLinks(path))
{
  struct stat before
  {
  };
  const bool exists = ::stat(this->Target.c_str(), &before) == 0;
  if (exists && !S_ISREG(before.st_mode))
  {
    fail(path, ": is there and no regular file: not replaced");
  }
  if (exists && ::access(this->Target.c_str(), W_OK) != 0)
  {
    this->failHere(": cannot be written");
  }
  // 0666 without the bits of the umask, which the system takes away: as for any new file.
  this->create(exists ? before.st_mode & 0600 : 0666);
  if (exists && ::fchmod(::fileno(this->File), before.st_mode & ModeBits) != 0)
  {
    const int reason = errno;
    std::fclose(this->File);
    ::unlink(this->Partial.c_str());
    failSystem(reason, path, ": cannot be given the mode that it had");
  }
}

/// Of a name of its own length, since that of the target may be as long as names can be.
void FileReplacement::create(unsigned int mode)
{
  static std::atomic<unsigned int> count{ 0 };
  int file = -1;
  do
  {
    this->Partial = folderOf(this->Target) + ".lvlm-" + std::to_string(::getpid()) + "-" +
      std::to_string(count++) + ".partial";
    file = ::open(this->Partial.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  } while (file < 0 && errno == EEXIST); // left by a process of the same number that was killed
  this->File = file < 0 ? nullptr : ::fdopen(file, "wb");
  if (!this->File)
  {
    this->failHere(": cannot be created");
  }
}

FileReplacement::~FileReplacement()
{
  if (this->File)
  {
    std::fclose(this->File);
    ::unlink(this->Partial.c_str());
  }
}

void FileReplacement::failHere(const char* what) const
{
  failSystem(errno, this->Path, what);
}

void FileReplacement::write(const void* data, std::size_t bytes)
{
  if (bytes > 0 && std::fwrite(data, 1, bytes, this->File) != bytes)
  {
    this->failHere(": cannot be written");
  }
}

void FileReplacement::commit()
{
  // Some file systems have a name before its content: without fsync() a power cut would leave an
  // empty file where a whole one was.
  if (std::fflush(this->File) != 0 || ::fsync(::fileno(this->File)) != 0)
  {
    this->failHere(": cannot be written");
  }
  if (::rename(this->Partial.c_str(), this->Target.c_str()) != 0)
  {
    this->failHere(": cannot be created");
  }
  std::fclose(this->File); // everything is on the disk: nothing can go wrong any more
  this->File = nullptr;
  // The name itself: not every file system can, and the old file would be as whole as the new one.
  const std::string folder = folderOf(this->Target);
  const int directory = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_CLOEXEC);
  if (directory >= 0)
  {
    ::fsync(directory);
    ::close(directory);
  }
}

} // namespace lvlm
