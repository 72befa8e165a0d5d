// SPDX-License-Identifier: Apache-2.0
// Runs a fuzz target on files, and on all files of folders, without libFuzzer: so that any compiler
// can keep the corpora green.
#include "FuzzInput.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <vector>

namespace fs = std::filesystem;

int main(int argc, char** argv)
{
  std::vector<fs::path> files;
  for (int i = 1; i < argc; ++i)
  {
    if (!fs::is_directory(argv[i]))
    {
      files.emplace_back(argv[i]);
      continue;
    }
    std::copy(fs::directory_iterator(argv[i]), {}, std::back_inserter(files));
  }
  std::sort(files.begin(), files.end());
  for (const fs::path& path : files)
  {
    std::cout << path.string() << std::endl; // before it runs: a crash names its file
    std::ifstream file(path, std::ios::binary);
    const std::vector<char> bytes{ std::istreambuf_iterator<char>(file), {} };
    if (!file)
    {
      std::cerr << path << ": cannot be read" << std::endl;
      return 1;
    }
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  }
  std::cout << files.size() << " inputs" << std::endl;
  return files.empty() ? 1 : 0;
}
