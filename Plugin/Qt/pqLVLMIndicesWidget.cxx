// SPDX-License-Identifier: Apache-2.0
#include "pqLVLMIndicesWidget.h"

#include "pqCoreUtilities.h"
#include "pqLVLMIndexGrid.h"

#include "vtkCommand.h"
#include "vtkSMDomain.h"
#include "vtkSMIntRangeDomain.h"
#include "vtkSMProperty.h"

#include <QHBoxLayout>
#include <QLabel>
#include <QToolButton>
#include <QVBoxLayout>

pqLVLMIndicesWidget::pqLVLMIndicesWidget(
  vtkSMProxy* smproxy, vtkSMProperty* smproperty, QWidget* parent)
  : Superclass(smproxy, smproperty, parent), Grid(new pqLVLMIndexGrid(this)),
    Summary(new QLabel(this))
{
  this->Grid->setObjectName("Grid");
  this->Grid->setSingle(this->isSingle());
  this->Grid->setToolTip(this->isSingle()
      ? tr("Click a number to choose it.")
      : tr("Click numbers, or drag over them, to choose them. None chosen means all."));
  this->Summary->setObjectName("Summary");
  this->Summary->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred);

  auto* row = new QHBoxLayout;
  row->addWidget(this->Summary, 1);
  const auto addButton =
    [&](const char* name, const QString& text, const QString& tip, const QList<int>& indices)
  {
    auto* button = new QToolButton(this);
    button->setObjectName(name);
    button->setText(text);
    button->setToolTip(tip);
    QObject::connect(
      button, &QToolButton::clicked, this, [this, indices]() { this->choose(indices); });
    row->addWidget(button);
  };
  if (!this->isSingle())
  {
    addButton("All", tr("All"), tr("Choose all: an empty list"), {});
  }
  addButton("Last", tr("Last"), tr("Choose the last one, whatever the number of them: -1"), { -1 });

  auto* layout = new QVBoxLayout(this);
  layout->setContentsMargins(0, 0, 0, 0);
  layout->setSpacing(4);
  layout->addWidget(this->Grid);
  layout->addLayout(row);

  QObject::connect(
    this->Grid, &pqLVLMIndexGrid::edited, this, [this]() { this->choose(this->Grid->indices()); });
  if (auto* domain = smproperty->FindDomain<vtkSMIntRangeDomain>())
  {
    pqCoreUtilities::connect(domain, vtkCommand::DomainModifiedEvent, this, SLOT(refresh()));
  }
  this->refresh();
  this->linkProperty();
}

pqLVLMIndicesWidget::~pqLVLMIndicesWidget() = default;

void pqLVLMIndicesWidget::refresh()
{
  this->Grid->setCount(this->count());
  this->Summary->setText(this->Grid->summary());
  this->updateGeometry();
}

void pqLVLMIndicesWidget::choose(const QList<int>& indices)
{
  this->showIndices(indices);
  this->edit(indices);
}

void pqLVLMIndicesWidget::showIndices(const QList<int>& indices)
{
  this->Grid->setIndices(indices);
  this->Summary->setText(this->Grid->summary());
  this->Summary->setToolTip(this->Summary->text());
}
