// SPDX-License-Identifier: Apache-2.0
#include "pqLVLMAutoStart.h"

#include "pqLVLMCameras.h"
#include "pqLVLMColors.h"
#include "pqLVLMInterrupt.h"
#include "pqLVLMLegends.h"
#include "pqLVLMLoading.h"
#include "pqLVLMOpened.h"
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
  new pqLVLMLegends(this);
  new pqLVLMLoading(this);
  new pqLVLMOpened(this);
  new pqLVLMTimes(this);
  new pqLVLMTouch(this);
  auto* cameras = new pqLVLMCameras(this);
  new pqLVLMUndo(cameras, this);
}

void pqLVLMAutoStart::shutdown()
{
  qDeleteAll(this->children());
}
