// SPDX-License-Identifier: Apache-2.0
/// @file MappedFile.h
/// A whole file mapped read-only: its pages are the file cache's, not anonymous memory.
///
/// Whoever has the file may write to it, or cut it off, while it is mapped. Reading it then gives
/// other numbers than it had, or zeros (see FaultGuard.h), but never ends the process: what was
/// computed from a mapped file counts only if requireIntact() finds nothing afterwards. A file that
/// was replaced by renaming or removed stays as it was for those who have it open.
#ifndef LVLM_TRACE_MAPPEDFILE_H
#define LVLM_TRACE_MAPPEDFILE_H

#include "FaultGuard.h"
#include "Tensor.h"

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>

struct stat;

namespace lvlm
{

class MappedFile
{
public:
  /// Throws Error that names the file when it is missing, empty, no regular file, or the pointer
  /// that Git LFS leaves in its place.
  static std::shared_ptr<const MappedFile> open(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::string& path() const { return this->Path; }
  const std::byte* data() const { return this->Data; }
  std::size_t size() const { return this->Size; }

  /// Throws Error that names the file when it was written to, or became shorter, since it was
  /// opened, or when a page of it could not be read.
  void requireIntact() const;

private:
  MappedFile(std::string path, int descriptor, const std::byte* data, const struct stat& status);

  std::string Path;
  int Descriptor; ///< kept open: the path may lead to another file by now
  const std::byte* Data;
  std::size_t Size;
  std::int64_t Written[2]; ///< seconds and nanoseconds of the last change when it was opened
  std::optional<FaultGuard> Guard; ///< until the file is unmapped
};

/// MappedFile::requireIntact() of the file that holds the tensor's bytes, if one does.
void requireIntact(const Tensor& tensor);
/// ... of all tensors, each file once.
void requireIntact(const std::map<std::string, Tensor>& tensors);

} // namespace lvlm

#endif
