// SPDX-License-Identifier: Apache-2.0
/**
 * @class pqLVLMAskDialog
 * @brief a picture, a question, a model: everything that lvlm.ask() takes
 *
 * Not modal: the pipeline can be looked at meanwhile. Remembers what was asked last. Ctrl+Return
 * asks.
 */
#ifndef pqLVLMAskDialog_h
#define pqLVLMAskDialog_h

#include <QDialog>
#include <QPointer>

class QCheckBox;
class QComboBox;
class QDoubleSpinBox;
class QLabel;
class QPlainTextEdit;
class QPushButton;
class QSpinBox;
class QTimer;
class pqFileChooserWidget;
class pqLVLMModelChooser;
class pqServer;

class pqLVLMAskDialog : public QDialog
{
  Q_OBJECT
  typedef QDialog Superclass;

public:
  explicit pqLVLMAskDialog(QWidget* parent = nullptr);
  ~pqLVLMAskDialog() override;

  /// Offers the pictures of the session and opens.
  void ask();

  bool eventFilter(QObject* watched, QEvent* event) override;

  /// The call of lvlm.ask() that the dialog stands for.
  QString call() const;

private Q_SLOTS:
  void run();
  void showPicture();
  void showPreview();
  void pictureChosen();
  void updateState();

private:
  Q_DISABLE_COPY(pqLVLMAskDialog)

  QWidget* buildPicture();
  QWidget* buildAnswer();
  QWidget* buildCapture();
  void fillPictures();
  void choosePicture();
  QString exampleQuestion() const; ///< of the example that is chosen; empty where none is known
  void restore();
  void remember() const;
  QString file() const;        ///< the path that was typed or chosen
  QString missingFile() const; ///< that path, when it can be seen that there is no such file
  QString readable() const;    ///< the picture for a preview: Python; empty where it cannot be read
  QString picture() const;     ///< as a Python expression; empty when none is chosen

  QPointer<pqServer> Server;
  QComboBox* Picture;
  pqFileChooserWidget* File;
  QLabel* Preview;
  QLabel* Seen;
  QLabel* SeenText;
  QTimer* Pause;         ///< while somebody types a file's name
  QStringList Previewed; ///< what the preview is of
  QPlainTextEdit* Question;
  pqLVLMModelChooser* Model;
  QComboBox* ImageMode;
  QSpinBox* Longest;
  QDoubleSpinBox* Temperature;
  QDoubleSpinBox* TopP;
  QSpinBox* Seed;
  QCheckBox* Vision;
  QCheckBox* AllLayers;
  QLabel* Problem;
  QPushButton* Ask;
  QString Filled;       ///< the question that an example has filled in
  bool Stepped = false; ///< the picture is chosen with arrow keys or the wheel, one after the other
};

#endif
