// SPDX-License-Identifier: Apache-2.0
/**
 * @class pqLVLMCameras
 * @brief keeps what the views of presets show in sight, and lets linked ones move together
 *
 * The presets (lvlm/cameras.py) fit their views to what they show, and leave a note of it at the
 * view's proxy. Views that get another size are fitted again. Views of one group follow the one
 * whose camera moves; unlike ParaView's camera links, which draw all views of a group for each of
 * them and empty the list of what can be undone, they are drawn when one moves only.
 */
#ifndef pqLVLMCameras_h
#define pqLVLMCameras_h

#include <QHash>
#include <QObject>

#include <array>

class pqProxy;
class pqView;
class QTimer;
class vtkObject;
class vtkSMRenderViewProxy;

class pqLVLMCameras : public QObject
{
  Q_OBJECT
  typedef QObject Superclass;

public:
  explicit pqLVLMCameras(QObject* parent = nullptr);
  ~pqLVLMCameras() override;

  bool eventFilter(QObject* watched, QEvent* event) override;

public Q_SLOTS:
  /// Fits the views whose size or camera is new, now or when the window has come to rest.
  void refit();
  void refitSoon();

private Q_SLOTS:
  void watch(pqView* view);
  void forget(pqView* view);
  /// Gives the views of a new tab their sizes at once, so that they can be fitted before they are
  /// drawn.
  void settle(pqProxy* proxy);

private:
  Q_DISABLE_COPY(pqLVLMCameras)

  /// A view was drawn: if its camera has moved, those of its group go with it.
  void follow(vtkObject* view, unsigned long event, void* interactive);

  using Camera = std::array<double, 10>;
  void copyTo(vtkSMRenderViewProxy* from, vtkSMRenderViewProxy* to, bool interactive);

  QTimer* Pause;
  QHash<void*, Camera> Last;            // the camera of a view when it was drawn
  QHash<void*, unsigned long> Observed; // views, and the observers' tags
};

#endif
