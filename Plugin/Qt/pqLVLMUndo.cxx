// SPDX-License-Identifier: Apache-2.0
#include "pqLVLMUndo.h"

#include "pqActiveObjects.h"
#include "pqAnimationScene.h"
#include "pqApplicationCore.h"
#include "pqLVLMCameras.h"
#include "pqLVLMSession.h"
#include "pqRenderView.h"
#include "pqServer.h"
#include "pqServerManagerModel.h"
#include "pqTimeKeeper.h"
#include "pqUndoStack.h"

#include "vtkSMPropertyHelper.h"
#include "vtkSMRenderViewProxy.h"

#include <array>

namespace
{
using Place = std::array<double, 3>;

Place placeOf(vtkSMProxy* view, const char* property)
{
  Place place;
  vtkSMPropertyHelper(view, property).Get(place.data(), 3);
  return place;
}

/// Straight in front of the origin stands a camera that nobody has moved yet.
bool hasNewCamera(vtkSMProxy* view)
{
  const Place position = placeOf(view, "CameraPosition");
  return position[0] == 0 && position[1] == 0 &&
    placeOf(view, "CameraFocalPoint") == Place{ 0, 0, 0 };
}

/// The time that the controls show, in all views: they follow one time keeper.
void spreadTime(pqServer* server)
{
  const QList<pqAnimationScene*> scenes =
    pqApplicationCore::instance()->getServerManagerModel()->findItems<pqAnimationScene*>(server);
  if (scenes.isEmpty())
  {
    return;
  }
  const double time =
    vtkSMPropertyHelper(scenes.first()->getProxy(), "AnimationTime").GetAsDouble();
  vtkSMProxy* keeper = server->getTimeKeeper()->getProxy();
  if (vtkSMPropertyHelper(keeper, "Time").GetAsDouble() != time)
  {
    vtkSMPropertyHelper(keeper, "Time").Set(time);
    keeper->UpdateVTKObjects();
  }
}
}

pqLVLMUndo::pqLVLMUndo(pqLVLMCameras* cameras, QObject* parent)
  : Superclass(parent), Cameras(cameras)
{
  pqApplicationCore* core = pqApplicationCore::instance();
  QObject::connect(core, &pqApplicationCore::undoStackChanged, this, &pqLVLMUndo::watch);
  this->watch(core->getUndoStack());
}

pqLVLMUndo::~pqLVLMUndo() = default;

void pqLVLMUndo::watch(pqUndoStack* stack)
{
  if (stack)
  {
    QObject::connect(stack, &pqUndoStack::undone, this, &pqLVLMUndo::complete);
    QObject::connect(stack, &pqUndoStack::redone, this, &pqLVLMUndo::complete);
  }
}

void pqLVLMUndo::complete()
{
  pqServer* server = pqActiveObjects::instance().activeServer();
  if (!server)
  {
    return;
  }
  this->Cameras->refit();
  BEGIN_UNDO_EXCLUDE();
  for (pqView* view :
    pqApplicationCore::instance()->getServerManagerModel()->findItems<pqView*>(server))
  {
    if (!lvlm::showsTrace(view))
    {
      continue;
    }
    spreadTime(server);
    auto* renderView = qobject_cast<pqRenderView*>(view);
    if (renderView && hasNewCamera(renderView->getProxy()))
    {
      renderView->getRenderViewProxy()->ResetCamera();
    }
    view->render();
  }
  END_UNDO_EXCLUDE();
}
