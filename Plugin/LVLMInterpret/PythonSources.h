// SPDX-License-Identifier: Apache-2.0
/// @file PythonSources.h
/// The Python module `lvlm` that the plugin carries.
#ifndef PythonSources_h
#define PythonSources_h

#include <vector>

namespace lvlm
{

struct PythonSource
{
  const char* name; ///< as Python imports it, such as lvlm.views
  bool package;
  const char* text;
};

/// All files of the module, compiled in by EmbedPython.cmake.
std::vector<PythonSource> pythonSources();

/// Hands them to ParaView's importer, which asks for them when Python does: nothing runs until
/// then. The plugin's initializer, in clients and servers alike.
void registerPythonSources();

} // namespace lvlm

#endif
