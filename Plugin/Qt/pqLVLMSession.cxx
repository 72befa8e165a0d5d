// SPDX-License-Identifier: Apache-2.0
#include "pqLVLMSession.h"

#include "pqActiveObjects.h"
#include "pqApplicationCore.h"
#include "pqDataRepresentation.h"
#include "pqOutputPort.h"
#include "pqPipelineFilter.h"
#include "pqPipelineSource.h"
#include "pqSelectionManager.h"
#include "pqServerManagerModel.h"
#include "pqView.h"

#include "vtkDataObject.h"
#include "vtkDataObjectTypes.h"
#include "vtkPVArrayInformation.h"
#include "vtkPVDataInformation.h"
#include "vtkPVDataSetAttributesInformation.h"
#include "vtkSMPropertyHelper.h"
#include "vtkSMSourceProxy.h"

#include <QSet>

#include <algorithm>

namespace
{
QList<pqPipelineSource*> sources()
{
  pqServerManagerModel* model = pqApplicationCore::instance()->getServerManagerModel();
  QList<pqPipelineSource*> all =
    model->findItems<pqPipelineSource*>(pqActiveObjects::instance().activeServer());
  std::sort(all.begin(), all.end(),
    [](pqPipelineSource* a, pqPipelineSource* b)
    { return a->getProxy()->GetGlobalID() < b->getProxy()->GetGlobalID(); });
  return all;
}

bool isTrace(pqPipelineSource* source)
{
  const QString name = source->getProxy()->GetXMLName();
  return name == "LLaVAInference" || name == "LVLMTraceReader";
}

pqPipelineSource* inputOf(pqPipelineSource* source)
{
  pqOutputPort* port = lvlm::inputPortOf(source);
  return port ? port->getSource() : nullptr;
}

/// One slice of pixels with colours or grey values on its points, and not one of our maps.
bool isPicture(pqPipelineSource* source)
{
  if (lvlm::traceOf(source) || source->modifiedState() == pqProxy::UNINITIALIZED)
  {
    return false;
  }
  vtkPVDataInformation* info = source->getOutputPort(0)->getDataInformation();
  if (!info || info->GetDataSetType() != VTK_IMAGE_DATA)
  {
    return false;
  }
  const int* extent = info->GetExtent();
  return extent[4] == extent[5] && info->GetNumberOfPoints() > 0 &&
    info->GetPointDataInformation()->GetNumberOfArrays() > 0;
}

template <typename Test>
QList<pqPipelineSource*> sourcesThat(Test&& test)
{
  QList<pqPipelineSource*> found = sources();
  found.erase(std::remove_if(found.begin(), found.end(),
                [&](pqPipelineSource* source) { return !test(source); }),
    found.end());
  return found;
}
}

namespace lvlm
{

QList<pqPipelineSource*> traces()
{
  return sourcesThat(isTrace);
}

pqPipelineSource* traceOf(pqPipelineSource* source)
{
  while (source && !isTrace(source))
  {
    source = inputOf(source);
  }
  return source;
}

pqOutputPort* inputPortOf(pqPipelineSource* source)
{
  auto* filter = qobject_cast<pqPipelineFilter*>(source);
  if (!filter || filter->getNumberOfInputPorts() == 0)
  {
    return nullptr;
  }
  const QString port = filter->getInputPortName(0);
  return filter->getNumberOfInputs(port) > 0 ? filter->getInput(port, 0) : nullptr;
}

bool showsTrace(pqView* view)
{
  const QList<pqRepresentation*> shown = view->getRepresentations();
  return std::any_of(shown.begin(), shown.end(),
    [](pqRepresentation* representation)
    {
      auto* data = qobject_cast<pqDataRepresentation*>(representation);
      return data && traceOf(data->getInput());
    });
}

pqPipelineSource* pictureOf(pqPipelineSource* source)
{
  pqPipelineSource* trace = traceOf(source);
  source = trace ? inputOf(trace) : source;
  return source && isPicture(source) ? source : nullptr;
}

pqPipelineSource* currentTrace()
{
  pqPipelineSource* active = traceOf(pqActiveObjects::instance().activeSource());
  const QList<pqPipelineSource*> all = traces();
  return active ? active : all.isEmpty() ? nullptr : all.last();
}

QList<pqPipelineSource*> pictures()
{
  return sourcesThat(isPicture);
}

int currentToken()
{
  pqPipelineSource* active = pqActiveObjects::instance().activeSource();
  vtkSMProxy* proxy = active ? active->getProxy() : nullptr;
  vtkSMProperty* follow = proxy ? proxy->GetProperty("FollowTime") : nullptr;
  if (follow && vtkSMPropertyHelper(follow).GetAsInt() != 0)
  {
    return -1;
  }
  for (const char* name : { "AnswerTokens", "AnswerToken" })
  {
    vtkSMProperty* property = proxy ? proxy->GetProperty(name) : nullptr;
    if (property && vtkSMPropertyHelper(property).GetNumberOfElements() == 1)
    {
      return vtkSMPropertyHelper(property).GetAsInt(0);
    }
  }
  return -1;
}

pqSelectionManager* selectionManager()
{
  return qobject_cast<pqSelectionManager*>(
    pqApplicationCore::instance()->manager("SELECTION_MANAGER"));
}

pqOutputPort* selectedMap()
{
  pqSelectionManager* manager = selectionManager();
  if (!manager)
  {
    return nullptr;
  }
  for (pqOutputPort* port : manager->getSelectedPorts())
  {
    if (!port->getSelectionInput() || !port->getSource() || !traceOf(port->getSource()))
    {
      continue;
    }
    // A patch of one region alone has another number, or is of another picture.
    const vtkSMPropertyHelper region(port->getSource()->getProxy(), "Region", true);
    const bool whole = region.GetNumberOfElements() == 0 || region.GetAsInt() == -1;
    if (whole && port->getDataInformation()->GetDataSetType() == VTK_IMAGE_DATA)
    {
      return port;
    }
  }
  return nullptr;
}

bool mayHaveBlock(pqPipelineSource* trace, const char* name)
{
  if (!trace || trace->modifiedState() == pqProxy::UNINITIALIZED)
  {
    return false;
  }
  vtkPVDataInformation* info = trace->getOutputPort(0)->getDataInformation();
  if (!info || info->GetNumberOfPoints() == 0)
  {
    return true;
  }
  return info->GetArrayInformation(name, vtkDataObject::POINT) != nullptr;
}

} // namespace lvlm
