// SPDX-License-Identifier: Apache-2.0
#include "pqLVLMPython.h"

#include "pqApplicationCore.h"
#include "pqCoreUtilities.h"
#include "pqLVLMLoading.h"
#include "pqPipelineBrowserWidget.h"
#include "pqServerManagerModel.h"
#include "pqUndoStack.h"
#include "pqView.h"

#include "vtkCallbackCommand.h"
#include "vtkNew.h"
#include "vtkPythonInterpreter.h"
#include "vtkSMTrace.h"
#include "vtkSMUndoStackBuilder.h"
#include "vtkSMViewProxy.h"

#include <QApplication>
#include <QItemSelectionModel>
#include <QMessageBox>
#include <QObject>

#include <string>

namespace
{
/// Collects what Python writes to its error stream while it lives.
class ErrorStream
{
public:
  ErrorStream()
  {
    this->Callback->SetClientData(this);
    this->Callback->SetCallback(
      [](vtkObject*, unsigned long, void* self, void* text)
      {
        if (text)
        {
          static_cast<ErrorStream*>(self)->Text += static_cast<const char*>(text);
        }
      });
    this->Interpreter->AddObserver(vtkCommand::ErrorEvent, this->Callback);
  }

  QString text() const { return QString::fromStdString(this->Text); }

private:
  std::string Text;
  vtkNew<vtkCallbackCommand> Callback;
  vtkNew<vtkPythonInterpreter> Interpreter;
};

/// The last line of a traceback, without the exception's type.
QString messageOf(const QString& traceback)
{
  const QStringList lines = traceback.trimmed().split('\n');
  const QString last = lines.isEmpty() ? QString() : lines.last().trimmed();
  const int colon = last.indexOf(QStringLiteral(": "));
  return colon > 0 && !last.left(colon).contains(' ') ? last.mid(colon + 2) : last;
}

/// The presets draw their views themselves: what is up to date is not drawn once more.
void dropNeedlessRenders()
{
  for (pqView* view : pqApplicationCore::instance()->getServerManagerModel()->findItems<pqView*>())
  {
    if (!view->getViewProxy()->GetNeedsUpdate())
    {
      view->cancelPendingRenders();
    }
  }
}

/// The active source comes into sight in the pipeline browser: its filters are at the end of the
/// list.
void showActiveSource()
{
  for (auto* browser : pqCoreUtilities::mainWidget()->findChildren<pqPipelineBrowserWidget*>())
  {
    browser->scrollTo(browser->getSelectionModel()->currentIndex());
  }
}

void showError(const QString& label, const QString& traceback)
{
  auto* box = new QMessageBox(QMessageBox::Warning, label, messageOf(traceback), QMessageBox::Ok,
    pqCoreUtilities::mainWidget());
  box->setObjectName("LVLMMessage");
  box->setAttribute(Qt::WA_DeleteOnClose);
  box->setTextFormat(Qt::PlainText);
  box->setDetailedText(traceback);
  box->open();
}
}

namespace lvlm
{

QString pythonString(const QString& text)
{
  QString literal;
  for (const QChar c : text)
  {
    if (c == '\\' || c == '"')
    {
      literal += '\\';
    }
    literal += c == '\n' ? QStringLiteral("\\n") : c == '\r' ? QStringLiteral("\\r") : QString(c);
  }
  return '"' + literal + '"';
}

QString pythonCall(const QString& function, const QStringList& arguments)
{
  return QStringLiteral("lvlm.%1(%2)").arg(function, arguments.join(QStringLiteral(", ")));
}

QString askPython(const QString& expression)
{
  // The interpreter gives nothing back, and what is printed would stand in the user's Python shell.
  constexpr const char* Answer = "LVLM_GUI_ANSWER";
  const QString code =
    QStringLiteral("import os, lvlm, lvlm.touch\nos.environ['%1'] = %2").arg(Answer, expression);
  const QString script =
    QStringLiteral("exec(%1, {'__name__': 'lvlm_gui'})").arg(pythonString(code));
  qunsetenv(Answer);
  ErrorStream errors;
  BEGIN_UNDO_EXCLUDE();
  {
    SM_SCOPED_TRACE(BlockTraceItems);
    vtkPythonInterpreter::RunSimpleString(script.toUtf8().data());
  }
  END_UNDO_EXCLUDE();
  const QString answer = qEnvironmentVariable(Answer);
  qunsetenv(Answer);
  return answer;
}

bool runPythonQuietly(const QString& code)
{
  BEGIN_UNDO_EXCLUDE();
  SM_SCOPED_TRACE(BlockTraceItems);
  const QString script =
    QStringLiteral("exec(%1, {'__name__': 'lvlm_gui'})").arg(pythonString(code));
  const bool good = vtkPythonInterpreter::RunSimpleString(script.toUtf8().data()) == 0;
  END_UNDO_EXCLUDE();
  return good;
}

bool runPython(const QString& label, const QString& call)
{
  // In a scope of its own: the user's Python shell shares __main__. ParaView comes first: it finds
  // the modules of plugins.
  const QString code =
    QStringLiteral("from paraview.simple import FindSource\nimport lvlm\n") + call;
  const QString script =
    QStringLiteral("exec(%1, {'__name__': 'lvlm_gui'})").arg(pythonString(code));
  PaintPause paintPause;
  BEGIN_UNDO_SET(label);
  QApplication::setOverrideCursor(Qt::BusyCursor);
  ErrorStream errors;
  bool good = false;
  {
    SM_SCOPED_TRACE(BlockTraceItems);
    good = vtkPythonInterpreter::RunSimpleString(script.toUtf8().data()) == 0;
  }
  QApplication::restoreOverrideCursor();
  if (good)
  {
    const QByteArray line = QStringLiteral("import lvlm\n%1").arg(call).toUtf8();
    SM_SCOPED_TRACE(TraceText).arg(line.data()).arg("comment", label.toUtf8().data());
  }
  else if (pqUndoStack* stack = pqApplicationCore::instance()->getUndoStack())
  {
    stack->GetUndoStackBuilder()->Clear(); // what failed has left nothing to undo
  }
  END_UNDO_SET();
  dropNeedlessRenders();
  showActiveSource();
  if (!good)
  {
    showError(label, errors.text());
  }
  return good;
}

} // namespace lvlm
