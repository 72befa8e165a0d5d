# Writes OUTPUT, which defines lvlm::pythonSources(): the text of FILES (relative to FOLDER) under the names that Python
# imports them by. A file that is no Python goes the same way, for lvlm to read. @LVLM_VERSION@ in a text becomes VERSION.
set(code "// Made by EmbedPython.cmake.
#include \"PythonSources.h\"

std::vector<lvlm::PythonSource> lvlm::pythonSources()
{
  return {")
foreach (file IN LISTS FILES)
  file(READ "${FOLDER}/${file}" text)
  string(REPLACE "@LVLM_VERSION@" "${VERSION}" text "${text}")
  string(FIND "${text}" ")lvlm_source\"" end)
  if (NOT end EQUAL -1)
    message(FATAL_ERROR "${file}: ')lvlm_source\"' would end its text")
  endif ()
  string(REGEX REPLACE "\\.[^./]*$" "" name "${file}")
  string(REPLACE "/" "." name "${name}")
  set(package false)
  if (name MATCHES "\\.__init__$")
    string(REGEX REPLACE "\\.__init__$" "" name "${name}")
    set(package true)
  endif ()
  string(APPEND code "\n    { \"${name}\", ${package}, R\"lvlm_source(${text})lvlm_source\" },")
endforeach ()
string(APPEND code "\n  };\n}\n")
file(WRITE "${OUTPUT}" "${code}")
