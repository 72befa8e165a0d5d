// SPDX-License-Identifier: Apache-2.0
/**
 * @class pqLVLMLoading
 * @brief views of a state file are drawn when it is loaded, and those of hidden tabs when they are
 * shown
 *
 * ParaView draws each view as it comes, with whatever of it is there, at whatever time; filters run
 * for it, and the model, although it is drawn again when all is there.
 */
#ifndef pqLVLMLoading_h
#define pqLVLMLoading_h

#include <QList>
#include <QObject>
#include <QPointer>

class pqView;
class QTimer;
class QWidget;

class pqLVLMLoading : public QObject
{
  Q_OBJECT
  typedef QObject Superclass;

public:
  explicit pqLVLMLoading(QObject* parent = nullptr);
  ~pqLVLMLoading() override;

private Q_SLOTS:
  void hold(pqView* view);
  void release();

private:
  Q_DISABLE_COPY(pqLVLMLoading)

  QTimer* Pause;
  QList<QPointer<pqView>> Held;
};

namespace lvlm
{
/// The tabs of the window paint nothing while this lives.
class PaintPause
{
public:
  PaintPause();
  ~PaintPause();
  PaintPause(const PaintPause&) = delete;
  PaintPause& operator=(const PaintPause&) = delete;

private:
  QPointer<QWidget> Tabs; // none where they paint nothing anyway
};
}

#endif
