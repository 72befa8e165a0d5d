// SPDX-License-Identifier: Apache-2.0
#include "pqLVLMAutoStart.h"

#include "pqLVLMColors.h"
#include "pqLVLMInterrupt.h"
#include "pqLVLMSelection.h"
#include "pqLVLMTimes.h"
#include "pqLVLMTouch.h"
#include "pqLVLMUndo.h"

pqLVLMAutoStart::pqLVLMAutoStart(QObject* parent) : Superclass(parent) {}

pqLVLMAutoStart::~pqLVLMAutoStart() = default;

void pqLVLMAutoStart::startup()
{
  new pqLVLMSelection(this);
  new pqLVLMColors(this);
  new pqLVLMInterrupt(this);
  new pqLVLMTimes(this);
  new pqLVLMTouch(this);
  new pqLVLMUndo(this);
}

void pqLVLMAutoStart::shutdown()
{
  qDeleteAll(this->children());
}
