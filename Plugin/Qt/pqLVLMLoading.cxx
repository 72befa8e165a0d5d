// SPDX-License-Identifier: Apache-2.0
#include "pqLVLMLoading.h"

#include "pqApplicationCore.h"
#include "pqLVLMInterrupt.h"
#include "pqServer.h"
#include "pqServerManagerModel.h"
#include "pqTabbedMultiViewWidget.h"
#include "pqView.h"

#include "vtkSMSessionProxyManager.h"
#include "vtkSMViewProxy.h"

#include <QTimer>
#include <QWidget>

#include <algorithm>

namespace
{
QWidget* tabs()
{
  return qobject_cast<QWidget*>(pqApplicationCore::instance()->manager("MULTIVIEW_WIDGET"));
}

bool isLoading(pqView* view)
{
  return view && view->getServer()->proxyManager()->GetInLoadXMLState();
}
}

lvlm::PaintPause::PaintPause() : Tabs(tabs())
{
  if (this->Tabs && !this->Tabs->updatesEnabled())
  {
    this->Tabs.clear();
  }
  if (this->Tabs)
  {
    this->Tabs->setUpdatesEnabled(false);
  }
}

lvlm::PaintPause::~PaintPause()
{
  if (this->Tabs)
  {
    this->Tabs->setUpdatesEnabled(true);
  }
}

pqLVLMLoading::pqLVLMLoading(QObject* parent) : Superclass(parent), Pause(new QTimer(this))
{
  this->Pause->setSingleShot(true);
  this->Pause->setObjectName(pqLVLMInterrupt::DrawingTimer);
  this->Pause->setInterval(
    200); // ParaView lets the event loop turn once more when it has read a file
  QObject::connect(this->Pause, &QTimer::timeout, this, &pqLVLMLoading::release);
  QObject::connect(pqApplicationCore::instance()->getServerManagerModel(),
    &pqServerManagerModel::viewAdded, this, &pqLVLMLoading::hold);
}

pqLVLMLoading::~pqLVLMLoading() = default;

void pqLVLMLoading::hold(pqView* view)
{
  if (!isLoading(view))
  {
    return;
  }
  view->getViewProxy()->SetEnable(false);
  this->Held << view;
  if (QWidget* widget = tabs())
  {
    widget->setUpdatesEnabled(false);
  }
  this->Pause->start();
}

void pqLVLMLoading::release()
{
  if (std::any_of(this->Held.begin(), this->Held.end(), isLoading))
  {
    this->Pause->start();
    return;
  }
  for (const QPointer<pqView>& view : this->Held)
  {
    if (!view)
    {
      continue;
    }
    view->getViewProxy()->SetEnable(true);
    view->cancelPendingRenders();
    if (view->widget()->isVisible())
    {
      view->forceRender();
    }
  }
  this->Held.clear();
  if (QWidget* widget = tabs())
  {
    widget->setUpdatesEnabled(true);
  }
}
