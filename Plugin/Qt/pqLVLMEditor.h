// SPDX-License-Identifier: Apache-2.0
/**
 * @class pqLVLMEditor
 * @brief a window to edit the picture of a question in, and to ask again
 *
 * Draw on the picture, see what the model will see, ask: both answers come side by side. Not modal.
 * The edits are lines of text, done by the module lvlm on the server; undo and redo of them are the
 * window's own.
 */
#ifndef pqLVLMEditor_h
#define pqLVLMEditor_h

#include "pqLVLMPreview.h"

#include <QDialog>
#include <QStringList>

class QComboBox;
class QLabel;
class QLineEdit;
class QPushButton;
class QSlider;
class QToolButton;
class pqLVLMCanvas;
class pqPipelineSource;

class pqLVLMEditor : public QDialog
{
  Q_OBJECT
  typedef QDialog Superclass;

public:
  explicit pqLVLMEditor(QWidget* parent = nullptr);
  ~pqLVLMEditor() override;

  /// Opens with the picture of a question; as it was left if that is what it is about already, or
  /// what it has asked last.
  void edit(pqPipelineSource* trace);

  /// The call of lvlm.edit_and_ask() that the window stands for.
  QString call() const;

private Q_SLOTS:
  void addEdit(const QString& edit);
  void undo();
  void redo();
  void clear();
  void run();

private:
  Q_DISABLE_COPY(pqLVLMEditor)

  QLayout* buildTools();
  QLayout* buildRight();
  QToolButton* addTool(QLayout* layout, const char* name, const QString& text, const QString& tip);
  void showPicture();
  void updateState();

  QString Trace;    ///< name of its source
  QString Asked;    ///< its question
  QString Answered; ///< name of the trace that the edits have made
  QStringList Edits;
  QStringList Undone;
  lvlm::Preview Shown;
  pqLVLMCanvas* Canvas;
  QComboBox* Fill;
  QSlider* Width;
  QToolButton* Undo;
  QToolButton* Redo;
  QToolButton* Clear;
  QLabel* Seen;
  QLabel* SeenText;
  QLineEdit* Question;
  QPushButton* Ask;
};

#endif
