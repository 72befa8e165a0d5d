// SPDX-License-Identifier: Apache-2.0
#include "pqLVLMIndexGrid.h"

#include <QKeyEvent>
#include <QPainter>
#include <QStringList>

#include <algorithm>

namespace
{
constexpr int Gap = 2;          // between cells
constexpr int LongestList = 12; // indices that a summary names
constexpr int WideGrid = 280;   // preferred width, pixels
}

pqLVLMIndexGrid::pqLVLMIndexGrid(QWidget* parent) : Superclass(parent)
{
  this->setFocusPolicy(Qt::StrongFocus);
  QSizePolicy policy(QSizePolicy::Expanding, QSizePolicy::Fixed);
  policy.setHeightForWidth(true);
  this->setSizePolicy(policy);
}

pqLVLMIndexGrid::~pqLVLMIndexGrid() = default;

void pqLVLMIndexGrid::setCount(int count)
{
  this->Count = std::max(0, count);
  this->Cursor = std::clamp(this->Cursor, 0, std::max(0, this->Count - 1));
  this->updateGeometry();
  this->update();
}

void pqLVLMIndexGrid::setSingle(bool single)
{
  this->Single = single;
}

void pqLVLMIndexGrid::setIndices(const QList<int>& indices)
{
  this->Indices = indices;
  this->update();
}

bool pqLVLMIndexGrid::isChosen(int cell) const
{
  return this->Indices.contains(cell) || this->Indices.contains(cell - this->Count);
}

QString pqLVLMIndexGrid::summary() const
{
  if (this->Indices.isEmpty())
  {
    return this->Count > 0 ? tr("all %1").arg(this->Count) : tr("all");
  }
  QStringList names;
  for (const int index : this->Indices.mid(0, LongestList))
  {
    const bool known = index < 0 && this->Count + index >= 0 && this->Count > 0;
    names << (known ? tr("%1 (%2)").arg(this->Count + index).arg(index) : QString::number(index));
  }
  if (this->Indices.size() > LongestList)
  {
    names << QStringLiteral("…");
  }
  const QString list = names.join(QStringLiteral(", "));
  return this->Single || this->Count == 0
    ? list
    : tr("%1 of %2: %3").arg(this->Indices.size()).arg(this->Count).arg(list);
}

QSize pqLVLMIndexGrid::cellSize() const
{
  const QFontMetrics metrics = this->fontMetrics();
  const QString widest = QString::number(std::max(this->Count - 1, 10));
  return QSize(metrics.horizontalAdvance(widest) + 10, metrics.height() + 4);
}

int pqLVLMIndexGrid::columns(int width) const
{
  const int fit = std::max(1, (width + Gap) / (this->cellSize().width() + Gap));
  if (fit >= this->Count)
  {
    return std::max(1, this->Count);
  }
  int columns = 1; // rows of a power of two are easy to count
  while (columns * 2 <= fit)
  {
    columns *= 2;
  }
  return columns;
}

QRect pqLVLMIndexGrid::cellRect(int cell) const
{
  const QSize size = this->cellSize();
  const int columns = this->columns(this->width());
  return QRect(
    QPoint((cell % columns) * (size.width() + Gap), (cell / columns) * (size.height() + Gap)),
    size);
}

int pqLVLMIndexGrid::cellAt(const QPoint& point) const
{
  for (int cell = 0; cell < this->Count; ++cell)
  {
    if (this->cellRect(cell).contains(point))
    {
      return cell;
    }
  }
  return -1;
}

int pqLVLMIndexGrid::heightForWidth(int width) const
{
  const int columns = this->columns(width);
  const int rows = std::max(1, (this->Count + columns - 1) / columns);
  return rows * (this->cellSize().height() + Gap) - Gap;
}

QSize pqLVLMIndexGrid::sizeHint() const
{
  return QSize(WideGrid, this->heightForWidth(WideGrid));
}

QSize pqLVLMIndexGrid::minimumSizeHint() const
{
  return this->cellSize();
}

void pqLVLMIndexGrid::choose(int cell, bool on)
{
  QList<int> indices = this->Indices;
  if (this->Single)
  {
    indices = { cell };
  }
  else
  {
    indices.removeAll(cell);
    indices.removeAll(cell - this->Count);
    if (on)
    {
      const auto place = [this](int index) { return index < 0 ? index + this->Count : index; };
      const auto at = std::find_if(
        indices.begin(), indices.end(), [&](int other) { return place(other) > cell; });
      indices.insert(at, cell);
    }
  }
  this->Cursor = cell;
  this->update();
  if (indices != this->Indices)
  {
    this->Indices = indices;
    Q_EMIT this->edited();
  }
}

void pqLVLMIndexGrid::mousePressEvent(QMouseEvent* event)
{
  const int cell = this->cellAt(event->pos());
  if (event->button() == Qt::LeftButton && cell >= 0)
  {
    this->Painting = !this->isChosen(cell);
    this->choose(cell, this->Painting);
  }
}

void pqLVLMIndexGrid::mouseMoveEvent(QMouseEvent* event)
{
  const int cell = this->cellAt(event->pos());
  if (event->buttons().testFlag(Qt::LeftButton) && cell >= 0 &&
    this->isChosen(cell) != this->Painting)
  {
    this->choose(cell, this->Painting);
  }
}

void pqLVLMIndexGrid::keyPressEvent(QKeyEvent* event)
{
  int step = 0;
  switch (event->key())
  {
    case Qt::Key_Left:
      step = -1;
      break;
    case Qt::Key_Right:
      step = 1;
      break;
    case Qt::Key_Up:
      step = -this->columns(this->width());
      break;
    case Qt::Key_Down:
      step = this->columns(this->width());
      break;
    case Qt::Key_Space:
      if (this->Count > 0)
      {
        this->choose(this->Cursor, !this->isChosen(this->Cursor));
      }
      return;
    default:
      this->Superclass::keyPressEvent(event);
      return;
  }
  const int cell = this->Cursor + step;
  if (cell < 0 || cell >= this->Count)
  {
    return;
  }
  this->Cursor = cell;
  if (this->Single)
  {
    this->choose(cell, true);
  }
  this->update();
}

void pqLVLMIndexGrid::paintEvent(QPaintEvent*)
{
  QPainter painter(this);
  painter.setRenderHint(QPainter::Antialiasing);
  const QPalette& palette = this->palette();
  for (int cell = 0; cell < this->Count; ++cell)
  {
    const bool chosen = this->isChosen(cell);
    const QRect rect = this->cellRect(cell);
    painter.setPen(QPen(palette.color(QPalette::Mid), 1));
    painter.setBrush(chosen ? palette.brush(QPalette::Highlight) : palette.brush(QPalette::Base));
    painter.drawRoundedRect(QRectF(rect).adjusted(0.5, 0.5, -0.5, -0.5), 3, 3);
    QFont font = this->font();
    font.setUnderline(cell == this->Cursor && this->hasFocus());
    painter.setFont(font);
    painter.setPen(palette.color(chosen ? QPalette::HighlightedText : QPalette::Text));
    painter.drawText(rect, Qt::AlignCenter, QString::number(cell));
  }
}
