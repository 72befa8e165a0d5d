// SPDX-License-Identifier: Apache-2.0
#include "pqLVLMSelection.h"

#include "pqApplicationCore.h"
#include "pqLVLMSession.h"
#include "pqOutputPort.h"
#include "pqPipelineSource.h"
#include "pqSelectionManager.h"
#include "pqServerManagerModel.h"
#include "pqUndoStack.h"

#include "vtkSMProperty.h"
#include "vtkSMPropertyHelper.h"
#include "vtkSMSessionProxyManager.h"
#include "vtkSMSourceProxy.h"
#include "vtkSelectionNode.h"
#include "vtkSmartPointer.h"

namespace
{
/// A copy that nobody else changes, registered so that state files keep it.
vtkSmartPointer<vtkSMSourceProxy> copyOf(vtkSMProxy* selection)
{
  vtkSMSessionProxyManager* manager = selection->GetSessionProxyManager();
  auto copy = vtk::TakeSmartPointer(vtkSMSourceProxy::SafeDownCast(
    manager->NewProxy(selection->GetXMLGroup(), selection->GetXMLName())));
  if (copy)
  {
    copy->Copy(
      selection, "vtkSMProxyProperty", vtkSMProxy::COPY_PROXY_PROPERTY_VALUES_BY_REFERENCE);
    if (vtkSMProperty* inputs = selection->GetProperty("Input"))
    {
      copy->GetProperty("Input")->Copy(inputs);
    }
    copy->UpdateVTKObjects();
  }
  return copy;
}

/// Corners of patches belong to several of them: no filter takes a selection of points.
bool isOfPoints(vtkSMProxy* selection)
{
  const vtkSMPropertyHelper inputs(selection, "Input", true);
  for (unsigned int i = 0; i < inputs.GetNumberOfElements(); ++i)
  {
    vtkSMProxy* input = inputs.GetAsProxy(i);
    if (input && input->GetProperty("FieldType") &&
      vtkSMPropertyHelper(input, "FieldType").GetAsInt() == vtkSelectionNode::POINT)
    {
      return true;
    }
  }
  return false;
}
}

pqLVLMSelection::pqLVLMSelection(QObject* parent) : Superclass(parent)
{
  if (pqSelectionManager* manager = lvlm::selectionManager())
  {
    QObject::connect(manager, SIGNAL(selectionChanged(pqOutputPort*)), this, SLOT(takeSelection()));
  }
}

pqLVLMSelection::~pqLVLMSelection() = default;

void pqLVLMSelection::takeSelection()
{
  pqOutputPort* map = lvlm::selectedMap();
  if (!map || isOfPoints(map->getSelectionInput()))
  {
    return; // a cleared selection leaves what was looked at
  }
  bool changed = false;
  pqPipelineSource* trace = lvlm::traceOf(map->getSource());
  pqServerManagerModel* model = pqApplicationCore::instance()->getServerManagerModel();
  for (pqPipelineSource* source : model->findItems<pqPipelineSource*>(map->getServer()))
  {
    vtkSMProxy* proxy = source->getProxy();
    vtkSMProperty* follow = proxy->GetProperty("FollowSelection");
    if (QString(proxy->GetXMLName()) == "LVLMPatchAttention" && follow &&
      vtkSMPropertyHelper(follow).GetAsInt() != 0 && lvlm::traceOf(source) == trace)
    {
      this->give(source->getSourceProxy(), map);
      changed = true;
    }
  }
  if (changed)
  {
    pqApplicationCore::instance()->render();
  }
}

void pqLVLMSelection::give(vtkSMSourceProxy* filter, pqOutputPort* map)
{
  vtkSmartPointer<vtkSMSourceProxy> copy = copyOf(map->getSelectionInput());
  if (!copy)
  {
    return;
  }
  BEGIN_UNDO_SET(tr("Select patches"));
  vtkSMPropertyHelper(filter, "Selection").Set(copy, map->getSelectionInputPort());
  filter->UpdateVTKObjects();
  END_UNDO_SET();
}
