// SPDX-License-Identifier: Apache-2.0
/**
 * @class pqLVLMInterrupt
 * @brief lets the progress bar move and its Abort button work while a model runs
 *
 * ParaView's own window stands still while a filter runs. For the filters of this plugin, many of
 * which may run long (inference, relevancy, interventions, causal graphs), this looks at the
 * window's events now and then: ParaView (5.11) handles none itself between a filter's start and
 * its end, so that a click on its Abort button has no other way to arrive. Qt hands out a window's
 * events together: all keys and clicks but those on the Abort button are kept away, and delayed
 * work, such as views that want to be drawn, is put off until the filter has ended: a view that is
 * drawn while it is being updated loses what it was about to show, and with ParaView 5.13 stays
 * black. A filter on a remote server runs there: its progress is shown, but it cannot be aborted.
 */
#ifndef pqLVLMInterrupt_h
#define pqLVLMInterrupt_h

#include <QElapsedTimer>
#include <QList>
#include <QObject>
#include <QPointer>
#include <QSet>
#include <QTimer>
#include <QWidget>

class pqPipelineSource;
class vtkAlgorithm;
class vtkObject;

class pqLVLMInterrupt : public QObject
{
  Q_OBJECT
  typedef QObject Superclass;

public:
  /// The name of our own timers that draw, or ask views for something: they are put off, too.
  static constexpr const char* DrawingTimer = "LVLMDrawingTimer";

  explicit pqLVLMInterrupt(QObject* parent = nullptr);
  ~pqLVLMInterrupt() override;

protected:
  bool eventFilter(QObject* watched, QEvent* event) override;

private Q_SLOTS:
  void watch(pqPipelineSource* source);
  void onStart(vtkObject* filter);
  void onProgress();
  void onEnd(vtkObject* filter);
  void abort();

private:
  Q_DISABLE_COPY(pqLVLMInterrupt)

  /// Stops a timer that draws until the filters have ended; false for any other object.
  bool putOff(QObject* watched);

  /// Paints a view when the filters have ended; false for any other widget.
  bool putOffPainting(QObject* watched);

  /// Makes the Abort button call abort().
  void listenToButton();

  /// Whether ParaView hands the window the clicks that may be meant for the Abort button.
  void letClicksThrough(bool on);

  QSet<vtkAlgorithm*> Running;
  QList<QPointer<QTimer>> PutOff;
  QList<QPointer<QWidget>> Unpainted;
  QElapsedTimer SinceEvents;
  qint64 Pause = 0;
  bool Looking = false;
};

#endif
