// SPDX-License-Identifier: Apache-2.0
/**
 * @class pqLVLMActions
 * @brief the commands of the toolbar and the menu LVLM
 *
 * Each but Hover, which pqLVLMTouch looks at, runs a function of the Python module lvlm; here is
 * only what it is called with, and when it can work.
 */
#ifndef pqLVLMActions_h
#define pqLVLMActions_h

#include <QList>
#include <QObject>
#include <QPointer>

#include <functional>

class QAction;
class QTimer;
class pqLVLMAskDialog;
class pqLVLMEditor;

class pqLVLMActions : public QObject
{
  Q_OBJECT
  typedef QObject Superclass;

public:
  /// One set of actions, shared by toolbar and menu.
  static pqLVLMActions* instance();
  ~pqLVLMActions() override;

  QList<QAction*> actions() const;

private Q_SLOTS:
  void updateState();
  void updateSoon();

private:
  Q_DISABLE_COPY(pqLVLMActions)
  pqLVLMActions();

  struct Command
  {
    QAction* Action;
    std::function<bool()> CanWork;
  };

  void addCommand(const char* name, const QString& text, const QString& help,
    const std::function<bool()>& canWork, const std::function<void()>& run);
  void addPreset(const char* name, const QString& text, const QString& help, const char* function,
    const char* block = nullptr);
  void addComparison();
  void addEdit();
  void addHover();
  void addWithoutSelection();
  void watch();

  QList<Command> Commands;
  QTimer* Pause;
  QPointer<pqLVLMAskDialog> Dialog;
  QPointer<pqLVLMEditor> Editor;
};

#endif
