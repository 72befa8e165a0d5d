// SPDX-License-Identifier: Apache-2.0
/**
 * @class pqLVLMModelChooser
 * @brief a folder on the server's disk, and what the model in it is
 *
 * Below the folder: architecture, layers, size and the memory that the question takes, or why the
 * model cannot be used. Beside it, on this machine, what lies in Hugging Face's cache.
 */
#ifndef pqLVLMModelChooser_h
#define pqLVLMModelChooser_h

#include "pqLVLMModelProbe.h"

#include <QTimer>
#include <QWidget>

class QLabel;
class QMenu;
class QToolButton;
class pqFileChooserWidget;
class pqServer;
class vtkSMProxy;

class pqLVLMModelChooser : public QWidget
{
  Q_OBJECT
  Q_PROPERTY(QString directory READ directory WRITE setDirectory NOTIFY directoryChanged)
  typedef QWidget Superclass;

public:
  explicit pqLVLMModelChooser(QWidget* parent = nullptr);
  ~pqLVLMModelChooser() override;

  void setServer(pqServer* server);

  /// The filter whose other settings decide what the question costs.
  void setQuestion(vtkSMProxy* filter);

  /// The same by name, where there is no filter yet.
  void setSettings(const QVariantMap& settings);

  QString directory() const;
  void setDirectory(const QString& directory);

  /// Of the folder that is shown.
  const lvlm::ModelStatus& status() const { return this->Status; }
  /// Whether the folder that is named now is known to be usable: the status comes a moment later.
  bool isUsable() const { return this->Status.Usable && this->Probed == this->directory(); }

public Q_SLOTS:
  /// Asks the server, now.
  void refresh();
  /// Asks the server once typing has paused.
  void refreshSoon();

Q_SIGNALS:
  void directoryChanged();
  void statusChanged();

private:
  Q_DISABLE_COPY(pqLVLMModelChooser)

  /// Fills the menu with the models of the cache.
  void listDownloaded(QMenu* menu);

  pqFileChooserWidget* Folder;
  QToolButton* Downloaded;
  QLabel* Line;
  QTimer Pause;
  pqServer* Server = nullptr;
  vtkSMProxy* Question = nullptr;
  QVariantMap Settings;
  lvlm::ModelStatus Status;
  QString Probed; ///< the folder that Status is of
};

#endif
