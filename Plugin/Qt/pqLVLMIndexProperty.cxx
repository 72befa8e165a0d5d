// SPDX-License-Identifier: Apache-2.0
#include "pqLVLMIndexProperty.h"

#include "pqApplicationCore.h"
#include "pqProxy.h"
#include "pqServer.h"
#include "pqServerManagerModel.h"
#include "pqUndoStack.h"
#include "pqView.h"

#include "vtkNew.h"
#include "vtkSMIntRangeDomain.h"
#include "vtkSMPropertyHelper.h"
#include "vtkSMProxy.h"
#include "vtkSMSessionProxyManager.h"
#include "vtkSMTrace.h"
#include "vtkSMTransferFunctionManager.h"
#include "vtkSMVectorProperty.h"
#include "vtkSMViewProxy.h"

#include <vector>

pqLVLMIndexProperty::pqLVLMIndexProperty(
  vtkSMProxy* smproxy, vtkSMProperty* smproperty, QWidget* parent)
  : Superclass(smproxy, parent)
{
  this->setProperty(smproperty);
  this->setShowLabel(false); // the property group names the list
}

pqLVLMIndexProperty::~pqLVLMIndexProperty() = default;

void pqLVLMIndexProperty::linkProperty()
{
  const char* own = this->isSingle() ? "index" : "indices";
  this->addPropertyLink(this, own, SIGNAL(indicesChanged()), this->property());
}

bool pqLVLMIndexProperty::isSingle() const
{
  auto* vector = vtkSMVectorProperty::SafeDownCast(this->property());
  return vector && !vector->GetRepeatCommand();
}

int pqLVLMIndexProperty::count() const
{
  auto* domain = this->property()->FindDomain<vtkSMIntRangeDomain>();
  int exists = 0;
  const int lowest = domain ? domain->GetMinimum(0, exists) : 0;
  return exists && lowest < 0 ? -lowest : 0;
}

pqServer* pqLVLMIndexProperty::server() const
{
  pqServerManagerModel* model = pqApplicationCore::instance()->getServerManagerModel();
  return model->findServer(this->proxy()->GetSession());
}

QList<QVariant> pqLVLMIndexProperty::indices() const
{
  QList<QVariant> values;
  for (const int index : this->Indices)
  {
    values << index;
  }
  return values;
}

void pqLVLMIndexProperty::setIndices(const QList<QVariant>& values)
{
  this->Indices.clear();
  for (const QVariant& value : values)
  {
    this->Indices << value.toInt();
  }
  this->showIndices(this->Indices);
}

QVariant pqLVLMIndexProperty::index() const
{
  return this->Indices.value(0);
}

void pqLVLMIndexProperty::setIndex(const QVariant& value)
{
  this->setIndices({ value });
}

bool pqLVLMIndexProperty::isApplied() const
{
  pqServerManagerModel* model = pqApplicationCore::instance()->getServerManagerModel();
  auto* item = model->findItem<pqProxy*>(this->proxy());
  return item && item->modifiedState() != pqProxy::UNINITIALIZED;
}

void pqLVLMIndexProperty::edit(const QList<int>& indices)
{
  this->Indices = indices;
  if (!this->isApplied())
  {
    Q_EMIT this->indicesChanged();
    return;
  }
  BEGIN_UNDO_SET(tr("Choose %1").arg(this->property()->GetXMLLabel()));
  this->push();
  END_UNDO_SET();
  this->showResult();
}

void pqLVLMIndexProperty::showResult()
{
  // As after Apply: data first, then the colors that follow it, then the picture.
  pqServerManagerModel* model = pqApplicationCore::instance()->getServerManagerModel();
  for (pqView* shown : model->findItems<pqView*>(this->server()))
  {
    if (vtkSMViewProxy* smview = shown->getViewProxy())
    {
      smview->Update();
    }
  }
  BEGIN_UNDO_EXCLUDE();
  vtkNew<vtkSMTransferFunctionManager> colors;
  // Those that follow Apply, then those that follow time: a token is a time step.
  for (const bool animating : { false, true })
  {
    colors->ResetAllTransferFunctionRangesUsingCurrentData(
      this->proxy()->GetSessionProxyManager(), animating);
  }
  END_UNDO_EXCLUDE();
  pqApplicationCore::instance()->render();
}

void pqLVLMIndexProperty::aboutToPush() {}

void pqLVLMIndexProperty::push()
{
  SM_SCOPED_TRACE(PropertiesModified).arg("proxy", this->proxy());
  this->aboutToPush();
  vtkSMPropertyHelper helper(this->property());
  const std::vector<int> values(this->Indices.begin(), this->Indices.end());
  if (values.empty())
  {
    helper.SetNumberOfElements(0);
  }
  else
  {
    helper.Set(values.data(), static_cast<unsigned int>(values.size()));
  }
  this->proxy()->UpdateVTKObjects();
}
