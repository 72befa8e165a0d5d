// SPDX-License-Identifier: Apache-2.0
/**
 * @class pqLVLMTouch
 * @brief what is drawn can be clicked, and tells what it is under the mouse
 *
 * In render views that show a trace: a click without a drag chooses the token, patch or head that
 * is drawn there (lvlm.touch), and a mouse that rests gets a tool tip with its numbers, as long as
 * the action Hover is down. Nothing is selected, so that no frame is left in a picture.
 */
#ifndef pqLVLMTouch_h
#define pqLVLMTouch_h

#include <QObject>
#include <QPoint>
#include <QPointer>

class QMouseEvent;
class QTimer;
class pqRenderView;

class pqLVLMTouch : public QObject
{
  Q_OBJECT
  typedef QObject Superclass;

public:
  explicit pqLVLMTouch(QObject* parent = nullptr);
  ~pqLVLMTouch() override;

  bool eventFilter(QObject* watched, QEvent* event) override;

private Q_SLOTS:
  void tell();

private:
  Q_DISABLE_COPY(pqLVLMTouch)

  void follow(pqRenderView* view, QMouseEvent* mouse);
  void choose(pqRenderView* view, const QPoint& place);

  QTimer* Rest;
  QPoint Pressed, At; ///< in the view's widget
  bool Clicking = false;
  QPointer<pqRenderView> View; ///< under the mouse
};

#endif
