# `cpack` makes a Debian package for the system that it runs on.
math(EXPR next_minor "${ParaView_VERSION_MINOR} + 1")
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME lvlm-interpret)
set(CPACK_PACKAGE_CONTACT "LVLM-Interpret for ParaView <maintainers@lvlm-interpret.invalid>")
set(CPACK_PACKAGING_INSTALL_PREFIX "${ParaView_PREFIX_PATH}")
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS "${CMAKE_BINARY_DIR}/lib")
# ParaView looks for plugins in a folder of its own version, and promises no binary interface beyond it.
string(JOIN ", " CPACK_DEBIAN_PACKAGE_DEPENDS
  "paraview (>= ${ParaView_VERSION_MAJOR}.${ParaView_VERSION_MINOR})"
  "paraview (<< ${ParaView_VERSION_MAJOR}.${next_minor})"
  "python3-paraview"
  "python3-numpy")
include(CPack)
