// SPDX-License-Identifier: Apache-2.0
#include "pqLVLMToolBar.h"

#include "pqLVLMActions.h"

#include <QAction>

pqLVLMToolBar::pqLVLMToolBar(QWidget* parent) : Superclass(parent)
{
  this->setObjectName("LVLMToolBar");
  this->setWindowTitle(tr("LVLM"));
  this->addActions(pqLVLMActions::instance()->actions());
}

pqLVLMToolBar::~pqLVLMToolBar() = default;
