// SPDX-License-Identifier: Apache-2.0
/// @file GuiDriver.cxx
/// Real Qt events for tests that run as Python scripts inside ParaView's GUI (see gui_testing.py):
/// a plain C interface for ctypes. Widgets are named by a path of object names,
/// "LVLMAskDialog/Question"; steps between may be left out. Widgets without a name go by their
/// class.
#include <QAbstractItemView>
#include <QAction>
#include <QApplication>
#include <QComboBox>
#include <QCursor>
#include <QDialog>
#include <QDockWidget>
#include <QImage>
#include <QLineEdit>
#include <QListWidget>
#include <QMainWindow>
#include <QMenu>
#include <QMenuBar>
#include <QMouseEvent>
#include <QPixmap>
#include <QPointer>
#include <QScreen>
#include <QTimer>
#include <QToolBar>
#include <QWidget>
#include <QWindow>
#include <QtTest/QtTest>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <string>

#define GUI_DRIVER extern "C" __attribute__((visibility("default")))

namespace
{
QMainWindow* mainWindow()
{
  for (QWidget* widget : QApplication::topLevelWidgets())
  {
    if (auto* window = qobject_cast<QMainWindow*>(widget))
    {
      return window;
    }
  }
  return nullptr;
}

QString nameOf(const QWidget* widget)
{
  const QString name = widget->objectName();
  return name.isEmpty() ? QString(widget->metaObject()->className()) : name;
}

bool hasPath(const QWidget* widget, const QStringList& path)
{
  int at = path.size() - 1;
  if (nameOf(widget) != path[at])
  {
    return false;
  }
  for (const QWidget* above = widget->parentWidget(); above && at > 0;
       above = above->parentWidget())
  {
    at -= nameOf(above) == path[at - 1] ? 1 : 0;
  }
  return at == 0;
}

/// Visible widgets first.
QWidget* find(const char* name)
{
  const QStringList path = QString::fromUtf8(name).split('/');
  QWidget* found = nullptr;
  for (QWidget* widget : QApplication::allWidgets())
  {
    if (hasPath(widget, path) && (!found || (widget->isVisible() && !found->isVisible())))
    {
      found = widget;
    }
  }
  return found;
}

/// The innermost widget at the point: a view's events go to a child without a name.
QWidget* innermost(QWidget* widget, const QPoint& at)
{
  QWidget* child = widget->childAt(at);
  return child ? child : widget;
}

int copyText(const QString& text, char* out, int size)
{
  const QByteArray bytes = text.toUtf8();
  std::snprintf(out, static_cast<std::size_t>(size), "%s", bytes.constData());
  return bytes.size();
}

int rowsBelow(const QAbstractItemModel* model, const QModelIndex& parent)
{
  int rows = model->rowCount(parent);
  for (int row = model->rowCount(parent) - 1; row >= 0; --row)
  {
    rows += rowsBelow(model, model->index(row, 0, parent));
  }
  return rows;
}

double clickedAt = 0;
QPointer<QTimer> watching;
QStringList watched;

double now()
{
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Of a menu or toolbar, whoever owns it.
QAction* findIn(const QWidget* owner, const char* name)
{
  for (QAction* action : owner->actions())
  {
    if (action->objectName() == name)
    {
      return action;
    }
    QAction* below = action->menu() ? findIn(action->menu(), name) : nullptr;
    if (below)
    {
      return below;
    }
  }
  return nullptr;
}

/// The action of the menu bar, or else of any widget: ParaView has some of the same name that do
/// something else.
QAction* findAction(const char* name)
{
  QWidgetList owners = QApplication::allWidgets();
  std::stable_partition(
    owners.begin(), owners.end(), [](QWidget* owner) { return qobject_cast<QMenuBar*>(owner); });
  for (const QWidget* owner : owners)
  {
    if (QAction* found = findIn(owner, name))
    {
      return found;
    }
  }
  return nullptr;
}
}

GUI_DRIVER int gui_exists(const char* path)
{
  QWidget* widget = find(path);
  return widget && widget->isVisible() ? 1 : 0;
}

GUI_DRIVER int gui_click(const char* path, int x, int y, int modifiers, int twice)
{
  QWidget* widget = find(path);
  if (!widget || !widget->isVisible())
  {
    return 0;
  }
  const QPoint at = x < 0 ? widget->rect().center() : QPoint(x, y);
  const auto keys = static_cast<Qt::KeyboardModifiers>(modifiers);
  QTest::mouseClick(widget, Qt::LeftButton, keys, at);
  if (twice)
  {
    QTest::mouseDClick(widget, Qt::LeftButton, keys, at);
  }
  return 1;
}

GUI_DRIVER int gui_drag(const char* path, int x0, int y0, int x1, int y1)
{
  QWidget* outer = find(path);
  if (!outer || !outer->isVisible())
  {
    return 0;
  }
  QWidget* widget = innermost(outer, QPoint(x0, y0));
  const auto inside = [&](int x, int y) { return widget->mapFrom(outer, QPoint(x, y)); };
  QTest::mousePress(widget, Qt::LeftButton, Qt::NoModifier, inside(x0, y0));
  for (int step = 1; step <= 4; ++step)
  {
    // QTest's own moves carry no buttons.
    const QPoint at = inside(x0 + (x1 - x0) * step / 4, y0 + (y1 - y0) * step / 4);
    QMouseEvent move(
      QEvent::MouseMove, at, widget->mapToGlobal(at), Qt::NoButton, Qt::LeftButton, Qt::NoModifier);
    QApplication::sendEvent(widget, &move);
    QTest::qWait(20);
  }
  QTest::mouseRelease(widget, Qt::LeftButton, Qt::NoModifier, inside(x1, y1));
  return 1;
}

GUI_DRIVER int gui_move(const char* path, int x, int y)
{
  QWidget* outer = find(path);
  if (!outer)
  {
    return 0;
  }
  // The X server's own pointer, so that its events and where it is agree: a tool tip hides when
  // they do not.
  QCursor::setPos(outer->mapToGlobal(QPoint(x, y)));
  return 1;
}

namespace
{
/// Without a window manager nobody gives a window the focus back when a dialog over it closes, and
/// shortcuts are those of the window that has it.
void focus(QWidget* widget)
{
  widget->window()->activateWindow();
  (void)QTest::qWaitForWindowActive(
    widget->window(), 1000); // a window behind another one need not become it
  widget->setFocus();
}
}

GUI_DRIVER int gui_key(const char* path, int key, int modifiers)
{
  QWidget* widget = find(path);
  if (!widget)
  {
    return 0;
  }
  focus(widget);
  QTest::keyClick(widget, static_cast<Qt::Key>(key), static_cast<Qt::KeyboardModifiers>(modifiers));
  return 1;
}

GUI_DRIVER int gui_type(const char* path, const char* text)
{
  QWidget* widget = find(path);
  if (!widget || !widget->isVisible())
  {
    return 0;
  }
  focus(widget);
  QTest::keyClick(widget, Qt::Key_A, Qt::ControlModifier);
  QTest::keyClick(widget, Qt::Key_Delete);
  QTest::keyClicks(widget, QString::fromUtf8(text));
  return 1;
}

/// Clicks the toolbar's button of an action.
GUI_DRIVER int gui_press(const char* action)
{
  QAction* found = findAction(action);
  for (const QWidget* window : QApplication::topLevelWidgets())
  {
    for (const QToolBar* bar : window->findChildren<QToolBar*>())
    {
      if (QWidget* button = found ? bar->widgetForAction(found) : nullptr)
      {
        QTest::mouseClick(button, Qt::LeftButton);
        return 1;
      }
    }
  }
  return 0;
}

/// Whether a toolbar's button of an action is in sight.
GUI_DRIVER int gui_button_visible(const char* action)
{
  QAction* found = findAction(action);
  for (const QWidget* window : QApplication::topLevelWidgets())
  {
    for (const QToolBar* bar : window->findChildren<QToolBar*>())
    {
      QWidget* button = found ? bar->widgetForAction(found) : nullptr;
      if (button && !button->visibleRegion().isEmpty())
      {
        return 1;
      }
    }
  }
  return 0;
}

namespace
{
int copyPoint(const QPoint& point, int* out)
{
  out[0] = point.x();
  out[1] = point.y();
  return 1;
}
}

/// Where on the screen a point of a widget is (x < 0: its middle), for a pointer of the X server.
GUI_DRIVER int gui_place(const char* path, int x, int y, int* out)
{
  QWidget* widget = find(path);
  return widget && widget->isVisible()
    ? copyPoint(widget->mapToGlobal(x < 0 ? widget->rect().center() : QPoint(x, y)), out)
    : 0;
}

/// The same of an action's button in a toolbar.
GUI_DRIVER int gui_place_of_button(const char* action, int* out)
{
  QAction* found = findAction(action);
  for (const QWidget* window : QApplication::topLevelWidgets())
  {
    for (const QToolBar* bar : window->findChildren<QToolBar*>())
    {
      QWidget* button = found ? bar->widgetForAction(found) : nullptr;
      if (button && !button->visibleRegion().isEmpty())
      {
        return copyPoint(button->mapToGlobal(button->rect().center()), out);
      }
    }
  }
  return 0;
}

/// How many rows a list or tree shows, those of open branches included; -1: no such widget.
GUI_DRIVER int gui_rows(const char* path)
{
  auto* view = qobject_cast<QAbstractItemView*>(find(path));
  return view ? rowsBelow(view->model(), QModelIndex()) : -1;
}

GUI_DRIVER int gui_click_item(const char* path, int row, int modifiers)
{
  auto* view = qobject_cast<QAbstractItemView*>(find(path));
  if (!view || !view->isVisible())
  {
    return 0;
  }
  const QModelIndex item = view->model()->index(row, 0);
  view->scrollTo(item);
  QTest::mouseClick(view->viewport(), Qt::LeftButton, static_cast<Qt::KeyboardModifiers>(modifiers),
    view->visualRect(item).center());
  return 1;
}

/// Brings the dock window that a widget is in to the front of those that share its place.
GUI_DRIVER int gui_raise_dock(const char* path)
{
  QWidget* widget = find(path);
  while (widget && !qobject_cast<QDockWidget*>(widget))
  {
    widget = widget->parentWidget();
  }
  if (!widget)
  {
    return 0;
  }
  widget->show();
  widget->raise();
  return 1;
}

/// -1: no such action, else whether it is enabled.
GUI_DRIVER int gui_enabled(const char* action)
{
  QAction* found = findAction(action);
  return found ? (found->isEnabled() ? 1 : 0) : -1;
}

/// Triggers an action of a menu or of a view's frame, whose buttons come and go.
GUI_DRIVER int gui_trigger(const char* action, const char* inside)
{
  QWidget* owner = *inside ? find(inside) : nullptr;
  QAction* found = owner ? owner->findChild<QAction*>(action) : findAction(action);
  if (!found || !found->isEnabled())
  {
    return 0;
  }
  found->trigger();
  return 1;
}

GUI_DRIVER int gui_choose(const char* path, const char* item)
{
  auto* box = qobject_cast<QComboBox*>(find(path));
  const int index = box ? box->findText(QString::fromUtf8(item)) : -1;
  if (index < 0)
  {
    return 0;
  }
  // As a person does with the keyboard: every step is an event of the box.
  box->setFocus();
  while (box->currentIndex() != index)
  {
    QTest::keyClick(box, box->currentIndex() < index ? Qt::Key_Down : Qt::Key_Up);
  }
  return 1;
}

GUI_DRIVER int gui_property(const char* path, const char* name, char* out, int size)
{
  QWidget* widget = find(path);
  const QVariant value = widget ? widget->property(name) : QVariant();
  return value.isValid() ? copyText(value.toString(), out, size) : -1;
}

/// The rectangle that an invokable QRect method(int) answers.
GUI_DRIVER int gui_rect(const char* path, const char* method, int index, int* out)
{
  QWidget* widget = find(path);
  QRect rect;
  if (!widget ||
    !QMetaObject::invokeMethod(widget, method, Q_RETURN_ARG(QRect, rect), Q_ARG(int, index)))
  {
    return 0;
  }
  const int values[] = { rect.x(), rect.y(), rect.width(), rect.height() };
  std::copy(values, values + 4, out);
  return 1;
}

GUI_DRIVER int gui_size(const char* path, int* out)
{
  QWidget* widget = find(path);
  if (!widget)
  {
    return 0;
  }
  out[0] = widget->width();
  out[1] = widget->height();
  return 1;
}

GUI_DRIVER int gui_close(const char* path)
{
  QWidget* widget = find(path);
  return widget && widget->close() ? 1 : 0;
}

GUI_DRIVER void gui_resize(int width, int height)
{
  if (QMainWindow* window = mainWindow())
  {
    window->move(0, 0);
    window->resize(width, height);
    QTest::qWait(50);
    if (auto* dock = window->findChild<QDockWidget*>("propertiesDock"))
    {
      window->resizeDocks({ dock }, { width / 4 }, Qt::Horizontal);
    }
  }
}

GUI_DRIVER void gui_wait(int milliseconds)
{
  QTest::qWait(milliseconds);
}

/// Clicks later, while the caller is busy: the event loop has to turn for it. Tries again until the
/// widget is enabled. The click goes through the window, as one of a mouse does: event filters see
/// it there first.
GUI_DRIVER void gui_click_later(const char* path, int milliseconds)
{
  auto* timer = new QTimer(qApp);
  clickedAt = 0;
  QObject::connect(timer, &QTimer::timeout, timer,
    [timer, name = std::string(path)]()
    {
      QWidget* widget = find(name.c_str());
      if (widget && widget->isVisible() && widget->isEnabled())
      {
        timer->stop();
        timer->deleteLater();
        clickedAt = now();
        QTest::mouseClick(widget->window()->windowHandle(), Qt::LeftButton, Qt::NoModifier,
          widget->mapTo(widget->window(), widget->rect().center()));
      }
    });
  timer->start(milliseconds);
}

/// Answers modal dialogs, whose caller waits: types into a file dialog of that name (* is any),
/// accepts the dialog that follows after it has been open for a while (0: none follows).
GUI_DRIVER void gui_answer_later(const char* fileDialog, const char* file, int milliseconds)
{
  auto* timer = new QTimer(qApp);
  QObject::connect(timer, &QTimer::timeout, timer,
    [timer, left = milliseconds, name = QString::fromUtf8(fileDialog),
      text = QString::fromUtf8(file)]() mutable
    {
      auto* dialog = qobject_cast<QDialog*>(QApplication::activeModalWidget());
      auto* edit = dialog && (dialog->objectName() == name || name == "*")
        ? dialog->findChild<QLineEdit*>("EntityName")
        : nullptr;
      if (edit)
      {
        edit->setText(text);
        dialog->accept();
        if (left == 0)
        {
          timer->stop();
          timer->deleteLater();
        }
      }
      else if (dialog && dialog->objectName() != name && (left -= timer->interval()) < 0)
      {
        timer->stop();
        timer->deleteLater();
        if (auto* readers = dialog->findChild<QListWidget*>())
        {
          readers->setCurrentRow(readers->count() - 1); // ParaView's own, behind GDAL's
        }
        dialog->accept();
      }
    });
  timer->start(100);
}

/// When the later click came, in seconds of Python's time.monotonic(); 0 as long as it has not.
GUI_DRIVER double gui_clicked_at()
{
  return clickedAt;
}

/// Notes a widget's look (a checksum of its pixels) every 20 ms that the event loop turns, until
/// gui_watched is called.
GUI_DRIVER void gui_watch(const char* path)
{
  watched.clear();
  watching = new QTimer(qApp);
  QObject::connect(watching, &QTimer::timeout, watching,
    [widgetPath = std::string(path)]()
    {
      QWidget* widget = find(widgetPath.c_str());
      if (widget && widget->isVisible())
      {
        const QImage look = widget->grab().toImage();
        watched << QString::number(
          qHashBits(look.constBits(), static_cast<std::size_t>(look.sizeInBytes())));
      }
    });
  watching->start(20);
}

GUI_DRIVER int gui_watched(char* out, int size)
{
  delete watching;
  return copyText(watched.join('\n'), out, size);
}

GUI_DRIVER int gui_screenshot(const char* file)
{
  return QApplication::primaryScreen()->grabWindow(0).save(QString::fromUtf8(file)) ? 1 : 0;
}

/// The visible widgets' paths, a line each, for whoever writes a test.
GUI_DRIVER int gui_list(char* out, int size)
{
  QString text;
  for (QWidget* widget : QApplication::allWidgets())
  {
    if (widget->isVisible() && !widget->objectName().isEmpty())
    {
      QString path = widget->objectName();
      for (QWidget* above = widget->parentWidget(); above; above = above->parentWidget())
      {
        path = nameOf(above) + '/' + path;
      }
      text += path + '\n';
    }
  }
  return copyText(text, out, size);
}

/// The actions' names, a line each.
GUI_DRIVER int gui_list_actions(char* out, int size)
{
  QString text;
  for (const QAction* action :
    mainWindow() ? mainWindow()->findChildren<QAction*>() : QList<QAction*>())
  {
    text += action->objectName() + " | " + action->text() + " | " +
      (action->isEnabled() ? "on" : "off") + '\n';
  }
  return copyText(text, out, size);
}

GUI_DRIVER void gui_quit()
{
  QTimer::singleShot(0, qApp,
    []()
    {
      QApplication::closeAllWindows();
      QApplication::exit(0);
    });
}
