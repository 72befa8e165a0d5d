# What Debian's packages of ParaView 5.13 and later leave out of the CMake files that they install. Included before
# find_package(ParaView); does nothing where those files are whole.

# lvlm_complete_paraview(FOLDER): FOLDER is that of paraview-config.cmake. VTK's and ParaView's Python modules carry
# Python's own suffix (vtkCommonCore.cpython-313-x86_64-linux-gnu.so), the export files know them without it and stop. An
# export whose targets exist is passed over, so that empty ones stand in: nothing here links a Python module.
function (lvlm_complete_paraview folder)
  get_filename_component(prefix "${folder}/../../../.." ABSOLUTE)
  if (NOT EXISTS "${prefix}/lib/python3/dist-packages/vtkmodules" OR
      EXISTS "${prefix}/lib/python3/dist-packages/vtkmodules/vtkCommonCore.so")
    return ()
  endif ()
  file(GLOB exports "${folder}/vtk/VTKPython-targets.cmake" "${folder}/ParaViewPython*-targets.cmake")
  foreach (export IN LISTS exports)
    file(STRINGS "${export}" expected REGEX "^ *foreach.*expected_?[tT]arget")
    string(REGEX MATCHALL "(VTK|ParaView)::[A-Za-z0-9_]+" targets "${expected}")
    foreach (target IN LISTS targets)
      add_library("${target}" INTERFACE IMPORTED GLOBAL)
    endforeach ()
  endforeach ()
  # Targets that VTK's own export links and nothing defines there. No header or symbol of these libraries is used here.
  foreach (target IN ITEMS hdf5::hdf5 hdf5::hdf5_hl NetCDF::NetCDF)
    if (NOT TARGET ${target})
      add_library(${target} INTERFACE IMPORTED GLOBAL)
    endif ()
  endforeach ()
endfunction ()

if (ParaView_DIR)
  set(lvlm_paraview_folders "${ParaView_DIR}")
else ()
  file(GLOB lvlm_paraview_folders "/usr/lib/${CMAKE_LIBRARY_ARCHITECTURE}/cmake/paraview-*")
endif ()
foreach (folder IN LISTS lvlm_paraview_folders)
  lvlm_complete_paraview("${folder}")
endforeach ()
