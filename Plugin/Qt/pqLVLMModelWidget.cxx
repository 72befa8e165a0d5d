// SPDX-License-Identifier: Apache-2.0
#include "pqLVLMModelWidget.h"

#include "pqApplicationCore.h"
#include "pqCoreUtilities.h"
#include "pqLVLMModelChooser.h"
#include "pqServerManagerModel.h"

#include "vtkCommand.h"
#include "vtkSMProperty.h"
#include "vtkSMProxy.h"

#include <QLabel>
#include <QVBoxLayout>

pqLVLMModelWidget::pqLVLMModelWidget(
  vtkSMProxy* smproxy, vtkSMProperty* smproperty, QWidget* parent)
  : Superclass(smproxy, parent), Chooser(new pqLVLMModelChooser(this))
{
  auto* layout = new QVBoxLayout(this);
  layout->setContentsMargins(0, 0, 0, 0);
  // Its own label above it: beside it, the lines on the model would have half the panel.
  this->setShowLabel(false);
  layout->addWidget(new QLabel(smproperty->GetXMLLabel(), this));
  layout->addWidget(this->Chooser);
  pqServerManagerModel* model = pqApplicationCore::instance()->getServerManagerModel();
  this->Chooser->setServer(model->findServer(smproxy->GetSession()));
  this->Chooser->setQuestion(smproxy);
  this->addPropertyLink(this->Chooser, "directory", SIGNAL(directoryChanged()), smproperty);
  this->watchQuestion(smproxy);
  this->Chooser->refreshSoon();
}

pqLVLMModelWidget::~pqLVLMModelWidget() = default;

void pqLVLMModelWidget::watchQuestion(vtkSMProxy* smproxy)
{
  // The memory that is told follows these while they are edited.
  for (const char* name :
    { "MaxNewTokens", "CaptureFull", "CaptureFullLayers", "CaptureVision", "Precision", "Prompt" })
  {
    if (vtkSMProperty* other = smproxy->GetProperty(name))
    {
      pqCoreUtilities::connect(
        other, vtkCommand::UncheckedPropertyModifiedEvent, this->Chooser, SLOT(refreshSoon()));
    }
  }
}
