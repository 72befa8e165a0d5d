// SPDX-License-Identifier: Apache-2.0
#include "pqLVLMColors.h"

#include "pqApplicationCore.h"
#include "pqDataRepresentation.h"
#include "pqLVLMSession.h"
#include "pqOutputPort.h"
#include "pqPipelineSource.h"
#include "pqServerManagerModel.h"
#include "pqUndoStack.h"
#include "pqView.h"

#include "vtkPVArrayInformation.h"
#include "vtkPVDataInformation.h"
#include "vtkSMPropertyHelper.h"
#include "vtkSMProxy.h"
#include "vtkSMTransferFunctionManager.h"
#include "vtkSMTransferFunctionProxy.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

namespace
{
/// What the output says of its numbers in a text of its field data; of a filter below, what the one
/// above says.
QString saidOf(pqOutputPort* port, const char* name)
{
  for (; port; port = lvlm::inputPortOf(port->getSource()))
  {
    vtkPVDataInformation* info = port->getDataInformation();
    vtkPVArrayInformation* text =
      info ? info->GetArrayInformation(name, vtkDataObject::FIELD) : nullptr;
    if (text && text->GetNumberOfStringValues() > 0)
    {
      return QString::fromUtf8(text->GetStringValue(0));
    }
  }
  return {};
}

QString legendOf(pqOutputPort* port)
{
  return saidOf(port, "legend");
}

/// Name of a proxy's annotation, set by lvlm/views.py: colors that have the same text share one
/// scale, one around 0 where it begins with Symmetric.
constexpr const char* ScaleAnnotation = "lvlm.scale";
constexpr const char* Symmetric = "symmetric";

struct Range
{
  double low = 1, high = 0;

  bool empty() const { return this->low > this->high; }
  void add(double from, double to)
  {
    this->low = this->empty() ? from : std::min(this->low, from);
    this->high = this->empty() ? to : std::max(this->high, to);
  }
};

/// Of the numbers that a representation is colored by now.
Range dataRange(pqDataRepresentation* shown)
{
  Range range;
  pqOutputPort* port = shown->getOutputPortFromInput();
  vtkPVDataInformation* info = port ? port->getDataInformation() : nullptr;
  vtkSMPropertyHelper array(shown->getProxy(), "ColorArrayName");
  const char* name = array.GetInputArrayNameToProcess();
  vtkPVArrayInformation* numbers =
    info && name ? info->GetArrayInformation(name, array.GetInputArrayAssociation()) : nullptr;
  if (numbers)
  {
    const double* values = numbers->GetComponentRange(0);
    range.add(values[0], values[1]);
  }
  return range;
}

/// The opacities have a range of their own; left behind, they make a map pale.
void bringOpacities(vtkSMProxy* colors)
{
  vtkSMProxy* opacities = vtkSMPropertyHelper(colors, "ScalarOpacityFunction", true).GetAsProxy();
  double range[2];
  if (opacities && vtkSMTransferFunctionProxy::GetRange(colors, range))
  {
    vtkSMTransferFunctionProxy::RescaleTransferFunction(opacities, range);
  }
}

/// The common scale of all colors with this annotation: of what they show now when it has become
/// another thing, else as it was, grown by what lies outside.
void rescaleTogether(const std::string& scale, bool anotherThing)
{
  Range all;
  QList<std::pair<pqDataRepresentation*, vtkSMProxy*>> together;
  for (pqDataRepresentation* shown :
    pqApplicationCore::instance()->getServerManagerModel()->findItems<pqDataRepresentation*>())
  {
    vtkSMProxy* colors = pqLVLMColors::colorsOf(shown);
    if (!colors || !colors->HasAnnotation(ScaleAnnotation) ||
      colors->GetAnnotation(ScaleAnnotation) != scale)
    {
      continue;
    }
    together.append({ shown, colors });
    double before[2];
    if (!anotherThing && vtkSMTransferFunctionProxy::GetRange(colors, before))
    {
      all.add(before[0], before[1]);
    }
    if (const Range now = dataRange(shown); !now.empty())
    {
      all.add(now.low, now.high);
    }
  }
  if (!all.empty() && scale.rfind(Symmetric, 0) == 0)
  {
    const double most = std::max(std::abs(all.low), std::abs(all.high));
    all.add(-most, most);
  }
  for (const auto& [shown, colors] : together)
  {
    double before[2];
    const bool known = vtkSMTransferFunctionProxy::GetRange(colors, before);
    if (all.low < all.high && !(known && before[0] == all.low && before[1] == all.high))
    {
      vtkSMTransferFunctionProxy::RescaleTransferFunction(colors, all.low, all.high);
      bringOpacities(colors);
      shown->renderViewEventually(); // the other maps have nothing new but this
    }
  }
}

void rescale(vtkSMProxy* colors)
{
  using Manager = vtkSMTransferFunctionManager;
  const int mode = vtkSMPropertyHelper(colors, "AutomaticRescaleRangeMode").GetAsInt();
  if (mode != Manager::NEVER)
  {
    const bool grow = mode == Manager::GROW_ON_APPLY || mode == Manager::GROW_ON_APPLY_AND_TIMESTEP;
    vtkSMTransferFunctionProxy::RescaleTransferFunctionToDataRange(colors, grow);
    bringOpacities(colors);
  }
}
}

vtkSMProxy* pqLVLMColors::colorsOf(pqDataRepresentation* shown)
{
  return vtkSMPropertyHelper(shown->getProxy(), "LookupTable", true).GetAsProxy();
}

vtkSMProxy* pqLVLMColors::legendIn(pqDataRepresentation* shown, vtkSMProxy* colors)
{
  vtkSMProxy* view = shown->getView() ? shown->getView()->getProxy() : nullptr;
  return view && colors ? vtkSMTransferFunctionProxy::FindScalarBarRepresentation(colors, view)
                        : nullptr;
}

pqLVLMColors::pqLVLMColors(QObject* parent) : Superclass(parent)
{
  QObject::connect(pqApplicationCore::instance()->getServerManagerModel(),
    &pqServerManagerModel::dataUpdated, this, &pqLVLMColors::follow);
}

pqLVLMColors::~pqLVLMColors() = default;

void pqLVLMColors::follow(pqPipelineSource* source)
{
  if (!lvlm::traceOf(source) || lvlm::traceOf(source) == source)
  {
    return;
  }
  const unsigned int id = source->getProxy()->GetGlobalID();
  QSet<QString>& said = this->Said[id];
  QStringList now;
  for (pqOutputPort* port : source->getOutputPorts())
  {
    said.insert(legendOf(port));
    now << legendOf(port) << saidOf(port, "heads");
  }
  const bool anotherThing = this->Last.contains(id) && this->Last.value(id) != now;
  this->Last[id] = now;
  BEGIN_UNDO_EXCLUDE();
  for (pqDataRepresentation* shown : source->getRepresentations(nullptr))
  {
    vtkSMProxy* proxy = shown->getProxy();
    pqOutputPort* port = shown->getOutputPortFromInput();
    vtkPVDataInformation* info = port ? port->getDataInformation() : nullptr;
    if (!proxy->GetProperty("ColorArrayName") || !info ||
      info->GetNumberOfElements(vtkDataObject::POINT) == 0)
    {
      continue; // a filter that failed shows nothing anyway
    }
    vtkSMPropertyHelper array(proxy, "ColorArrayName");
    const char* name = array.GetInputArrayNameToProcess();
    if (!name || !*name)
    {
      continue;
    }
    const bool there = info->GetArrayInformation(name, array.GetInputArrayAssociation()) != nullptr;
    vtkSMProxy* colors = colorsOf(shown);
    for (vtkSMProxy* one : { proxy, legendIn(shown, colors) })
    {
      if (one)
      {
        this->showIfThere(one, there);
      }
    }
    if (there && colors)
    {
      if (colors->HasAnnotation(ScaleAnnotation))
      {
        const std::string scale = colors->GetAnnotation(ScaleAnnotation);
        rescaleTogether(scale, anotherThing || this->Anew.erase(scale) > 0);
        if (anotherThing) // so is the difference, which is computed next
        {
          this->Anew.insert(std::string(Symmetric) + " " + scale);
        }
      }
      rescale(colors);
      this->nameLegend(shown, colors, legendOf(port), said);
    }
  }
  END_UNDO_EXCLUDE();
}

void pqLVLMColors::showIfThere(vtkSMProxy* proxy, bool there)
{
  const unsigned int id = proxy->GetGlobalID();
  vtkSMPropertyHelper visible(proxy, "Visibility");
  if (!there && visible.GetAsInt() != 0)
  {
    this->Hidden.insert(id);
    visible.Set(0);
    proxy->UpdateVTKObjects();
  }
  else if (there && this->Hidden.remove(id))
  {
    visible.Set(1);
    proxy->UpdateVTKObjects();
  }
}

void pqLVLMColors::nameLegend(
  pqDataRepresentation* shown, vtkSMProxy* colors, const QString& legend, const QSet<QString>& said)
{
  vtkSMProxy* bar = legendIn(shown, colors);
  if (!bar || legend.isEmpty())
  {
    return;
  }
  vtkSMPropertyHelper title(bar, "Title");
  const QString before = QString::fromUtf8(title.GetAsString());
  if (before != legend && said.contains(before))
  {
    title.Set(legend.toUtf8().data());
    bar->UpdateVTKObjects();
  }
}
