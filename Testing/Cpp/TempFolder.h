// SPDX-License-Identifier: Apache-2.0
/// @file TempFolder.h
/// A folder that a test writes its damaged files to; gone when the test ends.
#ifndef LVLM_TESTING_TEMPFOLDER_H
#define LVLM_TESTING_TEMPFOLDER_H

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

namespace lvlm_test
{
class TempFolder
{
public:
  TempFolder()
  {
    std::string pattern = (std::filesystem::temp_directory_path() / "lvlmXXXXXX").string();
    if (!::mkdtemp(pattern.data()))
    {
      throw std::runtime_error("no temporary folder");
    }
    this->Path = pattern;
  }
  ~TempFolder()
  {
    std::error_code ignored;
    std::filesystem::remove_all(this->Path, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  std::string path(const std::string& name = std::string()) const
  {
    return name.empty() ? this->Path : this->Path + "/" + name;
  }
  /// Writes a file and gives its path.
  std::string write(const std::string& name, const std::string& content) const
  {
    std::ofstream(this->path(name), std::ios::binary) << content;
    return this->path(name);
  }
  /// A copy of a folder's files inside this one.
  std::string copyOf(const std::string& folder, const std::string& name) const
  {
    std::filesystem::copy(folder, this->path(name), std::filesystem::copy_options::recursive);
    return this->path(name);
  }

private:
  std::string Path;
};

inline std::string readFile(const std::string& path)
{
  std::ifstream file(path, std::ios::binary);
  return { std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>() };
}
} // namespace lvlm_test

#endif
