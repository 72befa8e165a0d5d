// SPDX-License-Identifier: Apache-2.0
/**
 * @class pqLVLMUndo
 * @brief completes undo and redo where ParaView stops short
 *
 * Cameras and the time are no part of ParaView's undo. A view that comes back would look from where
 * every new camera starts, at time 0 whatever the time controls say: views of presets are fitted
 * again, other views of traces get their contents into sight, and all of them the session's time.
 * Others stay as ParaView leaves them.
 */
#ifndef pqLVLMUndo_h
#define pqLVLMUndo_h

#include <QObject>

class pqLVLMCameras;
class pqUndoStack;

class pqLVLMUndo : public QObject
{
  Q_OBJECT
  typedef QObject Superclass;

public:
  explicit pqLVLMUndo(pqLVLMCameras* cameras, QObject* parent = nullptr);
  ~pqLVLMUndo() override;

private Q_SLOTS:
  void watch(pqUndoStack* stack);
  void complete();

private:
  Q_DISABLE_COPY(pqLVLMUndo)

  pqLVLMCameras* Cameras;
};

#endif
