// SPDX-License-Identifier: Apache-2.0
#include "pqLVLMLegends.h"

#include "pqApplicationCore.h"
#include "pqDataRepresentation.h"
#include "pqLVLMColors.h"
#include "pqLVLMSession.h"
#include "pqOutputPort.h"
#include "pqServerManagerModel.h"
#include "pqUndoStack.h"
#include "pqView.h"

#include "vtkSMPropertyHelper.h"
#include "vtkSMProxy.h"
#include "vtkSMTransferFunctionProxy.h"

#include <QWidget>

#include <cmath>
#include <vector>

namespace
{
/// Pixels of the screen for one of the window, from which on VTK's numbers touch each other.
constexpr double HighResolution = 1.5;
/// Between the numbers at a legend's ends.
constexpr std::size_t MostNumbers = 3;
/// What a number at an end takes of the legend's length.
constexpr double EndShare = 0.25;

/// Multiples of 1, 2 or 5 times a power of ten, as many as fit between the ends of a range.
std::vector<double> roundNumbers(double low, double high)
{
  const double from = low + EndShare * (high - low), to = high - EndShare * (high - low);
  double power = std::pow(10, std::floor(std::log10(high - low)) - 1);
  for (int decade = 0; decade < 3; ++decade, power *= 10)
  {
    for (const double digit : { 1.0, 2.0, 5.0 })
    {
      const double step = digit * power;
      std::vector<double> found;
      for (double n = std::ceil(from / step); n * step <= to && found.size() <= MostNumbers; ++n)
      {
        found.push_back(n * step);
      }
      if (found.size() <= MostNumbers)
      {
        return found;
      }
    }
  }
  return {};
}

void spaceNumbers(vtkSMProxy* bar, const std::vector<double>& numbers)
{
  vtkSMPropertyHelper labels(bar, "CustomLabels", true);
  vtkSMPropertyHelper custom(bar, "UseCustomLabels", true);
  if (labels.GetDoubleArray() == numbers && custom.GetAsInt() == 1)
  {
    return;
  }
  custom.Set(1);
  labels.Set(numbers.data(), static_cast<unsigned int>(numbers.size()));
  bar->UpdateVTKObjects();
}

void spaceLegends(pqView* view)
{
  BEGIN_UNDO_EXCLUDE();
  for (pqRepresentation* any : view->getRepresentations())
  {
    auto* shown = qobject_cast<pqDataRepresentation*>(any);
    pqOutputPort* port = shown ? shown->getOutputPortFromInput() : nullptr;
    if (!port || !lvlm::traceOf(port->getSource()))
    {
      continue;
    }
    vtkSMProxy* colors = pqLVLMColors::colorsOf(shown);
    vtkSMProxy* bar = pqLVLMColors::legendIn(shown, colors);
    double range[2];
    if (bar && vtkSMTransferFunctionProxy::GetRange(colors, range) && range[0] < range[1])
    {
      if (const auto numbers = roundNumbers(range[0], range[1]); !numbers.empty())
      {
        spaceNumbers(bar, numbers);
      }
    }
  }
  END_UNDO_EXCLUDE();
}
}

pqLVLMLegends::pqLVLMLegends(QObject* parent) : Superclass(parent)
{
  QObject::connect(pqApplicationCore::instance()->getServerManagerModel(),
    &pqServerManagerModel::viewAdded, this, &pqLVLMLegends::watch);
}

pqLVLMLegends::~pqLVLMLegends() = default;

void pqLVLMLegends::watch(pqView* view)
{
  QObject::connect(view, &pqView::beginRender, this,
    [view]
    {
      if (view->widget() && view->widget()->devicePixelRatioF() >= HighResolution)
      {
        spaceLegends(view);
      }
    });
}
