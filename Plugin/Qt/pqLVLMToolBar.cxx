// SPDX-License-Identifier: Apache-2.0
#include "pqLVLMToolBar.h"

#include "pqLVLMActions.h"

#include <QAction>

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
