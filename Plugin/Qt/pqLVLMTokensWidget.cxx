// SPDX-License-Identifier: Apache-2.0
#include "pqLVLMTokensWidget.h"

#include "pqAnimationScene.h"
#include "pqApplicationCore.h"
#include "pqCoreUtilities.h"
#include "pqLVLMPython.h"
#include "pqLVLMSession.h"
#include "pqLVLMTokenStrip.h"
#include "pqPipelineSource.h"
#include "pqServer.h"
#include "pqServerManagerModel.h"
#include "pqTimeKeeper.h"

#include "vtkCommand.h"
#include "vtkSMPropertyHelper.h"
#include "vtkSMProxy.h"

#include <QCheckBox>
#include <QComboBox>
#include <QEvent>
#include <QHBoxLayout>
#include <QJsonArray>
#include <QJsonDocument>
#include <QJsonObject>
#include <QLabel>
#include <QPainter>
#include <QScrollArea>
#include <QVBoxLayout>

#include <algorithm>
#include <cmath>

namespace
{
constexpr int HighestStrip = 220;                          // pixels, then it scrolls
const QString Shares = QStringLiteral("from the picture"); // a column that the module lvlm computes

QPixmap gradient(const QPalette& palette, int height, qreal ratio)
{
  const int width = 2 * height;
  QPixmap pixmap(QSize(width, height) * ratio);
  pixmap.setDevicePixelRatio(ratio);
  QPainter painter(&pixmap);
  for (int x = 0; x < width; ++x)
  {
    painter.fillRect(x, 0, 1, height, pqLVLMTokenStrip::colorOf(x / (width - 1.0), palette));
  }
  return pixmap;
}

/// Probabilities are coloured from 0 to 1, other numbers from their lowest to their highest.
std::pair<double, double> rangeOf(const QString& column, const QVector<double>& numbers)
{
  if (column == "probability" || column == Shares)
  {
    return { 0.0, 1.0 };
  }
  double low = INFINITY, high = -INFINITY;
  for (const double number : numbers)
  {
    if (std::isfinite(number))
    {
      low = std::min(low, number);
      high = std::max(high, number);
    }
  }
  return low <= high ? std::make_pair(low, high) : std::make_pair(0.0, 0.0);
}
}

pqLVLMTokensWidget::pqLVLMTokensWidget(
  vtkSMProxy* smproxy, vtkSMProperty* smproperty, QWidget* parent)
  : Superclass(smproxy, smproperty, parent), Strip(new pqLVLMTokenStrip), Scroll(nullptr),
    Column(new QComboBox(this)), Legend(new QLabel(this)), Lowest(new QLabel(this)),
    Highest(new QLabel(this)), Chosen(new QLabel(this)),
    Words(new QCheckBox(tr("Whole words"), this))
{
  auto* scroll = new QScrollArea(this);
  this->Scroll = scroll;
  this->Strip->setObjectName("Strip");
  this->Strip->setSingle(this->isSingle());
  this->Strip->setBackgroundRole(QPalette::Base);
  this->Strip->setAutoFillBackground(true);
  scroll->setWidget(this->Strip);
  scroll->setWidgetResizable(true);
  scroll->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
  scroll->setFrameShape(QFrame::StyledPanel);
  scroll->installEventFilter(this);
  this->Column->setObjectName("Column");
  this->Column->setToolTip(tr("The number that colors the tokens"));
  this->Column->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
  this->Column->setMinimumContentsLength(5);
  this->Chosen->setObjectName("Chosen");
  this->Chosen->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred);

  auto* row = new QHBoxLayout;
  row->setSpacing(4);
  row->addWidget(new QLabel(tr("Color"), this));
  row->addWidget(this->Column, 1);
  for (QLabel* label : { this->Lowest, this->Legend, this->Highest })
  {
    row->addWidget(label);
  }
  auto* layout = new QVBoxLayout(this);
  layout->setContentsMargins(0, 0, 0, 0);
  layout->setSpacing(4);
  layout->addWidget(scroll);
  this->Words->setObjectName("Words");
  this->Words->setToolTip(tr("Choose and color whole words instead of tokens"));
  this->Words->setVisible(!this->isSingle());
  auto* said = new QHBoxLayout;
  said->addWidget(this->Chosen, 1);
  said->addWidget(this->Words);
  layout->addLayout(said);
  layout->addLayout(row);

  QObject::connect(
    this->Strip, &pqLVLMTokenStrip::selectionEdited, this, [this]() { this->choose(); });
  QObject::connect(
    this->Strip, &pqLVLMTokenStrip::tokenActivated, this, [this](int token) { this->goTo(token); });
  QObject::connect(this->Column, QOverload<int>::of(&QComboBox::currentIndexChanged), this,
    [this](int) { this->showColors(); });
  QObject::connect(this->Words, &QCheckBox::toggled, this,
    [this](bool whole)
    {
      this->Strip->setWholeWords(whole);
      this->showColors();
    });
  this->refresh();
  this->linkProperty();
  this->watch();
}

pqLVLMTokensWidget::~pqLVLMTokensWidget() = default;

void pqLVLMTokensWidget::watch()
{
  pqCoreUtilities::connect(this->proxy(), vtkCommand::UpdateDataEvent, this, SLOT(refresh()));
  vtkSMProxy* trace = vtkSMPropertyHelper(this->proxy(), "Input").GetAsProxy();
  if (trace)
  {
    pqCoreUtilities::connect(trace, vtkCommand::UpdateDataEvent, this, SLOT(refresh()));
  }
  if (vtkSMProperty* follow = this->proxy()->GetProperty("FollowTime"))
  {
    pqCoreUtilities::connect(follow, vtkCommand::ModifiedEvent, this, SLOT(showTime()));
  }
  if (pqServer* server = this->server())
  {
    QObject::connect(server->getTimeKeeper(), SIGNAL(timeChanged()), this, SLOT(showTime()));
  }
  this->showTime();
}

bool pqLVLMTokensWidget::followsTime() const
{
  vtkSMProperty* follow = this->proxy()->GetProperty("FollowTime");
  return follow && vtkSMPropertyHelper(follow).GetAsInt() != 0;
}

void pqLVLMTokensWidget::refresh()
{
  const pqLVLMTokenTable table = pqLVLMTokenTable::fetch(this->proxy());
  if (table == this->Table && !this->Strip->tokens().isEmpty())
  {
    return;
  }
  this->Table = table;
  const QString before = this->Column->currentText();
  const QSignalBlocker blocker(this->Column);
  this->Column->clear();
  this->Column->addItems(table.numericColumns());
  if (table.size() > 0)
  {
    this->Column->addItem(Shares);
    this->Column->setItemData(this->Column->count() - 1,
      tr("How much of each token comes from the picture: its share of the relevancy where that has "
         "been computed (LVLM > Words), else of the attention"),
      Qt::ToolTipRole);
  }
  const QString wanted = before.isEmpty() ? QStringLiteral("probability") : before;
  this->Column->setCurrentIndex(std::max(0, this->Column->findText(wanted)));
  this->Column->setEnabled(this->Column->count() > 0);
  this->showColors();
  this->showTime();
}

void pqLVLMTokensWidget::showColors()
{
  const QString column = this->Column->currentText();
  const QVector<double> numbers =
    this->overWords(column == Shares ? this->shares() : this->Table.numbers(column));
  const auto [low, high] = rangeOf(column, numbers);
  QVector<pqLVLMTokenStrip::Token> tokens;
  for (int t = 0; t < this->Table.size(); ++t)
  {
    const double span = high - low;
    const double value = span > 0 ? (numbers.value(t) - low) / span : 0.0;
    QString tip = this->Table.description(t);
    if (column == Shares && t < numbers.size() && !std::isnan(numbers[t]))
    {
      tip.insert(tip.lastIndexOf("</p>"),
        tr("<br>%1 %2 %")
          .arg(this->Legend->property("of").toString())
          .arg(100 * numbers[t], 0, 'f', 1));
    }
    tokens.append({ this->Table.text(t), tip, this->Table.startsWord(t), this->Table.isSeparate(t),
      column.isEmpty() ? 0.0 : value });
  }
  this->Strip->setTokens(tokens);
  const int height = this->fontMetrics().height() - 2;
  this->Legend->setPixmap(gradient(this->palette(), height, this->devicePixelRatioF()));
  const bool share = column == "probability" || column == Shares;
  this->Lowest->setText(share ? QStringLiteral("0") : QString::number(low, 'g', 2));
  this->Highest->setText(share ? QStringLiteral("100 %") : QString::number(high, 'g', 2));
  this->Legend->setToolTip(
    tr("%1 from %2 to %3")
      .arg(column == Shares ? this->Legend->property("of").toString() : column)
      .arg(low, 0, 'g', 4)
      .arg(high, 0, 'g', 4));
  this->fitHeight();
}

QVector<double> pqLVLMTokensWidget::shares()
{
  auto* model = pqApplicationCore::instance()->getServerManagerModel();
  pqPipelineSource* trace = lvlm::traceOf(model->findItem<pqPipelineSource*>(this->proxy()));
  QVector<double> numbers;
  if (!trace)
  {
    return numbers;
  }
  const QString told =
    lvlm::askPython(QStringLiteral("__import__('json').dumps(lvlm.picture_shares(%1))")
                      .arg(lvlm::pythonString(trace->getSMName())));
  const QJsonObject answer = QJsonDocument::fromJson(told.toUtf8()).object();
  for (const QJsonValue& value : answer["shares"].toArray())
  {
    numbers << value.toDouble();
  }
  this->Legend->setProperty("of", tr("the picture's share of the %1").arg(answer["of"].toString()));
  return numbers;
}

QVector<double> pqLVLMTokensWidget::overWords(const QVector<double>& numbers) const
{
  if (!this->Words->isChecked() || numbers.size() != this->Strip->tokens().size())
  {
    return numbers;
  }
  QVector<double> result = numbers;
  for (int token = 0; token < numbers.size(); ++token)
  {
    const auto [begin, end] = this->Strip->wordOf(token);
    double sum = 0;
    for (int other = begin; other < end; ++other)
    {
      sum += numbers[other];
    }
    result[token] = sum / (end - begin);
  }
  return result;
}

void pqLVLMTokensWidget::fitHeight()
{
  const int inner = this->Strip->heightForWidth(this->Scroll->width() - 2) + 2;
  this->Scroll->setFixedHeight(std::min(inner, HighestStrip));
}

void pqLVLMTokensWidget::fitWidth()
{
  if (this->Panel && this->Panel->widget())
  {
    // Other widgets may make the panel wider than its window: the tokens wrap at what is seen.
    const int left = this->mapTo(this->Panel->widget(), QPoint()).x();
    const int hidden = 2 * left + this->width() - this->Panel->viewport()->width();
    this->layout()->setContentsMargins(0, 0, std::max(0, hidden), 0);
  }
}

void pqLVLMTokensWidget::showEvent(QShowEvent* event)
{
  this->Superclass::showEvent(event);
  for (QWidget* above = this->parentWidget(); above && !this->Panel; above = above->parentWidget())
  {
    this->Panel = qobject_cast<QScrollArea*>(above);
  }
  if (this->Panel)
  {
    this->Panel->viewport()->installEventFilter(this);
  }
  this->fitWidth();
}

void pqLVLMTokensWidget::resizeEvent(QResizeEvent* event)
{
  this->Superclass::resizeEvent(event);
  this->fitWidth();
}

bool pqLVLMTokensWidget::eventFilter(QObject* watched, QEvent* event)
{
  if (event->type() == QEvent::Resize && watched == this->Scroll)
  {
    this->fitHeight();
  }
  else if (event->type() == QEvent::Resize && this->Panel && watched == this->Panel->viewport())
  {
    this->fitWidth();
  }
  return this->Superclass::eventFilter(watched, event);
}

void pqLVLMTokensWidget::showTime()
{
  pqServer* server = this->server();
  const double time = server ? server->getTimeKeeper()->getTime() : -1.0;
  const int count = this->Strip->tokens().size();
  const bool inside = time >= 0 && time < count;
  // Past the end the filters show the last token.
  this->Late = this->followsTime() && time >= count && count > 0;
  const int shown = this->Late ? count - 1 : static_cast<int>(std::floor(time));
  this->Strip->setCurrent(inside || this->Late ? shown : -1);
  this->showIndices(this->Strip->selection());
}

void pqLVLMTokensWidget::showIndices(const QList<int>& indices)
{
  const int count = this->Strip->tokens().isEmpty() ? this->count() : this->Strip->tokens().size();
  QList<int> selection;
  for (const int index : indices)
  {
    selection << (index < 0 ? index + count : index);
  }
  if (this->isSingle() && selection.isEmpty())
  {
    const int index = vtkSMPropertyHelper(this->property()).GetAsInt();
    selection << (index < 0 ? index + count : index);
  }
  this->Strip->setSelection(selection);
  this->Strip->setFollowing(this->followsTime());
  QString text = selection.isEmpty() ? tr("shown: all tokens, together")
                                     : tr("shown: %1 tokens, together").arg(selection.size());
  if (this->followsTime() || selection.size() == 1)
  {
    const int token = this->followsTime() ? std::max(0, this->Strip->current()) : selection[0];
    const QString word = token < this->Strip->tokens().size() ? this->Strip->tokens()[token].Text
                                                              : tr("the answer's token");
    text = tr("shown: %1 (%2)").arg(word).arg(token);
    if (this->Late)
    {
      text += tr(", the last: the time is past the answer's end");
    }
  }
  this->Chosen->setText(text);
  this->Chosen->setToolTip(text);
  this->Strip->setToolTip(this->followsTime() ? tr("Click a token to go to its time.") : QString());
}

void pqLVLMTokensWidget::choose()
{
  const QList<int> selection = this->Strip->selection();
  if (this->followsTime() && selection.size() == 1)
  {
    // The filter looks at the time alone: there the click must take effect.
    this->goTo(selection.last());
    this->setIndices(this->indices());
    return;
  }
  this->edit(selection);
  this->showIndices(selection);
}

void pqLVLMTokensWidget::aboutToPush()
{
  if (this->followsTime()) // several tokens have no time
  {
    vtkSMPropertyHelper(this->proxy(), "FollowTime").Set(0);
  }
}

void pqLVLMTokensWidget::goTo(int token)
{
  pqServerManagerModel* model = pqApplicationCore::instance()->getServerManagerModel();
  const QList<pqAnimationScene*> scenes = model->findItems<pqAnimationScene*>(this->server());
  if (!scenes.isEmpty())
  {
    scenes.first()->setAnimationTime(token);
  }
}
