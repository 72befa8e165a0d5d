// SPDX-License-Identifier: Apache-2.0
#include "pqLVLMModelChooser.h"

#include "pqFileChooserWidget.h"
#include "pqServer.h"

#include <QLabel>
#include <QLineEdit>
#include <QVBoxLayout>

namespace
{
constexpr int TypingPause = 400; // milliseconds
}

pqLVLMModelChooser::pqLVLMModelChooser(QWidget* parent)
  : Superclass(parent), Folder(new pqFileChooserWidget(this)), Line(new QLabel(this))
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
  layout->addWidget(this->Folder);
  layout->addWidget(this->Line);

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
  this->Status =
    lvlm::probeModel(this->Server->session(), this->directory(), this->Question, this->Settings);
  const QString text = this->Status.Text.toHtmlEscaped();
  const QString cost = this->Status.Cost.section(':', 0, 0).toHtmlEscaped();
  const QString memory =
    cost.isEmpty() ? QString() : "<br>" + tr("Memory for the question: %1").arg(cost);
  this->Line->setText(this->Status.Usable
      ? text + memory
      : QStringLiteral("<b>%1</b> %2").arg(tr("Not usable:"), text));
  this->Line->setToolTip(this->Status.Cost);
  Q_EMIT this->statusChanged();
}
