// SPDX-License-Identifier: Apache-2.0
#include "pqLVLMEditor.h"

#include "pqLVLMCanvas.h"
#include "pqLVLMPython.h"
#include "pqLVLMSession.h"
#include "pqPipelineSource.h"

#include <QButtonGroup>
#include <QComboBox>
#include <QCoreApplication>
#include <QDialogButtonBox>
#include <QHBoxLayout>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QShortcut>
#include <QSlider>
#include <QToolButton>
#include <QVBoxLayout>

#include <algorithm>

namespace
{
constexpr int LongestEdge = 1024; // pixels of the picture that comes from the server
constexpr int SeenSize = 224;     // pixels of what the model will see
constexpr int WidthSteps = 40;    // of the brush, up to a quarter of the picture's longer edge

struct NamedFill
{
  const char* Name;
  const char* Text;
};
const NamedFill Fills[] = { { "mean", QT_TRANSLATE_NOOP("lvlm", "mean color") },
  { "surrounding", QT_TRANSLATE_NOOP("lvlm", "surrounding color") },
  { "blur", QT_TRANSLATE_NOOP("lvlm", "blur") }, { "noise", QT_TRANSLATE_NOOP("lvlm", "noise") },
  { "black", QT_TRANSLATE_NOOP("lvlm", "black") },
  { "white", QT_TRANSLATE_NOOP("lvlm", "white") } };

/// Whether there is a trace of that name.
bool isThere(const QString& name)
{
  const QList<pqPipelineSource*> traces = lvlm::traces();
  return std::any_of(traces.begin(), traces.end(),
    [&name](pqPipelineSource* trace) { return trace->getSMName() == name; });
}
}

pqLVLMEditor::pqLVLMEditor(QWidget* parent)
  : Superclass(parent), Canvas(new pqLVLMCanvas(this)), Question(new QLineEdit(this))
{
  this->setObjectName("LVLMEditor");
  this->setWindowTitle(tr("Edit the picture and ask again"));
  this->Canvas->setObjectName("Canvas");
  this->Question->setObjectName("Question");
  auto* middle = new QHBoxLayout;
  middle->addWidget(this->Canvas, 1);
  middle->addLayout(this->buildRight());
  auto* below = new QHBoxLayout;
  auto* label = new QLabel(tr("Question"), this);
  label->setBuddy(this->Question);
  below->addWidget(label);
  below->addWidget(this->Question, 1);
  auto* buttons = new QDialogButtonBox(QDialogButtonBox::Close, this);
  this->Ask = buttons->addButton(tr("Ask"), QDialogButtonBox::AcceptRole);
  this->Ask->setObjectName("Ask");
  this->Ask->setDefault(true);
  this->Ask->setToolTip(tr("Ask about the edited picture, and show both answers side by side"));
  auto* layout = new QVBoxLayout(this);
  layout->addLayout(this->buildTools());
  layout->addLayout(middle, 1);
  layout->addLayout(below);
  layout->addWidget(buttons);

  QObject::connect(this->Canvas, &pqLVLMCanvas::drawn, this, &pqLVLMEditor::addEdit);
  QObject::connect(
    this->Question, &QLineEdit::textChanged, this, [this](const QString&) { this->updateState(); });
  QObject::connect(this->Ask, &QPushButton::clicked, this, &pqLVLMEditor::run);
  QObject::connect(buttons, &QDialogButtonBox::rejected, this, &QDialog::reject);
  auto* undo = new QShortcut(QKeySequence::Undo, this);
  QObject::connect(undo, &QShortcut::activated, this, &pqLVLMEditor::undo);
  auto* redo = new QShortcut(QKeySequence::Redo, this);
  QObject::connect(redo, &QShortcut::activated, this, &pqLVLMEditor::redo);
}

pqLVLMEditor::~pqLVLMEditor() = default;

QToolButton* pqLVLMEditor::addTool(
  QLayout* layout, const char* name, const QString& text, const QString& tip)
{
  auto* button = new QToolButton(this);
  button->setObjectName(name);
  button->setText(text);
  button->setToolTip(tip);
  layout->addWidget(button);
  return button;
}

QLayout* pqLVLMEditor::buildTools()
{
  auto* row = new QHBoxLayout;
  auto* group = new QButtonGroup(this);
  const std::pair<const char*, QString> tools[] = { { "Rectangle",
                                                      tr("Drag a rectangle that is covered") },
    { "Brush", tr("Drag a line that is covered; a click covers a disc") },
    { "Crop", tr("Drag a rectangle that is kept; a later one takes its place") } };
  for (int tool = 0; tool < 3; ++tool)
  {
    const auto& [name, tip] = tools[tool];
    QToolButton* button = this->addTool(row, name, QCoreApplication::translate("lvlm", name), tip);
    button->setCheckable(true);
    button->setChecked(tool == 0);
    group->addButton(button, tool);
    QObject::connect(button, &QToolButton::clicked, this,
      [this, tool]() { this->Canvas->setTool(static_cast<pqLVLMCanvas::Tool>(tool)); });
  }
  row->addSpacing(8);
  row->addWidget(new QLabel(tr("Cover with"), this));
  this->Fill = new QComboBox(this);
  this->Fill->setObjectName("Fill");
  for (const NamedFill& fill : Fills)
  {
    this->Fill->addItem(QCoreApplication::translate("lvlm", fill.Text), QString(fill.Name));
  }
  row->addWidget(this->Fill);
  row->addSpacing(8);
  row->addWidget(new QLabel(tr("Brush"), this));
  this->Width = new QSlider(Qt::Horizontal, this);
  this->Width->setObjectName("Width");
  this->Width->setRange(1, WidthSteps);
  this->Width->setValue(WidthSteps / 4);
  this->Width->setToolTip(tr("How wide the brush is"));
  row->addWidget(this->Width);
  row->addStretch(1);
  this->Undo = this->addTool(row, "Undo", tr("Undo"), tr("Take the last edit back (Ctrl+Z)"));
  this->Redo = this->addTool(row, "Redo", tr("Redo"), tr("Do it again (Ctrl+Shift+Z)"));
  this->Clear = this->addTool(row, "Clear", tr("Clear"), tr("Take all edits back"));
  QObject::connect(this->Undo, &QToolButton::clicked, this, &pqLVLMEditor::undo);
  QObject::connect(this->Redo, &QToolButton::clicked, this, &pqLVLMEditor::redo);
  QObject::connect(this->Clear, &QToolButton::clicked, this, &pqLVLMEditor::clear);
  QObject::connect(this->Width, &QSlider::valueChanged, this, [this](int) { this->updateState(); });
  QObject::connect(this->Fill, QOverload<int>::of(&QComboBox::currentIndexChanged), this,
    [this](int) { this->updateState(); });
  return row;
}

QLayout* pqLVLMEditor::buildRight()
{
  auto* right = new QVBoxLayout;
  right->addWidget(new QLabel(tr("What the model will see"), this));
  this->Seen = new QLabel(this);
  this->Seen->setObjectName("Seen");
  this->Seen->setFixedSize(SeenSize, SeenSize);
  this->Seen->setAlignment(Qt::AlignCenter);
  this->SeenText = new QLabel(this);
  this->SeenText->setObjectName("SeenText");
  this->SeenText->setWordWrap(true);
  this->SeenText->setFixedWidth(SeenSize);
  right->addWidget(this->Seen);
  right->addWidget(this->SeenText);
  right->addStretch(1);
  return right;
}

void pqLVLMEditor::edit(pqPipelineSource* trace)
{
  const QString name = trace->getSMName();
  if (name != this->Trace && (name != this->Answered || !isThere(this->Trace)))
  {
    this->Trace = name;
    this->Asked =
      lvlm::askPython(QStringLiteral("lvlm.question(%1)").arg(lvlm::pythonString(this->Trace)));
    this->Question->setText(this->Asked);
    this->clear();
  }
  this->show();
  this->raise();
  this->activateWindow();
}

void pqLVLMEditor::showPicture()
{
  lvlm::Preview preview = lvlm::previewEdits(this->Trace, this->Edits, LongestEdge);
  this->Shown = preview;
  this->Canvas->setPreview(preview);
  const qreal ratio = this->devicePixelRatioF();
  QPixmap pixmap =
    QPixmap::fromImage(preview.Seen.isNull() ? QImage()
                                             : preview.Seen.scaled(this->Seen->size() * ratio,
                                                 Qt::KeepAspectRatio, Qt::SmoothTransformation));
  pixmap.setDevicePixelRatio(ratio);
  this->Seen->setPixmap(pixmap);
  this->SeenText->setText(preview.Error.isEmpty() ? preview.Text : preview.Error);
  this->updateState();
}

void pqLVLMEditor::updateState()
{
  const QSize size = this->Shown.Size;
  const int longer = std::max(size.width(), size.height());
  this->Canvas->setRadius(std::max(0.5, longer * this->Width->value() / (8.0 * WidthSteps)));
  this->Canvas->setFill(this->Fill->currentData().toString());
  this->Undo->setEnabled(!this->Edits.isEmpty());
  this->Clear->setEnabled(!this->Edits.isEmpty());
  this->Redo->setEnabled(!this->Undone.isEmpty());
  this->Ask->setEnabled(!this->Edits.isEmpty() && this->Shown.Error.isEmpty() &&
    !this->Question->text().trimmed().isEmpty());
}

void pqLVLMEditor::addEdit(const QString& edit)
{
  this->Edits << edit;
  this->Undone.clear();
  this->showPicture();
}

void pqLVLMEditor::undo()
{
  if (!this->Edits.isEmpty())
  {
    this->Undone << this->Edits.takeLast();
    this->showPicture();
  }
}

void pqLVLMEditor::redo()
{
  if (!this->Undone.isEmpty())
  {
    this->Edits << this->Undone.takeLast();
    this->showPicture();
  }
}

void pqLVLMEditor::clear()
{
  this->Edits.clear();
  this->Undone.clear();
  this->showPicture();
}

QString pqLVLMEditor::call() const
{
  QStringList arguments;
  if (lvlm::traces().size() > 1)
  {
    arguments << lvlm::pythonString(this->Trace);
  }
  arguments << "edits=" + lvlm::pythonList(this->Edits);
  const QString question = this->Question->text().trimmed();
  if (question != this->Asked.trimmed())
  {
    arguments << "question=" + lvlm::pythonString(question);
  }
  return lvlm::pythonCall("edit_and_ask", arguments);
}

void pqLVLMEditor::run()
{
  this->hide();
  if (!lvlm::runPython(tr("Edit and ask"), this->call()))
  {
    this->show(); // with everything as it was
    return;
  }
  this->Answered = lvlm::traces().last()->getSMName();
}
