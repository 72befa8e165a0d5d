// SPDX-License-Identifier: Apache-2.0
/**
 * @class pqLVLMInterrupt
 * @brief lets the progress bar move and its Abort button work while a model runs
 *
 * ParaView's own window stands still while a filter runs. For the filters that may run long
 * (inference, relevancy, causal graphs) this looks at the window's events now and then, and keeps
 * all keys and clicks away from it but those on the Abort button. A filter on a remote
 * server runs there: its progress is shown, but it cannot be aborted.
 */
#ifndef pqLVLMInterrupt_h
#define pqLVLMInterrupt_h

#include <QElapsedTimer>
#include <QObject>
#include <QSet>

class pqPipelineSource;
class vtkAlgorithm;
class vtkObject;

class pqLVLMInterrupt : public QObject
{
  Q_OBJECT
  typedef QObject Superclass;

public:
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

  /// Whether ParaView hands the window the clicks that may be meant for the Abort button.
  void letClicksThrough(bool on);

  QSet<vtkAlgorithm*> Running;
  QElapsedTimer SinceEvents;
  qint64 Pause = 0;
  bool Looking = false;
};

#endif
