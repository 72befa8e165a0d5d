// SPDX-License-Identifier: Apache-2.0
#include "MappedFile.h"

#include "Error.h"

#include <cerrno>
#include <mutex>
#include <set>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace lvlm
{

namespace
{
/// All mapped files by the address where they end: of a tensor only the address is left when it has
/// been through VTK or Torch.
struct OpenFiles
{
  std::mutex mutex;
  std::map<const std::byte*, const MappedFile*> byEnd;

  static OpenFiles& instance()
  {
    static auto* files = new OpenFiles; // never destroyed: files may be closed during exit
    return *files;
  }

  /// To be called with the mutex held.
  const MappedFile* holding(const std::byte* address) const
  {
    const auto found = this->byEnd.upper_bound(address);
    const bool inside = found != this->byEnd.end() && address >= found->second->data();
    return inside ? found->second : nullptr;
  }
};

/// Closes a file descriptor on every way out but the good one.
struct OwnDescriptor
{
  int value;
  ~OwnDescriptor()
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

MappedFile::MappedFile(
  std::string path, int descriptor, const std::byte* data, const struct stat& status)
  : Path(std::move(path)), Descriptor(descriptor), Data(data),
    Size(static_cast<std::size_t>(status.st_size)), Written{ status.st_mtim.tv_sec,
      status.st_mtim.tv_nsec }
{
  this->Guard.emplace(data, this->Size);
  OpenFiles& files = OpenFiles::instance();
  const std::lock_guard<std::mutex> lock(files.mutex);
  files.byEnd[this->Data + this->Size] = this;
}

MappedFile::~MappedFile()
{
  {
    OpenFiles& files = OpenFiles::instance();
    const std::lock_guard<std::mutex> lock(files.mutex);
    files.byEnd.erase(this->Data + this->Size);
  }
  this->Guard.reset();
  ::munmap(const_cast<std::byte*>(this->Data), this->Size);
  ::close(this->Descriptor);
}

std::shared_ptr<const MappedFile> MappedFile::open(const std::string& path)
{
  // O_NONBLOCK: a named pipe must be refused below, not waited for.
  OwnDescriptor file{ ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK) };
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
  void* data =
    ::mmap(nullptr, static_cast<std::size_t>(status.st_size), PROT_READ, MAP_SHARED, file.value, 0);
  if (data == MAP_FAILED)
  {
    failSystem(errno, path, ": cannot be mapped");
  }
  std::shared_ptr<const MappedFile> mapped(new MappedFile(
    path, std::exchange(file.value, -1), static_cast<const std::byte*>(data), status));
  if (isLfsPointer(mapped->data(), mapped->size()))
  {
    fail(path,
      ": is a Git LFS pointer, not the file itself (in its folder, 'git lfs pull' fetches it)");
  }
  return mapped;
}

void MappedFile::requireIntact() const
{
  struct stat now
  {
  };
  const bool known = ::fstat(this->Descriptor, &now) == 0;
  if (known && static_cast<std::size_t>(now.st_size) < this->Size)
  {
    fail(this->Path, ": was cut off while it was open, from ", this->Size, " to ", now.st_size,
      " bytes: open it again once it is whole");
  }
  if (!known || this->Guard->faulted())
  {
    fail(this->Path, ": could not be read: its disk fails, or it was cut off while it was open");
  }
  if (now.st_mtim.tv_sec != this->Written[0] || now.st_mtim.tv_nsec != this->Written[1])
  {
    fail(this->Path, ": was written to while it was open: open it again");
  }
}

void requireIntact(const Tensor& tensor)
{
  const OpenFiles& files = OpenFiles::instance();
  const std::lock_guard<std::mutex> lock(OpenFiles::instance().mutex);
  if (const MappedFile* file = files.holding(tensor.data))
  {
    file->requireIntact();
  }
}

void requireIntact(const std::map<std::string, Tensor>& tensors)
{
  const OpenFiles& files = OpenFiles::instance();
  const std::lock_guard<std::mutex> lock(OpenFiles::instance().mutex);
  std::set<const MappedFile*> looked;
  for (const auto& [name, tensor] : tensors)
  {
    const MappedFile* file = files.holding(tensor.data);
    if (file && looked.insert(file).second)
    {
      file->requireIntact();
    }
  }
}

} // namespace lvlm
