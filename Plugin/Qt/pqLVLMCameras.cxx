// SPDX-License-Identifier: Apache-2.0
#include "pqLVLMCameras.h"

#include "pqApplicationCore.h"
#include "pqLVLMInterrupt.h"
#include "pqLVLMPython.h"
#include "pqProxy.h"
#include "pqRenderView.h"
#include "pqServerManagerModel.h"

#include "vtkCamera.h"
#include "vtkCommand.h"
#include "vtkSMPropertyHelper.h"
#include "vtkSMRenderViewProxy.h"

#include <QApplication>
#include <QEvent>
#include <QJsonArray>
#include <QJsonDocument>
#include <QJsonObject>
#include <QTimer>
#include <QWidget>

#include <algorithm>
#include <cmath>

namespace
{
// The names in lvlm/cameras.py.
const char* const Fit = "lvlm.fit";
const char* const Group = "lvlm.group";

std::array<double, 10> cameraOf(vtkSMRenderViewProxy* view)
{
  std::array<double, 10> camera{};
  vtkCamera* from = view->GetActiveCamera();
  from->GetPosition(camera.data());
  from->GetFocalPoint(camera.data() + 3);
  from->GetViewUp(camera.data() + 6);
  camera[9] = from->GetParallelScale();
  return camera;
}

/// Whether the camera is the one that the view was fitted to.
bool isFitted(vtkSMRenderViewProxy* view, const std::array<double, 10>& camera)
{
  const QJsonArray fitted =
    QJsonDocument::fromJson(view->GetAnnotation(Fit)).object().value("camera").toArray();
  return fitted.size() == static_cast<int>(camera.size()) &&
    std::equal(camera.begin(), camera.end(), fitted.begin(),
      [](double a, const QJsonValue& b)
      { return std::abs(a - b.toDouble()) <= 1e-9 * std::max(1.0, std::abs(a)); });
}

vtkSMRenderViewProxy* fittedProxy(pqView* view)
{
  auto* proxy = vtkSMRenderViewProxy::SafeDownCast(view->getProxy());
  return proxy && proxy->HasAnnotation(Fit) ? proxy : nullptr;
}
}

pqLVLMCameras::pqLVLMCameras(QObject* parent) : Superclass(parent), Pause(new QTimer(this))
{
  this->Pause->setSingleShot(true);
  this->Pause->setObjectName(pqLVLMInterrupt::DrawingTimer);
  this->Pause->setInterval(50);
  QObject::connect(this->Pause, &QTimer::timeout, this, &pqLVLMCameras::refit);
  pqServerManagerModel* model = pqApplicationCore::instance()->getServerManagerModel();
  QObject::connect(model, &pqServerManagerModel::viewAdded, this, &pqLVLMCameras::watch);
  QObject::connect(model, &pqServerManagerModel::preViewRemoved, this, &pqLVLMCameras::forget);
  QObject::connect(model, &pqServerManagerModel::proxyAdded, this, &pqLVLMCameras::settle);
  for (pqView* view : model->findItems<pqView*>())
  {
    this->watch(view);
  }
}

pqLVLMCameras::~pqLVLMCameras()
{
  for (pqView* view : pqApplicationCore::instance()->getServerManagerModel()->findItems<pqView*>())
  {
    this->forget(view);
  }
}

void pqLVLMCameras::watch(pqView* view)
{
  if (auto* renderView = qobject_cast<pqRenderView*>(view))
  {
    renderView->widget()->installEventFilter(this);
    vtkSMProxy* proxy = renderView->getProxy();
    this->Observed[proxy] = proxy->AddObserver(vtkCommand::EndEvent, this, &pqLVLMCameras::follow);
  }
}

void pqLVLMCameras::forget(pqView* view)
{
  vtkSMProxy* proxy = view->getProxy();
  this->Last.remove(proxy);
  if (this->Observed.contains(proxy))
  {
    proxy->RemoveObserver(this->Observed.take(proxy));
  }
}

bool pqLVLMCameras::eventFilter(QObject* watched, QEvent* event)
{
  if (event->type() == QEvent::Resize)
  {
    this->refitSoon();
  }
  return this->Superclass::eventFilter(watched, event);
}

void pqLVLMCameras::refitSoon()
{
  this->Pause->start();
}

void pqLVLMCameras::refit()
{
  const QList<pqView*> views =
    pqApplicationCore::instance()->getServerManagerModel()->findItems<pqView*>();
  if (std::any_of(views.begin(), views.end(), fittedProxy))
  {
    lvlm::runPythonQuietly("import lvlm.cameras\nlvlm.cameras.refit()");
  }
}

void pqLVLMCameras::settle(pqProxy* proxy)
{
  if (proxy->getSMGroup() != "layouts")
  {
    return;
  }
  constexpr int Storeys = 4; // tab, its frames, their widgets: each hands its size on
  for (int i = 0; i < Storeys; ++i)
  {
    QApplication::sendPostedEvents(nullptr, QEvent::LayoutRequest);
  }
}

void pqLVLMCameras::follow(vtkObject* caller, unsigned long, void* interactive)
{
  auto* view = vtkSMRenderViewProxy::SafeDownCast(caller);
  const char* group = view ? view->GetAnnotation(Group) : nullptr;
  if (!group)
  {
    return;
  }
  const Camera camera = cameraOf(view);
  const bool moved = this->Last.contains(view) && this->Last[view] != camera;
  this->Last[view] = camera;
  if (!moved || isFitted(view, camera))
  {
    return;
  }
  for (pqView* other : pqApplicationCore::instance()->getServerManagerModel()->findItems<pqView*>())
  {
    vtkSMRenderViewProxy* proxy = fittedProxy(other);
    const char* name = proxy ? proxy->GetAnnotation(Group) : nullptr;
    if (proxy != view && name && QString(name) == group)
    {
      this->copyTo(view, proxy, interactive && *static_cast<int*>(interactive));
    }
  }
}

void pqLVLMCameras::copyTo(vtkSMRenderViewProxy* from, vtkSMRenderViewProxy* to, bool interactive)
{
  Camera camera = cameraOf(from);
  vtkCamera* target = to->GetActiveCamera();
  target->SetPosition(camera.data());
  target->SetFocalPoint(camera.data() + 3);
  target->SetViewUp(camera.data() + 6);
  target->SetParallelScale(camera[9]);
  this->Last[to] = camera; // so that it does not lead the others in turn
  if (interactive)
  {
    to->InteractiveRender();
  }
  else
  {
    to->SynchronizeCameraProperties();
    to->StillRender();
  }
}
