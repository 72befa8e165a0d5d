// SPDX-License-Identifier: Apache-2.0
#include "pqLVLMTimes.h"

#include "pqApplicationCore.h"
#include "pqLVLMSession.h"
#include "pqPipelineSource.h"
#include "pqServerManagerModel.h"

#include "vtkSMSourceProxy.h"

pqLVLMTimes::pqLVLMTimes(QObject* parent) : Superclass(parent)
{
  QObject::connect(pqApplicationCore::instance()->getServerManagerModel(),
    &pqServerManagerModel::dataUpdated, this, &pqLVLMTimes::refresh);
}

pqLVLMTimes::~pqLVLMTimes() = default;

void pqLVLMTimes::refresh(pqPipelineSource* source)
{
  if (lvlm::traceOf(source) == source)
  {
    source->getSourceProxy()->UpdatePipelineInformation();
  }
}
