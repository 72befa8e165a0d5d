// SPDX-License-Identifier: Apache-2.0
#include "pqLVLMAskDialog.h"

#include "pqActiveObjects.h"
#include "pqApplicationCore.h"
#include "pqFileChooserWidget.h"
#include "pqLVLMModelChooser.h"
#include "pqLVLMPreview.h"
#include "pqLVLMPython.h"
#include "pqLVLMSession.h"
#include "pqPipelineSource.h"
#include "pqServer.h"
#include "pqSettings.h"

#include <QCheckBox>
#include <QComboBox>
#include <QCoreApplication>
#include <QDialogButtonBox>
#include <QDir>
#include <QDoubleSpinBox>
#include <QEvent>
#include <QFile>
#include <QFileInfo>
#include <QFormLayout>
#include <QGroupBox>
#include <QJsonArray>
#include <QJsonDocument>
#include <QJsonObject>
#include <QLabel>
#include <QPainter>
#include <QPixmap>
#include <QPlainTextEdit>
#include <QPushButton>
#include <QShortcut>
#include <QTimer>
#include <QVBoxLayout>

#include <algorithm>

namespace
{
constexpr int PreviewSize = 112; // pixels
const QString FromFile = QStringLiteral("file");
const QString FromPipeline = QStringLiteral("source");
const QString Example = QStringLiteral("example");
const QString Settings = QStringLiteral("LVLM/Ask/");
// A first question that the embedded model answers.
const QString FirstScene = QStringLiteral("star left of circle");
const QString FirstQuestion = QStringLiteral("What color is the star?");

struct Mode
{
  const char* Name;
  const char* Help;
};
const Mode Modes[] = {
  { "Default", QT_TRANSLATE_NOOP("lvlm", "Default: as the model was made for, mostly Crop") },
  { "Crop", QT_TRANSLATE_NOOP("lvlm", "Crop: scale the shorter edge, cut the center out") },
  { "Pad", QT_TRANSLATE_NOOP("lvlm", "Pad: add borders, nothing is lost") },
  { "Resize", QT_TRANSLATE_NOOP("lvlm", "Resize: scale both edges, shapes change") },
};
}

pqLVLMAskDialog::pqLVLMAskDialog(QWidget* parent)
  : Superclass(parent), Pause(new QTimer(this)), Question(new QPlainTextEdit(this)),
    Model(new pqLVLMModelChooser(this)), Problem(new QLabel(this))
{
  this->setObjectName("LVLMAskDialog");
  this->setWindowTitle(tr("Ask about a picture"));
  this->Question->setObjectName("Question");
  this->Question->setPlaceholderText(FirstQuestion);
  this->Question->setTabChangesFocus(true);
  this->Question->setMinimumHeight(4 * this->fontMetrics().lineSpacing());
  this->Model->setObjectName("Model");
  this->Problem->setObjectName("Problem");
  this->Problem->setWordWrap(true);

  auto* form = new QFormLayout;
  form->setFieldGrowthPolicy(QFormLayout::AllNonFixedFieldsGrow);
  form->addRow(tr("Picture"), this->buildPicture());
  form->addRow(tr("Question"), this->Question);
  form->addRow(tr("Model folder"), this->Model);
  form->addRow(tr("Answer"), this->buildAnswer());
  form->addRow(tr("Record"), this->buildCapture());

  auto* buttons = new QDialogButtonBox(QDialogButtonBox::Close, this);
  this->Ask = buttons->addButton(tr("Ask"), QDialogButtonBox::AcceptRole);
  this->Ask->setObjectName("Ask");
  this->Ask->setDefault(true);
  this->Ask->setToolTip(tr("Ask the model (Ctrl+Return) and show where it looked"));
  auto* layout = new QVBoxLayout(this);
  layout->addLayout(form, 1);
  layout->addWidget(this->Problem);
  layout->addWidget(buttons);
  this->resize(620, this->sizeHint().height());

  this->Pause->setSingleShot(true);
  this->Pause->setInterval(150);
  QObject::connect(this->Pause, &QTimer::timeout, this, &pqLVLMAskDialog::showPreview);
  QObject::connect(this->Ask, &QPushButton::clicked, this, &pqLVLMAskDialog::run);
  QObject::connect(buttons, &QDialogButtonBox::rejected, this, &QDialog::reject);
  for (const char* keys : { "Ctrl+Return", "Ctrl+Enter" })
  {
    auto* shortcut = new QShortcut(QKeySequence(QString(keys)), this);
    QObject::connect(shortcut, &QShortcut::activated, this, &pqLVLMAskDialog::run);
  }
  QObject::connect(
    this->Question, &QPlainTextEdit::textChanged, this, &pqLVLMAskDialog::updateState);
  QObject::connect(
    this->Model, &pqLVLMModelChooser::statusChanged, this, &pqLVLMAskDialog::showPicture);
  QObject::connect(this->ImageMode, QOverload<int>::of(&QComboBox::currentIndexChanged), this,
    &pqLVLMAskDialog::showPicture);
  this->restore();
}

pqLVLMAskDialog::~pqLVLMAskDialog() = default;

QWidget* pqLVLMAskDialog::buildPicture()
{
  auto* box = new QWidget(this);
  this->Picture = new QComboBox(box);
  this->Picture->setObjectName("Picture");
  this->Picture->setToolTip(
    tr("A file, a picture that is already open, or an example that ships with the plugin"));
  this->File = new pqFileChooserWidget(box);
  this->File->setObjectName("File");
  this->File->setForceSingleFile(true);
  this->File->setExtension(tr("Pictures (*.png *.jpg *.jpeg *.bmp *.tif *.tiff *.webp)"));
  this->File->setTitle(tr("Picture"));
  const auto makePreview = [box](const char* name, const QString& tip)
  {
    auto* label = new QLabel(box);
    label->setObjectName(name);
    label->setFixedSize(PreviewSize, PreviewSize);
    label->setAlignment(Qt::AlignCenter);
    label->setFrameShape(QFrame::StyledPanel);
    label->setToolTip(tip);
    return label;
  };
  this->Preview = makePreview("Preview", tr("The picture; what the model will not see is dark"));
  this->Seen = makePreview("Seen", tr("What the model will see"));
  this->SeenText = new QLabel(box);
  this->SeenText->setObjectName("SeenText");
  this->SeenText->setWordWrap(true);
  this->ImageMode = new QComboBox(box);
  this->ImageMode->setObjectName("ImageMode");
  this->ImageMode->setToolTip(tr("How the picture becomes the square that the model sees"));
  for (const Mode& mode : Modes)
  {
    this->ImageMode->addItem(QCoreApplication::translate("lvlm", mode.Help), QString(mode.Name));
  }
  auto* choose = new QPushButton(tr("File..."), box);
  choose->setObjectName("ChooseFile");
  choose->setAutoDefault(false);
  choose->setToolTip(tr("Choose a picture file"));
  QObject::connect(choose, &QPushButton::clicked, this,
    [this]()
    {
      this->Picture->setCurrentIndex(this->Picture->findData(FromFile));
      QMetaObject::invokeMethod(this->File, "chooseFile");
    });
  auto* row = new QHBoxLayout;
  row->addWidget(this->Picture, 1);
  row->addWidget(choose);
  auto* left = new QVBoxLayout;
  left->addLayout(row);
  left->addWidget(this->File);
  left->addWidget(this->ImageMode);
  left->addWidget(this->SeenText, 1);
  auto* layout = new QHBoxLayout(box);
  layout->setContentsMargins(0, 0, 0, 0);
  layout->addLayout(left, 1);
  layout->addWidget(this->Preview);
  layout->addWidget(this->Seen);
  QObject::connect(this->Picture, QOverload<int>::of(&QComboBox::currentIndexChanged), this,
    &pqLVLMAskDialog::showPicture);
  QObject::connect(this->Picture, QOverload<int>::of(&QComboBox::activated), this,
    &pqLVLMAskDialog::pictureChosen);
  this->Picture->installEventFilter(this);
  QObject::connect(
    this->File, &pqFileChooserWidget::filenameChanged, this, &pqLVLMAskDialog::showPicture);
  return box;
}

QWidget* pqLVLMAskDialog::buildAnswer()
{
  auto* box = new QWidget(this);
  this->Longest = new QSpinBox(box);
  this->Longest->setObjectName("Longest");
  this->Longest->setRange(1, 100000);
  this->Longest->setSuffix(tr(" tokens"));
  this->Longest->setToolTip(tr("Longest answer; it ends earlier when the model is done"));
  const auto makeNumber = [box](const char* name, double highest, double step, const QString& tip)
  {
    auto* number = new QDoubleSpinBox(box);
    number->setObjectName(name);
    number->setRange(0, highest);
    number->setSingleStep(step);
    number->setToolTip(tip);
    return number;
  };
  this->Temperature = makeNumber("Temperature", 2, 0.1,
    tr("0 always takes the most probable token; above, tokens are drawn: the higher, the more "
       "varied"));
  this->TopP = makeNumber("TopP", 1, 0.05,
    tr("Draw from the smallest set of tokens whose probability together reaches this"));
  this->TopP->setMinimum(0.01);
  this->Seed = new QSpinBox(box);
  this->Seed->setObjectName("Seed");
  this->Seed->setRange(0, 2147483647);
  this->Seed->setToolTip(tr("The same seed draws the same answer"));
  auto* layout = new QHBoxLayout(box);
  layout->setContentsMargins(0, 0, 0, 0);
  QObject::connect(this->Longest, QOverload<int>::of(&QSpinBox::valueChanged), this,
    &pqLVLMAskDialog::updateState);
  const auto add = [layout, box](const QString& name, QWidget* widget)
  {
    auto* label = new QLabel(name, box);
    label->setBuddy(widget);
    layout->addWidget(label);
    layout->addWidget(widget, 1);
  };
  add(tr("at most"), this->Longest);
  add(tr("Temperature"), this->Temperature);
  add(tr("Top-p"), this->TopP);
  add(tr("Seed"), this->Seed);
  QObject::connect(this->Temperature, QOverload<double>::of(&QDoubleSpinBox::valueChanged), this,
    &pqLVLMAskDialog::updateState);
  return box;
}

QWidget* pqLVLMAskDialog::buildCapture()
{
  auto* box = new QWidget(this);
  this->Vision = new QCheckBox(tr("Attention inside the vision tower as well"), box);
  this->Vision->setObjectName("Vision");
  this->Vision->setToolTip(tr("The attention of the answer to every position, in every layer and "
                              "head, is always recorded; this adds the "
                              "picture's patches to one another."));
  QObject::connect(this->Vision, &QCheckBox::toggled, this, &pqLVLMAskDialog::updateState);
  this->AllLayers =
    new QCheckBox(tr("Complete attention of every layer, not of the last alone"), box);
  this->AllLayers->setObjectName("AllLayers");
  this->AllLayers->setToolTip(
    tr("Every position to every earlier one: attention rollout needs it of "
       "all layers, a causal graph of the layer that it is about."));
  QObject::connect(this->AllLayers, &QCheckBox::toggled, this, &pqLVLMAskDialog::updateState);
  auto* layout = new QVBoxLayout(box);
  layout->setContentsMargins(0, 0, 0, 0);
  layout->addWidget(this->AllLayers);
  layout->addWidget(this->Vision);
  return box;
}

void pqLVLMAskDialog::fillPictures()
{
  const QSignalBlocker blocker(this->Picture);
  this->Picture->clear();
  this->Picture->addItem(
    this->Server->isRemote() ? tr("File on the server's disk...") : tr("Picture file..."),
    FromFile);
  for (pqPipelineSource* source : lvlm::pictures())
  {
    this->Picture->addItem(tr("Open: %1").arg(source->getSMName()), FromPipeline);
    const int item = this->Picture->count() - 1;
    this->Picture->setItemData(item, source->getSMName(), Qt::UserRole + 1);
  }
  for (const QString& path : lvlm::exampleScenes(this->Server->session()))
  {
    this->Picture->addItem(
      tr("Example: %1").arg(QFileInfo(path).completeBaseName().replace('_', ' ')), Example);
    this->Picture->setItemData(this->Picture->count() - 1, path, Qt::UserRole + 1);
  }
  this->choosePicture();
}

void pqLVLMAskDialog::choosePicture()
{
  // The active picture, or the one that the active source is about; else what was asked about last;
  // else an example, so that there is something to ask about.
  pqPipelineSource* active = lvlm::pictureOf(pqActiveObjects::instance().activeSource());
  pqSettings* settings = pqApplicationCore::instance()->settings();
  const QString last =
    active ? active->getSMName() : settings->value(Settings + "Picture").toString();
  int item = this->Picture->findData(last, Qt::UserRole + 1);
  if (item < 0 && this->File->singleFilename().isEmpty())
  {
    item = std::max(0, this->Picture->findText(tr("Example: %1").arg(FirstScene)));
  }
  this->Picture->setCurrentIndex(std::max(0, item));
}

void pqLVLMAskDialog::ask()
{
  this->Server = pqActiveObjects::instance().activeServer();
  if (!this->Server)
  {
    return;
  }
  this->File->setServer(this->Server);
  this->Model->setServer(this->Server);
  this->fillPictures();
  this->showPicture();
  this->Model->refresh();
  this->Previewed.clear(); // a file may have changed
  this->show();
  this->raise();
  this->activateWindow();
  this->Question->setFocus();
  this->Question->selectAll();
}

void pqLVLMAskDialog::showPicture()
{
  const bool file = this->Picture->currentData() == FromFile;
  this->File->setVisible(file);
  this->updateState();
  this->Pause->start();
}

QString pqLVLMAskDialog::readable() const
{
  if (this->Picture->currentData() == FromPipeline)
  {
    return QStringLiteral("lvlm.traces.source_of(%1, 'picture')")
      .arg(lvlm::pythonString(this->Picture->currentData(Qt::UserRole + 1).toString()));
  }
  // Half a file's name is no error to be told of.
  const QString path = this->Picture->currentData() == FromFile
    ? this->file()
    : this->Picture->currentData(Qt::UserRole + 1).toString();
  return this->Server && lvlm::isFile(this->Server->session(), path) ? lvlm::pythonString(path)
                                                                     : QString();
}

void pqLVLMAskDialog::showPreview()
{
  if (!this->isVisible())
  {
    return;
  }
  // Without a model there is the picture alone: what is wrong with its folder stands below that.
  const bool usable = this->Model->isUsable();
  const QStringList wanted{ this->readable(), usable ? this->Model->directory() : QString(),
    usable ? this->ImageMode->currentData().toString() : QStringLiteral("Default"),
    usable ? QStringLiteral("usable") : QString() };
  if (wanted == this->Previewed)
  {
    return;
  }
  this->Previewed = wanted;
  const qreal ratio = this->devicePixelRatioF();
  lvlm::Preview preview = wanted[0].isEmpty()
    ? lvlm::Preview()
    : lvlm::previewPicture(wanted[0], wanted[1], wanted[2], static_cast<int>(PreviewSize * ratio));
  if (!usable)
  {
    preview.Seen = QImage();
    preview.Part = QRectF();
    preview.Text.clear();
  }
  const QSize size = this->Preview->size() - QSize(4, 4);
  const auto show = [&](QLabel* label, const QImage& image, const auto& draw)
  {
    label->setVisible(!image.isNull());
    QPixmap pixmap(size * ratio);
    pixmap.setDevicePixelRatio(ratio);
    pixmap.fill(Qt::transparent);
    QPainter painter(&pixmap);
    painter.setRenderHint(QPainter::SmoothPixmapTransform);
    draw(painter, QRectF(QPointF(), QSizeF(size)));
    painter.end();
    label->setPixmap(pixmap);
  };
  show(this->Preview, preview.Small,
    [&](QPainter& painter, const QRectF& where)
    { lvlm::drawPreview(painter, lvlm::fitted(preview.Small.size(), where), preview); });
  show(this->Seen, preview.Seen,
    [&](QPainter& painter, const QRectF& where)
    { painter.drawImage(lvlm::fitted(preview.Seen.size(), where), preview.Seen); });
  this->SeenText->setText(preview.Error.isEmpty() ? preview.Text : preview.Error);
}

bool pqLVLMAskDialog::eventFilter(QObject* watched, QEvent* event)
{
  if (event->type() == QEvent::KeyPress || event->type() == QEvent::Wheel)
  {
    this->Stepped = true;
  }
  else if (event->type() == QEvent::MouseButtonPress)
  {
    this->Stepped = false;
  }
  return this->Superclass::eventFilter(watched, event);
}

void pqLVLMAskDialog::pictureChosen()
{
  if (this->Picture->currentData() == FromFile)
  {
    // Not while somebody steps through the list.
    if (!this->Stepped)
    {
      QMetaObject::invokeMethod(this->File, "chooseFile");
    }
    return;
  }
  const QString question = this->exampleQuestion();
  const QString now = this->Question->toPlainText().trimmed();
  // A question of the user's own stays.
  if (!question.isEmpty() && (now.isEmpty() || now == this->Filled || now == FirstQuestion))
  {
    this->Question->setPlainText(question);
    this->Filled = question;
  }
}

QString pqLVLMAskDialog::exampleQuestion() const
{
  if (this->Picture->currentData() != Example || !this->Server || this->Server->isRemote())
  {
    return QString();
  }
  const QFileInfo picture(this->Picture->currentData(Qt::UserRole + 1).toString());
  QFile file(picture.dir().filePath("scenes.json"));
  if (!file.open(QIODevice::ReadOnly))
  {
    return QString();
  }
  for (const QJsonValue& scene :
    QJsonDocument::fromJson(file.readAll()).object().value("scenes").toArray())
  {
    if (scene["image"].toString() == picture.fileName())
    {
      return scene["questions"][0]["question"].toString();
    }
  }
  return QString();
}

void pqLVLMAskDialog::updateState()
{
  const bool drawn = this->Temperature->value() > 0;
  this->TopP->setEnabled(drawn);
  this->Seed->setEnabled(drawn);
  this->Model->setSettings({ { "MaxNewTokens", this->Longest->value() },
    { "CaptureVision", this->Vision->isChecked() ? 1 : 0 },
    { "CaptureFullLayers", this->AllLayers->isChecked() ? QVariantList() : QVariantList{ -1 } },
    { "Prompt", this->Question->toPlainText() } });
  QString problem;
  if (this->picture().isEmpty())
  {
    problem = tr("Choose a picture.");
  }
  else if (this->Question->toPlainText().trimmed().isEmpty())
  {
    problem = tr("Type a question.");
  }
  else if (!this->missingFile().isEmpty())
  {
    problem = tr("There is no file %1.").arg(this->missingFile());
  }
  else if (!this->Model->status().Usable)
  {
    problem = tr("The model cannot be used; see above.");
  }
  this->Problem->setText(problem);
  this->Problem->setVisible(!problem.isEmpty());
  this->Ask->setEnabled(problem.isEmpty());
}

QString pqLVLMAskDialog::file() const
{
  QString path = this->File->singleFilename().trimmed();
  if (path.startsWith("~/") && this->Server && !this->Server->isRemote())
  {
    path.replace(0, 1, QDir::homePath());
  }
  return path;
}

QString pqLVLMAskDialog::missingFile() const
{
  const bool here = this->Server && !this->Server->isRemote(); // a server's disk is not ours
  const bool chosen = this->Picture->currentData() == FromFile && !this->file().isEmpty();
  return here && chosen && !QFileInfo(this->file()).isFile() ? this->file() : QString();
}

QString pqLVLMAskDialog::picture() const
{
  const QString value = this->Picture->currentData(Qt::UserRole + 1).toString();
  if (this->Picture->currentData() == FromPipeline)
  {
    return QStringLiteral("FindSource(%1)").arg(lvlm::pythonString(value));
  }
  const QString path = this->Picture->currentData() == FromFile ? this->file() : value;
  return path.isEmpty() ? QString() : lvlm::pythonString(path);
}

QString pqLVLMAskDialog::call() const
{
  QStringList arguments{ this->picture(),
    lvlm::pythonString(this->Question->toPlainText().trimmed()) };
  if (!this->Model->directory().isEmpty())
  {
    arguments << "model=" + lvlm::pythonString(this->Model->directory());
  }
  if (this->ImageMode->currentIndex() > 0)
  {
    arguments << "image_mode=" + lvlm::pythonString(this->ImageMode->currentData().toString());
  }
  if (this->Temperature->value() > 0)
  {
    arguments << QStringLiteral("temperature=%1").arg(this->Temperature->value())
              << QStringLiteral("top_p=%1").arg(this->TopP->value())
              << QStringLiteral("seed=%1").arg(this->Seed->value());
  }
  arguments << QStringLiteral("max_new_tokens=%1").arg(this->Longest->value());
  if (this->Vision->isChecked())
  {
    arguments << "capture_vision=True";
  }
  if (this->AllLayers->isChecked())
  {
    arguments << "settings={\"CaptureFullLayers\": []}";
  }
  return lvlm::pythonCall("ask", arguments);
}

void pqLVLMAskDialog::run()
{
  this->Model->refresh();
  this->updateState();
  if (!this->Ask->isEnabled())
  {
    return;
  }
  this->remember();
  this->hide();
  if (!lvlm::runPython(tr("Ask"), this->call()))
  {
    this->show(); // with everything as it was
  }
}

void pqLVLMAskDialog::restore()
{
  pqSettings* settings = pqApplicationCore::instance()->settings();
  const auto value = [settings](const char* name, const QVariant& otherwise)
  { return settings->value(Settings + name, otherwise); };
  this->File->setSingleFilename(value("File", QString()).toString());
  this->Question->setPlainText(value("Question", FirstQuestion).toString());
  this->Model->setDirectory(value("Model", QString()).toString());
  this->ImageMode->setCurrentIndex(
    std::max(0, this->ImageMode->findData(value("ImageMode", "Default"))));
  this->Longest->setValue(value("Longest", 64).toInt());
  this->Temperature->setValue(value("Temperature", 0.0).toDouble());
  this->TopP->setValue(value("TopP", 1.0).toDouble());
  this->Seed->setValue(value("Seed", 0).toInt());
  this->Vision->setChecked(value("Vision", false).toBool());
  this->AllLayers->setChecked(value("AllLayers", false).toBool());
}

void pqLVLMAskDialog::remember() const
{
  pqSettings* settings = pqApplicationCore::instance()->settings();
  settings->setValue(Settings + "Picture", this->Picture->currentData(Qt::UserRole + 1));
  settings->setValue(Settings + "File", this->File->singleFilename());
  settings->setValue(Settings + "Question", this->Question->toPlainText());
  settings->setValue(Settings + "Model", this->Model->directory());
  settings->setValue(Settings + "ImageMode", this->ImageMode->currentData());
  settings->setValue(Settings + "Longest", this->Longest->value());
  settings->setValue(Settings + "Temperature", this->Temperature->value());
  settings->setValue(Settings + "TopP", this->TopP->value());
  settings->setValue(Settings + "Seed", this->Seed->value());
  settings->setValue(Settings + "Vision", this->Vision->isChecked());
  settings->setValue(Settings + "AllLayers", this->AllLayers->isChecked());
}
