// SPDX-License-Identifier: Apache-2.0
#include "pqLVLMColors.h"

#include "pqApplicationCore.h"
#include "pqDataRepresentation.h"
#include "pqLVLMSession.h"
#include "pqOutputPort.h"
#include "pqPipelineSource.h"
#include "pqServerManagerModel.h"
#include "pqUndoStack.h"
#include "pqView.h"

#include "vtkPVArrayInformation.h"
#include "vtkPVDataInformation.h"
#include "vtkSMPropertyHelper.h"
#include "vtkSMProxy.h"
#include "vtkSMTransferFunctionManager.h"
#include "vtkSMTransferFunctionProxy.h"

namespace
{
/// What the output says of its numbers; of a filter below, what the one above says.
QString legendOf(pqOutputPort* port)
{
  for (; port; port = lvlm::inputPortOf(port->getSource()))
  {
    vtkPVDataInformation* info = port->getDataInformation();
    vtkPVArrayInformation* legend =
      info ? info->GetArrayInformation("legend", vtkDataObject::FIELD) : nullptr;
    if (legend && legend->GetNumberOfStringValues() > 0)
    {
      return QString::fromUtf8(legend->GetStringValue(0));
    }
  }
  return {};
}

void rescale(vtkSMProxy* colors)
{
  using Manager = vtkSMTransferFunctionManager;
  const int mode = vtkSMPropertyHelper(colors, "AutomaticRescaleRangeMode").GetAsInt();
  if (mode != Manager::NEVER)
  {
    const bool grow = mode == Manager::GROW_ON_APPLY || mode == Manager::GROW_ON_APPLY_AND_TIMESTEP;
    vtkSMTransferFunctionProxy::RescaleTransferFunctionToDataRange(colors, grow);
    // The opacities have a range of their own; left behind, they make a map pale.
    vtkSMProxy* opacities = vtkSMPropertyHelper(colors, "ScalarOpacityFunction", true).GetAsProxy();
    double range[2];
    if (opacities && vtkSMTransferFunctionProxy::GetRange(colors, range))
    {
      vtkSMTransferFunctionProxy::RescaleTransferFunction(opacities, range);
    }
  }
}

/// The legend of the colors in the view of a representation, or nullptr.
vtkSMProxy* legendIn(pqDataRepresentation* shown, vtkSMProxy* colors)
{
  vtkSMProxy* view = shown->getView() ? shown->getView()->getProxy() : nullptr;
  return view && colors ? vtkSMTransferFunctionProxy::FindScalarBarRepresentation(colors, view)
                        : nullptr;
}
}

pqLVLMColors::pqLVLMColors(QObject* parent) : Superclass(parent)
{
  QObject::connect(pqApplicationCore::instance()->getServerManagerModel(),
    &pqServerManagerModel::dataUpdated, this, &pqLVLMColors::follow);
}

pqLVLMColors::~pqLVLMColors() = default;

void pqLVLMColors::follow(pqPipelineSource* source)
{
  if (!lvlm::traceOf(source) || lvlm::traceOf(source) == source)
  {
    return;
  }
  QSet<QString>& said = this->Said[source->getProxy()->GetGlobalID()];
  for (pqOutputPort* port : source->getOutputPorts())
  {
    said.insert(legendOf(port));
  }
  BEGIN_UNDO_EXCLUDE();
  for (pqDataRepresentation* shown : source->getRepresentations(nullptr))
  {
    vtkSMProxy* proxy = shown->getProxy();
    pqOutputPort* port = shown->getOutputPortFromInput();
    vtkPVDataInformation* info = port ? port->getDataInformation() : nullptr;
    if (!proxy->GetProperty("ColorArrayName") || !info ||
      info->GetNumberOfElements(vtkDataObject::POINT) == 0)
    {
      continue; // a filter that failed shows nothing anyway
    }
    vtkSMPropertyHelper array(proxy, "ColorArrayName");
    const char* name = array.GetInputArrayNameToProcess();
    if (!name || !*name)
    {
      continue;
    }
    const bool there = info->GetArrayInformation(name, array.GetInputArrayAssociation()) != nullptr;
    vtkSMProxy* colors = vtkSMPropertyHelper(proxy, "LookupTable", true).GetAsProxy();
    for (vtkSMProxy* one : { proxy, legendIn(shown, colors) })
    {
      if (one)
      {
        this->showIfThere(one, there);
      }
    }
    if (there && colors)
    {
      rescale(colors);
      this->nameLegend(shown, colors, legendOf(port), said);
    }
  }
  END_UNDO_EXCLUDE();
}

void pqLVLMColors::showIfThere(vtkSMProxy* proxy, bool there)
{
  const unsigned int id = proxy->GetGlobalID();
  vtkSMPropertyHelper visible(proxy, "Visibility");
  if (!there && visible.GetAsInt() != 0)
  {
    this->Hidden.insert(id);
    visible.Set(0);
    proxy->UpdateVTKObjects();
  }
  else if (there && this->Hidden.remove(id))
  {
    visible.Set(1);
    proxy->UpdateVTKObjects();
  }
}

void pqLVLMColors::nameLegend(
  pqDataRepresentation* shown, vtkSMProxy* colors, const QString& legend, const QSet<QString>& said)
{
  vtkSMProxy* bar = legendIn(shown, colors);
  if (!bar || legend.isEmpty())
  {
    return;
  }
  vtkSMPropertyHelper title(bar, "Title");
  const QString before = QString::fromUtf8(title.GetAsString());
  if (before != legend && said.contains(before))
  {
    title.Set(legend.toUtf8().data());
    bar->UpdateVTKObjects();
  }
}
