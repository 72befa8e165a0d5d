// SPDX-License-Identifier: Apache-2.0
/// @file FileReplacement.h
/// A file that is there as a whole or not at all.
#ifndef LVLM_TRACE_FILEREPLACEMENT_H
#define LVLM_TRACE_FILEREPLACEMENT_H

#include <cstddef>
#include <cstdio>
#include <string>

namespace lvlm
{

/// Written under another name in the same folder and renamed once it is complete and on the disk:
/// a program, or a machine, that dies meanwhile leaves the old file as it was. Those who have the
/// old one open or mapped keep it.
///
/// A symbolic link stays and what it leads to is replaced; a file keeps its mode, and is refused
/// where the mode forbids to write it; what is no regular file (a device, a named pipe, a folder)
/// is refused. Of a file with several names (hard links) only this name has the new content.
class FileReplacement
{
public:
  /// Throws Error that names `path`.
  explicit FileReplacement(const std::string& path);
  /// Without commit() nothing has happened.
  ~FileReplacement();
  FileReplacement(const FileReplacement&) = delete;
  FileReplacement& operator=(const FileReplacement&) = delete;

  void write(const void* data, std::size_t bytes);
  /// Everything was written. Waits for the disk.
  void commit();

private:
  void create(unsigned int mode);
  [[noreturn]] void failHere(const char* what) const;

  std::string Path;   ///< as it was given
  std::string Target; ///< with links followed
  std::string Partial;
  std::FILE* File = nullptr;
};

} // namespace lvlm

#endif
