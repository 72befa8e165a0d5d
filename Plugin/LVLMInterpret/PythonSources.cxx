// SPDX-License-Identifier: Apache-2.0
#include "PythonSources.h"

#include "vtkNew.h"
#include "vtkPVPythonModule.h"

void lvlm::registerPythonSources()
{
  for (const PythonSource& source : pythonSources())
  {
    vtkNew<vtkPVPythonModule> module;
    module->SetFullName(source.name);
    module->SetSource(source.text);
    module->SetIsPackage(source.package);
    vtkPVPythonModule::RegisterModule(module);
  }
}
