// SPDX-License-Identifier: Apache-2.0
#include "pqLVLMTouch.h"

#include "pqActiveObjects.h"
#include "pqApplicationCore.h"
#include "pqLVLMActions.h"
#include "pqLVLMInterrupt.h"
#include "pqLVLMPython.h"
#include "pqLVLMSession.h"
#include "pqRenderView.h"
#include "pqServer.h"
#include "pqServerManagerModel.h"

#include "vtkPVRenderView.h"
#include "vtkSMPropertyHelper.h"
#include "vtkSMViewProxy.h"

#include <QAction>
#include <QApplication>
#include <QMouseEvent>
#include <QTimer>
#include <QToolTip>
#include <QWidget>

#include <algorithm>

namespace
{
constexpr int RestingTime = 400; // milliseconds

/// Not while something runs, nor while one of ParaView's tools has the mouse.
bool canPick(pqRenderView* view)
{
  const int mode = vtkSMPropertyHelper(view->getProxy(), "InteractionMode").GetAsInt();
  const bool free =
    mode == vtkPVRenderView::INTERACTION_MODE_2D || mode == vtkPVRenderView::INTERACTION_MODE_3D;
  return free && !view->getServer()->isProgressPending() && lvlm::showsTrace(view);
}

/// The arguments of lvlm.touch's functions for a place in the view's widget: pixels from the lower
/// left.
QString argumentsOf(pqRenderView* view, const QPoint& place)
{
  const QWidget* widget = view->widget();
  const qreal ratio = widget->devicePixelRatioF();
  return QStringLiteral("%1, %2")
    .arg(qRound(place.x() * ratio))
    .arg(qRound((widget->height() - 1 - place.y()) * ratio));
}

/// The render view that the widget is part of, or nullptr.
pqRenderView* viewOf(QWidget* widget)
{
  const QList<pqRenderView*> views =
    pqApplicationCore::instance()->getServerManagerModel()->findItems<pqRenderView*>();
  const auto found = std::find_if(views.begin(), views.end(),
    [widget](pqRenderView* view) {
      return view->widget() && (view->widget() == widget || view->widget()->isAncestorOf(widget));
    });
  return found == views.end() ? nullptr : *found;
}

bool isHovering()
{
  for (const QAction* action : pqLVLMActions::instance()->actions())
  {
    if (action->objectName() == "actionLVLMHover")
    {
      return action->isChecked();
    }
  }
  return false;
}
}

pqLVLMTouch::pqLVLMTouch(QObject* parent) : Superclass(parent), Rest(new QTimer(this))
{
  this->Rest->setSingleShot(true);
  this->Rest->setObjectName(pqLVLMInterrupt::DrawingTimer);
  this->Rest->setInterval(RestingTime);
  QObject::connect(this->Rest, &QTimer::timeout, this, &pqLVLMTouch::tell);
  // What gets the mouse is a widget inside the view's own, which it may make at any time.
  QApplication::instance()->installEventFilter(this);
}

pqLVLMTouch::~pqLVLMTouch() = default;

bool pqLVLMTouch::eventFilter(QObject* watched, QEvent* event)
{
  switch (event->type())
  {
    case QEvent::MouseButtonPress:
    case QEvent::MouseButtonRelease:
    case QEvent::MouseMove:
      if (auto* widget = qobject_cast<QWidget*>(watched))
      {
        this->follow(viewOf(widget), static_cast<QMouseEvent*>(event));
      }
      break;
    case QEvent::Leave:
      this->Rest->stop();
      break;
    default:
      break;
  }
  return false;
}

void pqLVLMTouch::follow(pqRenderView* view, QMouseEvent* mouse)
{
  if (!view)
  {
    this->Rest->stop();
    return;
  }
  const QPoint place = view->widget()->mapFromGlobal(mouse->globalPos());
  if (mouse->type() == QEvent::MouseButtonPress)
  {
    this->Rest->stop();
    this->Clicking = mouse->button() == Qt::LeftButton && mouse->modifiers() == Qt::NoModifier;
    this->Pressed = place;
  }
  else if (mouse->type() == QEvent::MouseMove)
  {
    this->View = view;
    this->At = place;
    this->Clicking = this->Clicking && (place - this->Pressed).manhattanLength() < 4;
    mouse->buttons() == Qt::NoButton ? this->Rest->start() : this->Rest->stop();
  }
  else if (this->Clicking && mouse->button() == Qt::LeftButton)
  {
    this->Clicking = false;
    // Once the view has done with it.
    const QPointer<pqRenderView> clicked = view;
    QTimer::singleShot(0, this,
      [this, clicked, place]()
      {
        if (clicked)
        {
          this->choose(clicked, place);
        }
      });
  }
}

void pqLVLMTouch::choose(pqRenderView* view, const QPoint& place)
{
  if (!canPick(view))
  {
    return;
  }
  pqActiveObjects::instance().setActiveView(view);
  const QString call =
    lvlm::askPython(QStringLiteral("lvlm.touch.call_at(%1)").arg(argumentsOf(view, place)));
  if (!call.isEmpty())
  {
    lvlm::runPython(tr("Choose"), QStringLiteral("lvlm.") + call);
  }
}

void pqLVLMTouch::tell()
{
  if (!this->View || !isHovering() || !canPick(this->View) || !this->View->widget()->isVisible())
  {
    return;
  }
  const QString text =
    lvlm::askPython(QStringLiteral("lvlm.touch.text_at(%1, lvlm.touch.view_of(%2))")
                      .arg(argumentsOf(this->View, this->At))
                      .arg(this->View->getProxy()->GetGlobalID()));
  const QPoint place = this->View->widget()->mapToGlobal(this->At);
  QToolTip::showText(
    place, text, this->View->widget(), QRect(this->At - QPoint(3, 3), QSize(7, 7)));
}
