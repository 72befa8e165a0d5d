// SPDX-License-Identifier: Apache-2.0
#include "pqLVLMModelChooser.h"

#include "pqLVLMPython.h"

#include "pqFileChooserWidget.h"
#include "pqServer.h"

#include <QHBoxLayout>
#include <QJsonArray>
#include <QJsonDocument>
#include <QJsonObject>
#include <QLabel>
#include <QLineEdit>
#include <QLocale>
#include <QMenu>
#include <QToolButton>
#include <QVBoxLayout>

namespace
{
constexpr int TypingPause = 400; // milliseconds
}

pqLVLMModelChooser::pqLVLMModelChooser(QWidget* parent)
  : Superclass(parent), Folder(new pqFileChooserWidget(this)), Downloaded(new QToolButton(this)),
    Line(new QLabel(this))
{
  this->Folder->setObjectName("Folder");
  this->Folder->setForceSingleFile(true);
  this->Folder->setUseDirectoryMode(true);
  this->Folder->setAcceptAnyFile(true);
  this->Folder->setTitle(tr("Folder of a LLaVA checkpoint"));
  if (auto* edit = this->Folder->findChild<QLineEdit*>())
  {
    edit->setPlaceholderText(tr("embedded model (colored shapes)"));
  }
  this->Line->setObjectName("Status");
  this->Line->setWordWrap(true);
  this->Line->setTextInteractionFlags(Qt::TextSelectableByMouse);
  this->Line->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Minimum);
  auto* layout = new QVBoxLayout(this);
  layout->setContentsMargins(0, 0, 0, 0);
  layout->setSpacing(4);
  auto* row = new QHBoxLayout;
  row->addWidget(this->Folder, 1);
  row->addWidget(this->Downloaded);
  layout->addLayout(row);
  layout->addWidget(this->Line);

  this->Downloaded->setObjectName("Downloaded");
  this->Downloaded->setText(tr("Downloaded"));
  this->Downloaded->setToolTip(tr("Models in Hugging Face's cache on this machine"));
  this->Downloaded->setPopupMode(QToolButton::InstantPopup);
  auto* menu = new QMenu(this->Downloaded);
  menu->setToolTipsVisible(true);
  this->Downloaded->setMenu(menu);
  QObject::connect(menu, &QMenu::aboutToShow, this, [this, menu] { this->listDownloaded(menu); });

  this->Pause.setSingleShot(true);
  this->Pause.setInterval(TypingPause);
  QObject::connect(&this->Pause, &QTimer::timeout, this, &pqLVLMModelChooser::refresh);
  QObject::connect(this->Folder, &pqFileChooserWidget::filenameChanged, this,
    [this](const QString&)
    {
      Q_EMIT this->directoryChanged();
      this->refreshSoon();
    });
}

pqLVLMModelChooser::~pqLVLMModelChooser() = default;

void pqLVLMModelChooser::setServer(pqServer* server)
{
  this->Server = server;
  this->Folder->setServer(server);
  this->Downloaded->setVisible(server && !server->isRemote()); // another machine's cache is its own
}

void pqLVLMModelChooser::setQuestion(vtkSMProxy* filter)
{
  this->Question = filter;
}

void pqLVLMModelChooser::setSettings(const QVariantMap& settings)
{
  if (settings != this->Settings)
  {
    this->Settings = settings;
    this->refreshSoon();
  }
}

QString pqLVLMModelChooser::directory() const
{
  return this->Folder->singleFilename();
}

void pqLVLMModelChooser::setDirectory(const QString& directory)
{
  if (directory != this->directory())
  {
    this->Folder->setSingleFilename(directory);
  }
}

void pqLVLMModelChooser::refreshSoon()
{
  this->Pause.start();
}

void pqLVLMModelChooser::refresh()
{
  this->Pause.stop();
  if (!this->Server)
  {
    return;
  }
  this->Probed = this->directory();
  this->Status =
    lvlm::probeModel(this->Server->session(), this->directory(), this->Question, this->Settings);
  const QString text = this->Status.Text.toHtmlEscaped();
  const QString cost = this->Status.Cost.section(':', 0, 0).toHtmlEscaped();
  const QString world = this->Status.Usable && this->directory().isEmpty() ? "<br>" +
      tr(
        "It knows drawings of seven shapes in seven colors, nothing else. The help page Models has "
        "the command that fetches a large model.")
                                                                           : QString();
  const QString memory =
    cost.isEmpty() ? QString() : "<br>" + tr("Memory for the question: %1").arg(cost);
  this->Line->setText(this->Status.Usable
      ? text + world + memory
      : QStringLiteral("<b>%1</b> %2").arg(tr("Not usable:"), text));
  this->Line->setToolTip(this->Status.Cost);
  Q_EMIT this->statusChanged();
}

void pqLVLMModelChooser::listDownloaded(QMenu* menu)
{
  menu->clear();
  const QString rows = lvlm::askPython("__import__('json').dumps(list(lvlm.models()))");
  for (const QJsonValue& value : QJsonDocument::fromJson(rows.toUtf8()).array())
  {
    const QJsonObject row = value.toObject();
    const QString size = QLocale().formattedDataSize(row["bytes"].toVariant().toLongLong());
    QAction* action = menu->addAction(QString("%1 (%2)").arg(row["name"].toString(), size));
    action->setToolTip(row["information"].toString());
    action->setEnabled(row["usable"].toBool());
    const QString folder = row["folder"].toString();
    QObject::connect(
      action, &QAction::triggered, this, [this, folder] { this->setDirectory(folder); });
  }
  if (menu->isEmpty())
  {
    menu->addAction(tr("None in the cache of Hugging Face"))->setEnabled(false);
  }
}
