// SPDX-License-Identifier: Apache-2.0
#include "pqLVLMOpened.h"

#include "pqApplicationCore.h"
#include "pqCoreUtilities.h"
#include "pqDataRepresentation.h"
#include "pqLVLMPython.h"
#include "pqLVLMSession.h"
#include "pqObjectBuilder.h"
#include "pqPipelineSource.h"
#include "pqView.h"

#include "vtkSMPVRepresentationProxy.h"
#include "vtkSMPropertyHelper.h"

#include <QMainWindow>
#include <QPointer>
#include <QStatusBar>
#include <QTimer>

#include <memory>

namespace
{
/// Of the first output: as a picture, or else with its colours as they are, without a legend.
void showInItsColors(pqPipelineSource* source, bool picture)
{
  for (pqView* view : source->getViews())
  {
    pqDataRepresentation* shown = source->getRepresentation(view);
    auto* proxy = vtkSMPVRepresentationProxy::SafeDownCast(shown ? shown->getProxy() : nullptr);
    if (!proxy)
    {
      continue;
    }
    if (picture)
    {
      vtkSMRepresentationProxy::SetRepresentationType(proxy, "Picture");
    }
    else
    {
      vtkSMPropertyHelper(proxy, "MapScalars", true).Set(0);
      proxy->UpdateVTKObjects();
    }
    proxy->SetScalarBarVisibility(view->getProxy(), false);
    view->render();
  }
}

/// Filters that say themselves which colour each shape has.
bool hasColors(pqPipelineSource* source)
{
  const QString name = source->getProxy()->GetXMLName();
  return name == "LVLMCausalGraph" || name == "LVLMBars";
}
}

pqLVLMOpened::pqLVLMOpened(QObject* parent) : Superclass(parent)
{
  QObject::connect(pqApplicationCore::instance()->getObjectBuilder(),
    QOverload<pqPipelineSource*, const QStringList&>::of(&pqObjectBuilder::readerCreated), this,
    [this](pqPipelineSource* reader) { this->watch(reader); });
  QObject::connect(pqApplicationCore::instance()->getObjectBuilder(),
    &pqObjectBuilder::filterCreated, this,
    [this](pqPipelineSource* filter)
    {
      if (hasColors(filter))
      {
        this->watch(filter);
      }
    });
}

pqLVLMOpened::~pqLVLMOpened() = default;

void pqLVLMOpened::watch(pqPipelineSource* reader)
{
  auto once = std::make_shared<QMetaObject::Connection>();
  *once = QObject::connect(reader, &pqProxy::modifiedStateChanged, this,
    [this, reader, once]()
    {
      if (reader->modifiedState() != pqProxy::UNMODIFIED)
      {
        return;
      }
      QObject::disconnect(*once);
      // Once ParaView has done with Apply, which shows the data and chooses its colours.
      QTimer::singleShot(0, reader, [this, reader]() { this->show(reader); });
    });
}

void pqLVLMOpened::show(pqPipelineSource* reader)
{
  if (hasColors(reader))
  {
    showInItsColors(reader, false);
  }
  else if (lvlm::traceOf(reader) == reader)
  {
    lvlm::runPython(tr("Attention"),
      lvlm::pythonCall("show_attention", { lvlm::pythonString(reader->getSMName()) }));
  }
  else if (lvlm::pictureOf(reader) == reader)
  {
    showInItsColors(reader, true);
    if (auto* window = qobject_cast<QMainWindow*>(pqCoreUtilities::mainWidget()))
    {
      window->statusBar()->showMessage(tr("LVLM > Ask... asks a model about this picture"), 30000);
    }
  }
}
