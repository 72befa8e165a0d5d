// SPDX-License-Identifier: Apache-2.0
/// @file TokenizerFiles.h
/// Shared by the tokenizer's tests: tokenizer folders written on the fly.
#ifndef LVLM_TESTING_TOKENIZERFILES_H
#define LVLM_TESTING_TOKENIZERFILES_H

#include "Models/Core/Tokenizer.h"

#include <nlohmann/json.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

namespace lvlm_test
{

/// A new empty folder, removed with its content at the end.
class TemporaryFolder
{
public:
  TemporaryFolder()
  {
    std::string name = (std::filesystem::temp_directory_path() / "lvlm-test-XXXXXX").string();
    if (!mkdtemp(name.data()))
    {
      throw std::runtime_error("no temporary folder");
    }
    Path = name;
  }
  ~TemporaryFolder() { std::filesystem::remove_all(Path); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  /// Writes a file and gives its path.
  std::string write(const std::string& name, const std::string& content) const
  {
    const std::filesystem::path path = Path / name;
    std::ofstream(path, std::ios::binary) << content;
    return path.string();
  }
  std::string path() const { return Path.string(); }

private:
  std::filesystem::path Path;
};

inline nlohmann::json readJson(const std::string& path)
{
  std::ifstream file(path, std::ios::binary);
  return nlohmann::json::parse(file);
}

inline nlohmann::json testData(const std::string& name)
{
  return readJson(std::string(LVLM_TEST_DATA) + "/tokenizer/" + name);
}

inline lvlm::Tokenizer tokenizerOf(const nlohmann::json& content)
{
  const TemporaryFolder folder;
  return lvlm::Tokenizer(folder.write("tokenizer.json", content.dump()));
}

} // namespace lvlm_test

#endif
