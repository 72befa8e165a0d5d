// SPDX-License-Identifier: Apache-2.0
#include "pqLVLMMenu.h"

#include "pqLVLMActions.h"

#include <QAction>

pqLVLMMenu::pqLVLMMenu(QObject* parent) : Superclass(parent)
{
  this->setExclusive(false);
  for (QAction* action : pqLVLMActions::instance()->actions())
  {
    this->addAction(action);
  }
}

pqLVLMMenu::~pqLVLMMenu() = default;
