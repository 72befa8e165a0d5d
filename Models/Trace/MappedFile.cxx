// SPDX-License-Identifier: Apache-2.0
#include "MappedFile.h"

#include "Error.h"

#include <cerrno>
#include <string_view>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace lvlm
{

namespace
{
/// Closes a file descriptor on every way out.
struct Descriptor
{
  int value;
  ~Descriptor()
  {
    if (this->value >= 0)
    {
      ::close(this->value);
    }
  }
};

/// What a repository that was cloned without Git LFS has in place of each large file.
bool isLfsPointer(const std::byte* data, std::size_t size)
{
  constexpr std::string_view Start = "version https://git-lfs.github.com/spec/";
  return std::string_view(reinterpret_cast<const char*>(data), size).substr(0, Start.size()) ==
    Start;
}
}

MappedFile::MappedFile(const std::byte* data, std::size_t size) : Data(data), Size(size) {}

MappedFile::~MappedFile()
{
  ::munmap(const_cast<std::byte*>(this->Data), this->Size);
}

std::shared_ptr<const MappedFile> MappedFile::open(const std::string& path)
{
  // O_NONBLOCK: a named pipe must be refused below, not waited for.
  const Descriptor file{ ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK) };
  if (file.value < 0)
  {
    failSystem(errno, path, ": cannot be opened");
  }
  struct stat status
  {
  };
  if (::fstat(file.value, &status) != 0 || !S_ISREG(status.st_mode))
  {
    fail(path, ": is not a regular file");
  }
  if (status.st_size <= 0)
  {
    fail(path, ": is empty");
  }
  const auto size = static_cast<std::size_t>(status.st_size);
  void* data = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file.value, 0);
  if (data == MAP_FAILED)
  {
    failSystem(errno, path, ": cannot be mapped");
  }
  const std::shared_ptr<const MappedFile> mapped(
    new MappedFile(static_cast<const std::byte*>(data), size));
  if (isLfsPointer(mapped->data(), size))
  {
    fail(path,
      ": is a Git LFS pointer, not the file itself (in its folder, 'git lfs pull' fetches it)");
  }
  return mapped;
}

} // namespace lvlm
