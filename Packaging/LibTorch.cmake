# LibTorch as Debian, pytorch.org or PyPI's torch has it, and oneDNN: TORCH_INCLUDE_DIRS and TORCH_LIBRARIES.
#
# CMAKE_PREFIX_PATH may hold its folder (/path/to/libtorch, .../site-packages/torch) or what Python's torch.utils.cmake_prefix_path
# says (.../site-packages/torch/share/cmake). LibTorch's own package file is not asked: with CUDA inside it wants nvcc and the whole
# toolkit, of which nothing is compiled here.
set(torch_roots ${CMAKE_PREFIX_PATH} $ENV{CMAKE_PREFIX_PATH})
list(TRANSFORM torch_roots APPEND "/../.." OUTPUT_VARIABLE torch_above)
find_path(LVLM_TORCH_INCLUDE_DIR ATen/ATen.h HINTS ${torch_roots} ${torch_above} PATH_SUFFIXES include REQUIRED)
find_library(LVLM_TORCH_LIBRARY torch_cpu HINTS ${torch_roots} ${torch_above} PATH_SUFFIXES lib REQUIRED)
get_filename_component(torch_libraries "${LVLM_TORCH_LIBRARY}" DIRECTORY)
foreach (part IN ITEMS c10 c10_cuda torch_cuda) # of the same LibTorch, no other
  find_library(LVLM_TORCH_${part} ${part} PATHS "${torch_libraries}" NO_DEFAULT_PATH)
endforeach ()
if (NOT LVLM_TORCH_c10)
  message(FATAL_ERROR "${LVLM_TORCH_LIBRARY} has no libc10 beside it")
endif ()

# Not dnnl's own package file: Debian's asks for OpenCL's headers, which nothing here uses.
find_path(LVLM_DNNL_INCLUDE_DIR oneapi/dnnl/dnnl.h REQUIRED)
find_library(LVLM_DNNL_LIBRARY dnnl REQUIRED)

set(TORCH_INCLUDE_DIRS "${LVLM_TORCH_INCLUDE_DIR}")
# oneDNN before LibTorch, whether it is known to be needed yet or not: PyPI's LibTorch has one of its own inside, and of two functions
# of one name (std::call_once has one for each use) the first counts. With the other's oneDNN says that it has not implemented what it is asked for.
# Nothing calls into torch_cuda by name: it says that it is there when it is loaded. All of it between one pair of flags: of two pairs
# CMake keeps one where a library that is linked statically passes them on, and the GPU is not found.
set(TORCH_LIBRARIES -Wl,--push-state,--no-as-needed "${LVLM_DNNL_LIBRARY}" "${LVLM_TORCH_LIBRARY}" "${LVLM_TORCH_c10}")
if (LVLM_TORCH_torch_cuda)
  list(APPEND TORCH_LIBRARIES "${LVLM_TORCH_torch_cuda}" "${LVLM_TORCH_c10_cuda}")
endif ()
list(APPEND TORCH_LIBRARIES -Wl,--pop-state)
if (LVLM_TORCH_torch_cuda)
  # What PyPI's LibTorch needs lies in packages beside it. It finds them while running; the linker has to be told.
  file(GLOB torch_needs "${torch_libraries}/../../nvidia/*/lib")
  list(TRANSFORM torch_needs PREPEND "-Wl,-rpath-link,")
  list(APPEND TORCH_LIBRARIES ${torch_needs})
endif ()
