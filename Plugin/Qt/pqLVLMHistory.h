// SPDX-License-Identifier: Apache-2.0
/**
 * @class pqLVLMHistory
 * @brief dock window of all questions of the session: picture, question and answer
 *
 * Each can be shown again, two can be compared, and one is taken away with everything that was made
 * of it. The small parts of the presets' views, such as captions, are left out of the pipeline
 * browser, so that a question is a handful of entries there.
 */
#ifndef pqLVLMHistory_h
#define pqLVLMHistory_h

#include <QDockWidget>

class QListWidget;
class QPushButton;
class QTimer;

class pqLVLMHistory : public QDockWidget
{
  Q_OBJECT
  typedef QDockWidget Superclass;

public:
  explicit pqLVLMHistory(QWidget* parent = nullptr, Qt::WindowFlags flags = Qt::WindowFlags());
  pqLVLMHistory(
    const QString& title, QWidget* parent = nullptr, Qt::WindowFlags flags = Qt::WindowFlags());
  ~pqLVLMHistory() override;

private Q_SLOTS:
  void fill();
  void updateState();
  void showTrace();
  void compareTraces();
  void removeTrace();
  void settle();

private:
  Q_DISABLE_COPY(pqLVLMHistory)

  void build();
  QStringList chosen() const; ///< traces that are selected, as Python strings

  QListWidget* List = nullptr;
  QPushButton* Show = nullptr;
  QPushButton* Compare = nullptr;
  QPushButton* Remove = nullptr;
  QTimer* Pause = nullptr;
};

#endif
