# Where things go, below any prefix: laid out like the ParaView that was found, which looks for plugins relative to its own
# programs.
get_filename_component(libraries "${ParaView_DIR}/../.." ABSOLUTE)
file(RELATIVE_PATH libraries "${ParaView_PREFIX_PATH}" "${libraries}")
set(LVLM_LIBRARY_DESTINATION "${libraries}/lvlm-interpret" CACHE STRING
  "Folder of the shared libraries, below the prefix: not the plugin's, in which ParaView may take every library for a plugin")
set(LVLM_PLUGIN_DESTINATION "${libraries}/${PARAVIEW_PLUGIN_SUBDIR}" CACHE STRING
  "Folder of ParaView's plugins, below the prefix")
set(LVLM_CMAKE_DESTINATION "${libraries}/cmake/LVLMInterpret" CACHE STRING
  "Folder of what find_package(LVLMInterpret) reads, below the prefix")
set(LVLM_PYTHON_DESTINATION "${PARAVIEW_PYTHONPATH}" CACHE STRING
  "Folder of the Python module lvlm, below the prefix")
set(LVLM_HEADER_DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/lvlm-interpret")
set(LVLM_MODEL_DESTINATION "${CMAKE_INSTALL_DATADIR}/lvlm-interpret")
