// SPDX-License-Identifier: Apache-2.0
#include "EmbeddedModel.h"

#include "Models/Trace/Error.h"

#include <cstdlib>
#include <filesystem>

#include <dlfcn.h>

namespace lvlm
{

namespace
{
namespace fs = std::filesystem;

bool isModel(const fs::path& folder)
{
  std::error_code ignored;
  return fs::exists(folder / "config.json", ignored);
}

/// The file of the library that this is part of: prefix/lib/<arch>/lvlm-interpret/NAME.so when it
/// is installed.
fs::path ownFile()
{
  Dl_info info{};
  if (::dladdr(reinterpret_cast<const void*>(&embeddedModelDirectory), &info) == 0 ||
    !info.dli_fname)
  {
    return {};
  }
  std::error_code ignored;
  return fs::weakly_canonical(info.dli_fname, ignored);
}
}

std::string embeddedModelDirectory()
{
  if (const char* given = std::getenv("LVLM_MODEL_DIRECTORY"))
  {
    return given;
  }
  for (fs::path up = ownFile().parent_path(); up.has_relative_path(); up = up.parent_path())
  {
    const fs::path folder = up / "share" / "lvlm-interpret" / "TinyLlava";
    if (isModel(folder))
    {
      return folder.string();
    }
  }
  if (isModel(LVLM_SOURCE_MODEL))
  {
    return LVLM_SOURCE_MODEL;
  }
  fail("the embedded model was found neither beside the plugin (share/lvlm-interpret/TinyLlava) "
       "nor in ",
    LVLM_SOURCE_MODEL, ": set ModelDirectory or the environment variable LVLM_MODEL_DIRECTORY");
}

std::string modelFolder(const std::string& given)
{
  const char* home = std::getenv("HOME");
  const bool atHome = given == "~" || given.compare(0, 2, "~/") == 0;
  return given.empty() ? embeddedModelDirectory() : atHome && home ? home + given.substr(1) : given;
}

} // namespace lvlm
