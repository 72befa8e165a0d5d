# SPDX-License-Identifier: Apache-2.0
"""Inside ParaView: is the plugin in the plugin manager's list? With an argument (in pvpython), load it by its name as well.

The window cannot print: its answer goes into the file that LVLM_RESULT names.
"""
import os
import sys

from paraview import simple
from paraview.modules.vtkRemotingServerManager import vtkSMProxyManager

NAME = "LVLMInterpret"


def found():
    plugins = vtkSMProxyManager.GetProxyManager().GetPluginManager().GetLocalInformation()
    for n in range(plugins.GetNumberOfPlugins()):
        if plugins.GetPluginName(n) == NAME:
            return plugins.GetPluginFileName(n), "loaded" if plugins.GetPluginLoaded(n) else "listed"
    return None, "unknown"


file, state = found()
line = "%s (%s): %s" % (NAME, file, state)
if "LVLM_RESULT" in os.environ:
    with open(os.environ["LVLM_RESULT"], "w") as result:
        print(line, file=result)
else:
    print(line)
    assert state == "listed", line
    simple.LoadDistributedPlugin(NAME, remote=False)
    assert found()[1] == "loaded" and simple.LVLMTraceReader, found()
