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

#include <QMainWindow>
#include <QPointer>
#include <QStatusBar>
#include <QTimer>

#include <memory>

namespace
{
void showInItsColors(pqPipelineSource* picture)
{
  for (pqView* view : picture->getViews())
  {
    pqDataRepresentation* shown = picture->getRepresentation(view);
    vtkSMProxy* proxy = shown ? shown->getProxy() : nullptr;
    if (proxy && vtkSMRepresentationProxy::SafeDownCast(proxy) &&
      vtkSMRepresentationProxy::SetRepresentationType(proxy, "Picture"))
    {
      vtkSMPVRepresentationProxy::HideScalarBarIfNotNeeded(proxy, view->getProxy());
      if (vtkSMPVRepresentationProxy::SafeDownCast(proxy))
      {
        vtkSMPVRepresentationProxy::SetScalarBarVisibility(proxy, view->getProxy(), false);
      }
      view->render();
    }
  }
}
}

pqLVLMOpened::pqLVLMOpened(QObject* parent) : Superclass(parent)
{
  QObject::connect(pqApplicationCore::instance()->getObjectBuilder(),
    QOverload<pqPipelineSource*, const QStringList&>::of(&pqObjectBuilder::readerCreated), this,
    [this](pqPipelineSource* reader) { this->watch(reader); });
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
  if (lvlm::traceOf(reader) == reader)
  {
    lvlm::runPython(tr("Attention"),
      lvlm::pythonCall("show_attention", { lvlm::pythonString(reader->getSMName()) }));
  }
  else if (lvlm::pictureOf(reader) == reader)
  {
    showInItsColors(reader);
    if (auto* window = qobject_cast<QMainWindow*>(pqCoreUtilities::mainWidget()))
    {
      window->statusBar()->showMessage(tr("LVLM > Ask... asks a model about this picture"), 30000);
    }
  }
}
