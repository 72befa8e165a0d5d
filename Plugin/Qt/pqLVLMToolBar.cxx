// SPDX-License-Identifier: Apache-2.0
#include "pqLVLMToolBar.h"

#include "pqLVLMActions.h"

#include <QAction>
#include <QMainWindow>
#include <QTimer>

pqLVLMToolBar::pqLVLMToolBar(QWidget* parent) : Superclass(parent)
{
  this->setObjectName("LVLMToolBar");
  this->setWindowTitle(tr("LVLM"));
  for (QAction* action : pqLVLMActions::instance()->actions())
  {
    if (!action->property("menuOnly").toBool())
    {
      this->addAction(action);
    }
  }
}

pqLVLMToolBar::~pqLVLMToolBar() = default;

void pqLVLMToolBar::resizeEvent(QResizeEvent* event)
{
  this->Superclass::resizeEvent(event);
  QTimer::singleShot(0, this,
    [this]()
    {
      auto* window = qobject_cast<QMainWindow*>(this->parentWidget());
      if (window && this->orientation() == Qt::Horizontal &&
        this->width() < this->sizeHint().width() && !this->isFloating() &&
        !window->toolBarBreak(this))
      {
        window->insertToolBarBreak(this);
      }
    });
}
