// SPDX-License-Identifier: Apache-2.0
#include "pqLVLMHistory.h"

#include "pqApplicationCore.h"
#include "pqCoreUtilities.h"
#include "pqLVLMPython.h"
#include "pqLVLMSession.h"
#include "pqPipelineBrowserWidget.h"
#include "pqPipelineSource.h"
#include "pqServerManagerModel.h"

#include "vtkSMPropertyHelper.h"
#include "vtkSMProxy.h"

#include <QFileInfo>
#include <QHBoxLayout>
#include <QIcon>
#include <QListWidget>
#include <QMainWindow>
#include <QPixmap>
#include <QPushButton>
#include <QTimer>
#include <QVBoxLayout>

namespace
{
constexpr int IconSize = 48;          // pixels
const char* const Part = "lvlm.part"; // as in lvlm/pipeline.py

QString textOf(vtkSMProxy* proxy, const char* name)
{
  if (!proxy || !proxy->GetProperty(name))
  {
    return QString();
  }
  return QString::fromUtf8(vtkSMPropertyHelper(proxy, name).GetAsString());
}

/// A small copy of the picture, where its file is on this machine.
QIcon pictureIcon(pqPipelineSource* trace)
{
  pqPipelineSource* picture = lvlm::pictureOf(trace);
  const QString file = picture ? textOf(picture->getProxy(), "FileName") : QString();
  const QPixmap pixmap = QFileInfo(file).isFile() ? QPixmap(file) : QPixmap();
  return pixmap.isNull()
    ? QIcon(QStringLiteral(":/lvlm/ask.svg"))
    : QIcon(pixmap.scaled(IconSize, IconSize, Qt::KeepAspectRatio, Qt::SmoothTransformation));
}

QString sentence(pqPipelineSource* trace)
{
  vtkSMProxy* proxy = trace->getProxy();
  proxy->UpdatePropertyInformation();
  const QString question = textOf(proxy, "Prompt");
  const QString answer = textOf(proxy, "Answer");
  return (question.isEmpty() ? trace->getSMName() : question) +
    (answer.isEmpty() ? QString() : '\n' + answer);
}
}

pqLVLMHistory::pqLVLMHistory(QWidget* parent, Qt::WindowFlags flags) : Superclass(parent, flags)
{
  this->build();
}

pqLVLMHistory::pqLVLMHistory(const QString& title, QWidget* parent, Qt::WindowFlags flags)
  : Superclass(title, parent, flags)
{
  this->build();
}

pqLVLMHistory::~pqLVLMHistory() = default;

void pqLVLMHistory::build()
{
  this->setWindowTitle(tr("Questions"));
  auto* box = new QWidget(this);
  box->setObjectName("LVLMQuestions"); // ParaView names the dock window itself
  this->List = new QListWidget(box);
  this->List->setObjectName("List");
  this->List->setIconSize(QSize(IconSize, IconSize));
  this->List->setWordWrap(true);
  this->List->setSelectionMode(QAbstractItemView::ExtendedSelection);
  auto* buttons = new QHBoxLayout;
  const auto add = [&](const char* name, const QString& text, const QString& help)
  {
    auto* button = new QPushButton(text, box);
    button->setObjectName(name);
    button->setToolTip(help);
    buttons->addWidget(button);
    return button;
  };
  this->Show = add("Show", tr("Show"), tr("Where the model looked when it answered"));
  this->Compare =
    add("Compare", tr("Compare"), tr("Two answers side by side: select two with Ctrl"));
  this->Remove = add("Remove", tr("Remove"),
    tr("Takes the question away, with its views and everything that was made of its answer"));
  auto* layout = new QVBoxLayout(box);
  layout->addWidget(this->List, 1);
  layout->addLayout(buttons);
  this->setWidget(box);

  this->Pause = new QTimer(this);
  this->Pause->setSingleShot(true);
  this->Pause->setInterval(100);
  QObject::connect(this->Pause, &QTimer::timeout, this, &pqLVLMHistory::fill);
  pqServerManagerModel* model = pqApplicationCore::instance()->getServerManagerModel();
  const auto soon = [this]() { this->Pause->start(); };
  QObject::connect(model, &pqServerManagerModel::sourceAdded, this, soon);
  QObject::connect(model, &pqServerManagerModel::sourceRemoved, this, soon);
  QObject::connect(model, &pqServerManagerModel::nameChanged, this, soon);
  QObject::connect(model, &pqServerManagerModel::dataUpdated, this,
    [this](pqPipelineSource* source)
    {
      if (lvlm::traceOf(source) == source)
      {
        this->Pause->start();
      }
    });
  QObject::connect(
    this->List, &QListWidget::itemSelectionChanged, this, &pqLVLMHistory::updateState);
  QObject::connect(this->List, &QListWidget::itemDoubleClicked, this, &pqLVLMHistory::showTrace);
  QObject::connect(this->Show, &QPushButton::clicked, this, &pqLVLMHistory::showTrace);
  QObject::connect(this->Compare, &QPushButton::clicked, this, &pqLVLMHistory::compareTraces);
  QObject::connect(this->Remove, &QPushButton::clicked, this, &pqLVLMHistory::removeTrace);
  QTimer::singleShot(0, this, &pqLVLMHistory::settle);
  this->updateState();
}

void pqLVLMHistory::settle()
{
  QWidget* window = pqCoreUtilities::mainWidget();
  for (auto* browser : window->findChildren<pqPipelineBrowserWidget*>())
  {
    browser->enableAnnotationFilter(Part);
    browser->setAnnotationFilterMatching(false);
  }
  auto* main = qobject_cast<QMainWindow*>(window);
  auto* pipeline = window->findChild<QDockWidget*>("pipelineBrowserDock");
  if (main && pipeline && !this->isFloating() &&
    !main->tabifiedDockWidgets(pipeline).contains(this))
  {
    main->tabifyDockWidget(pipeline, this);
    pipeline->raise();
  }
}

void pqLVLMHistory::fill()
{
  const QStringList before = this->chosen();
  this->List->clear();
  for (pqPipelineSource* trace : lvlm::traces())
  {
    auto* item = new QListWidgetItem(pictureIcon(trace), sentence(trace), this->List);
    item->setData(Qt::UserRole, lvlm::pythonString(trace->getSMName()));
    item->setToolTip(trace->getSMName());
    item->setSelected(before.contains(item->data(Qt::UserRole).toString()));
  }
  this->updateState();
}

QStringList pqLVLMHistory::chosen() const
{
  QStringList names;
  for (int row = 0; row < this->List->count(); ++row) // in the order in which they were asked
  {
    if (this->List->item(row)->isSelected())
    {
      names << this->List->item(row)->data(Qt::UserRole).toString();
    }
  }
  return names;
}

void pqLVLMHistory::updateState()
{
  const int count = this->chosen().size();
  this->Show->setEnabled(count == 1);
  this->Compare->setEnabled(count == 2);
  this->Remove->setEnabled(count == 1);
}

void pqLVLMHistory::showTrace()
{
  if (this->chosen().size() == 1)
  {
    lvlm::runPython(tr("Attention"), lvlm::pythonCall("show_attention", this->chosen()));
  }
}

void pqLVLMHistory::compareTraces()
{
  lvlm::runPython(tr("Compare"), lvlm::pythonCall("compare", this->chosen()));
}

void pqLVLMHistory::removeTrace()
{
  lvlm::runPython(tr("Remove question"), lvlm::pythonCall("remove", this->chosen()));
}
