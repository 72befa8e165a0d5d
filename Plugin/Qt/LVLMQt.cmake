# The GUI of the plugin: lvlm_qt_interfaces and lvlm_qt_sources for paraview_add_plugin.
# Its own folder, since nothing here may see Torch (both define `slots`) or compute anything.
set(lvlm_qt_folder "${CMAKE_CURRENT_LIST_DIR}")
set(lvlm_qt_interfaces)
set(lvlm_qt_sources "${lvlm_qt_folder}/lvlm.qrc")
foreach (class IN ITEMS
  pqLVLMActions
  pqLVLMAskDialog
  pqLVLMAutoStart
  pqLVLMCameras
  pqLVLMCanvas
  pqLVLMColors
  pqLVLMEditor
  pqLVLMHistory
  pqLVLMIndexGrid
  pqLVLMIndexProperty
  pqLVLMIndicesWidget
  pqLVLMInterrupt
  pqLVLMLegends
  pqLVLMLoading
  pqLVLMMenu
  pqLVLMModelChooser
  pqLVLMModelProbe
  pqLVLMModelWidget
  pqLVLMOpened
  pqLVLMPreview
  pqLVLMPython
  pqLVLMSelection
  pqLVLMSession
  pqLVLMTimes
  pqLVLMTokenStrip
  pqLVLMTokenTable
  pqLVLMTokensWidget
  pqLVLMToolBar
  pqLVLMTouch
  pqLVLMUndo)
  list(APPEND lvlm_qt_sources
    "${lvlm_qt_folder}/${class}.cxx"
    "${lvlm_qt_folder}/${class}.h")
endforeach ()
# Ours, not the generated interfaces'. QT_NO_KEYWORDS comes with the target.
set_source_files_properties(${lvlm_qt_sources} PROPERTIES COMPILE_OPTIONS "-Wall;-Wextra")

macro (lvlm_qt_add kind)
  cmake_language(CALL "paraview_plugin_add_${kind}" ${ARGN}
    INTERFACES lvlm_qt_new_interfaces
    SOURCES lvlm_qt_new_sources)
  list(APPEND lvlm_qt_interfaces ${lvlm_qt_new_interfaces})
  list(APPEND lvlm_qt_sources ${lvlm_qt_new_sources})
endmacro ()
lvlm_qt_add(toolbar CLASS_NAME pqLVLMToolBar)
lvlm_qt_add(action_group CLASS_NAME pqLVLMMenu GROUP_NAME "MenuBar/LVLM")
lvlm_qt_add(dock_window CLASS_NAME pqLVLMHistory DOCK_AREA Left)
lvlm_qt_add(auto_start CLASS_NAME pqLVLMAutoStart)
lvlm_qt_add(property_widget KIND WIDGET TYPE lvlm_tokens CLASS_NAME pqLVLMTokensWidget)
lvlm_qt_add(property_widget KIND WIDGET TYPE lvlm_indices CLASS_NAME pqLVLMIndicesWidget)
lvlm_qt_add(property_widget KIND WIDGET TYPE lvlm_model CLASS_NAME pqLVLMModelWidget)
