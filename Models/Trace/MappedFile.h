// SPDX-License-Identifier: Apache-2.0
/// @file MappedFile.h
/// A whole file mapped read-only: its pages are the file cache's, not anonymous memory.
#ifndef LVLM_TRACE_MAPPEDFILE_H
#define LVLM_TRACE_MAPPEDFILE_H

#include <cstddef>
#include <memory>
#include <string>

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

  const std::byte* data() const { return this->Data; }
  std::size_t size() const { return this->Size; }

private:
  MappedFile(const std::byte* data, std::size_t size);
  const std::byte* Data;
  std::size_t Size;
};

} // namespace lvlm

#endif
