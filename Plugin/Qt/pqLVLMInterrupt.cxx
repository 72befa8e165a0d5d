// SPDX-License-Identifier: Apache-2.0
#include "pqLVLMInterrupt.h"

#include "pqApplicationCore.h"
#include "pqCoreUtilities.h"
#include "pqPipelineSource.h"
#include "pqProgressManager.h"
#include "pqServerManagerModel.h"

#include "vtkAlgorithm.h"
#include "vtkCommand.h"
#include "vtkSMProxy.h"

#include <QApplication>
#include <QEvent>
#include <QWidget>
#include <QWindow>

#include <algorithm>

namespace
{
constexpr int ShortestPause = 60; // milliseconds between two looks at the window's events
constexpr int PauseFactor = 4;    // and as many times as long as the look took: drawing may be slow
constexpr int LongestLook = 20;   // milliseconds

pqProgressManager* progress()
{
  return pqApplicationCore::instance()->getProgressManager();
}
}

pqLVLMInterrupt::pqLVLMInterrupt(QObject* parent) : Superclass(parent)
{
  pqServerManagerModel* model = pqApplicationCore::instance()->getServerManagerModel();
  QObject::connect(model, &pqServerManagerModel::sourceAdded, this, &pqLVLMInterrupt::watch);
  for (pqPipelineSource* source : model->findItems<pqPipelineSource*>())
  {
    this->watch(source);
  }
}

pqLVLMInterrupt::~pqLVLMInterrupt() = default;

void pqLVLMInterrupt::watch(pqPipelineSource* source)
{
  const QString name = source->getProxy()->GetXMLName();
  auto* filter = vtkAlgorithm::SafeDownCast(source->getProxy()->GetClientSideObject());
  if (!filter || !(name == "LLaVAInference" || name.startsWith("LVLM")))
  {
    return;
  }
  pqCoreUtilities::connect(filter, vtkCommand::StartEvent, this, SLOT(onStart(vtkObject*)));
  pqCoreUtilities::connect(filter, vtkCommand::ProgressEvent, this, SLOT(onProgress()));
  pqCoreUtilities::connect(filter, vtkCommand::EndEvent, this, SLOT(onEnd(vtkObject*)));
}

void pqLVLMInterrupt::onStart(vtkObject* filter)
{
  // A filter that undo and redo brought back is watched twice; it must not count twice.
  if (this->Running.contains(static_cast<vtkAlgorithm*>(filter)))
  {
    return;
  }
  this->Running.insert(static_cast<vtkAlgorithm*>(filter));
  if (this->Running.size() == 1)
  {
    this->listenToButton();
    progress()->setEnableProgress(true);
    progress()->setEnableAbort(true);
    // Installed last, it is asked first.
    qApp->installEventFilter(this);
    this->letClicksThrough(true);
    this->SinceEvents.start();
    this->Pause = 0;
  }
}

void pqLVLMInterrupt::onEnd(vtkObject* filter)
{
  if (this->Running.remove(static_cast<vtkAlgorithm*>(filter)) && this->Running.isEmpty())
  {
    this->letClicksThrough(false);
    qApp->removeEventFilter(this);
    progress()->setEnableAbort(false);
    progress()->setEnableProgress(false);
    for (QTimer* timer : this->PutOff)
    {
      if (timer)
      {
        timer->start();
      }
    }
    this->PutOff.clear();
    for (QWidget* widget : this->Unpainted)
    {
      if (widget)
      {
        widget->update();
      }
    }
    this->Unpainted.clear();
  }
}

void pqLVLMInterrupt::onProgress()
{
  if (this->Looking || this->Running.isEmpty() || this->SinceEvents.elapsed() < this->Pause)
  {
    return;
  }
  this->Looking = true;
  this->SinceEvents.start();
  QApplication::processEvents(QEventLoop::AllEvents, LongestLook);
  this->Pause = std::max<qint64>(ShortestPause, PauseFactor * this->SinceEvents.elapsed());
  this->SinceEvents.start();
  this->Looking = false;
}

void pqLVLMInterrupt::listenToButton()
{
  // Not ParaView's own answer to it: that of 6.1 did not reach a filter of this process.
  for (QWidget* bar : pqCoreUtilities::mainWidget()->findChildren<QWidget*>())
  {
    if (bar->inherits("pqProgressWidget"))
    {
      QObject::connect(bar, SIGNAL(abortPressed()), this, SLOT(abort()), Qt::UniqueConnection);
    }
  }
}

void pqLVLMInterrupt::abort()
{
  for (vtkAlgorithm* filter : this->Running)
  {
    filter->SetAbortExecute(1);
  }
}

void pqLVLMInterrupt::letClicksThrough(bool on)
{
  // A mouse's events come to the window first, which hands them to the widget under the mouse.
  // ParaView names the Abort button as one that stays usable, but not the window: so no click ever
  // got as far as the button.
  QWidget* widget = pqCoreUtilities::mainWidget();
  if (QWindow* window = widget ? widget->windowHandle() : nullptr)
  {
    if (on)
    {
      progress()->addNonBlockableObject(window);
    }
    else
    {
      progress()->removeNonBlockableObject(window);
    }
  }
}

bool pqLVLMInterrupt::putOff(QObject* watched)
{
  // ParaView's delayed work hangs on timers of this class, but for that of a view's interactor,
  // which draws it once more a while after it has got another size.
  const QObject* owner = watched->parent();
  const bool draws = watched->inherits("pqTimer") || watched->objectName() == DrawingTimer ||
    (owner && owner->inherits("QVTKInteractorInternal"));
  auto* timer = draws ? qobject_cast<QTimer*>(watched) : nullptr;
  if (timer)
  {
    timer->stop();
    this->PutOff.append(timer);
  }
  return timer != nullptr;
}

bool pqLVLMInterrupt::putOffPainting(QObject* watched)
{
  auto* widget = watched->inherits("QOpenGLWidget") ? qobject_cast<QWidget*>(watched) : nullptr;
  if (widget && !this->Unpainted.contains(widget))
  {
    this->Unpainted.append(widget);
  }
  return widget != nullptr;
}

bool pqLVLMInterrupt::eventFilter(QObject* watched, QEvent* event)
{
  switch (event->type())
  {
    case QEvent::Close:
      if (watched == pqCoreUtilities::mainWidget())
      {
        // The window must not go away under a running filter: first it ends.
        this->abort();
        event->ignore();
        return true;
      }
      break;
    case QEvent::Timer:
      if (this->putOff(watched))
      {
        return true;
      }
      break;
    case QEvent::Paint:
      if (this->putOffPainting(watched))
      {
        return true;
      }
      break;
    case QEvent::Shortcut:
    case QEvent::ContextMenu:
    case QEvent::Drop:
      return true;
    case QEvent::KeyPress:
    case QEvent::KeyRelease:
    case QEvent::MouseButtonPress:
    case QEvent::MouseButtonRelease:
    case QEvent::MouseButtonDblClick:
    case QEvent::Wheel:
      return watched->isWidgetType() && !progress()->nonBlockableObjects().contains(watched);
    default:
      break;
  }
  return this->Superclass::eventFilter(watched, event);
}
