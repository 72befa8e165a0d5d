// SPDX-License-Identifier: Apache-2.0
#include "pqLVLMCanvas.h"

#include <QMouseEvent>
#include <QPainter>
#include <QStringList>

#include <algorithm>
#include <cmath>

namespace
{
const QColor Ink(255, 0, 153);
constexpr int LongestStroke = 5000; // points: a stroke is a line of text
constexpr int Least = 3;            // pixels of the screen that a rectangle has at least
}

pqLVLMCanvas::pqLVLMCanvas(QWidget* parent) : Superclass(parent)
{
  this->setMouseTracking(true);
  this->setMinimumSize(240, 180);
  this->setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Expanding);
  this->setCursor(Qt::CrossCursor);
}

pqLVLMCanvas::~pqLVLMCanvas() = default;

QSize pqLVLMCanvas::sizeHint() const
{
  return QSize(520, 460);
}

void pqLVLMCanvas::setPreview(const lvlm::Preview& preview)
{
  this->Preview = preview;
  this->Stroke.clear();
  this->update();
}

void pqLVLMCanvas::setTool(Tool tool)
{
  this->Chosen = tool;
  this->Stroke.clear();
  this->update();
}

void pqLVLMCanvas::setRadius(double radius)
{
  this->Radius = radius;
  this->update();
}

void pqLVLMCanvas::setFill(const QString& fill)
{
  this->Fill = fill;
}

QRectF pqLVLMCanvas::picture() const
{
  return lvlm::fitted(this->Preview.Size, QRectF(this->rect()).adjusted(1, 1, -1, -1));
}

QPoint pqLVLMCanvas::pixelAt(const QPointF& place) const
{
  const QRectF shown = this->picture();
  const QSize size = this->Preview.Size;
  const auto at = [](double part, int count)
  { return std::clamp(static_cast<int>(std::floor(part * count)), 0, count - 1); };
  return { at((place.x() - shown.left()) / shown.width(), size.width()),
    at((place.y() - shown.top()) / shown.height(), size.height()) };
}

QPointF pqLVLMCanvas::placeOf(const QPointF& pixel) const
{
  const QRectF shown = this->picture();
  return shown.topLeft() +
    (pixel + QPointF(0.5, 0.5)) * (shown.width() / this->Preview.Size.width());
}

QRect pqLVLMCanvas::pixelRect(int pixel) const
{
  if (this->Preview.Size.isEmpty())
  {
    return QRect();
  }
  const int width = this->Preview.Size.width();
  return QRect(this->placeOf(QPointF(pixel % width, pixel / width)).toPoint(), QSize(1, 1));
}

QString pqLVLMCanvas::rectangleText(const char* shape) const
{
  const QPoint a = this->Stroke.first(), b = this->Stroke.last();
  const QPointF from = this->placeOf(a), to = this->placeOf(b);
  if (std::abs(from.x() - to.x()) < Least && std::abs(from.y() - to.y()) < Least)
  {
    return QString(); // a click without a drag
  }
  const int last = this->Preview.Size.height() - 1; // y counts from the bottom
  return QStringLiteral("%1 %2 %3 %4 %5")
    .arg(shape)
    .arg(std::min(a.x(), b.x()))
    .arg(last - std::max(a.y(), b.y()))
    .arg(std::max(a.x(), b.x()))
    .arg(last - std::min(a.y(), b.y()));
}

QString pqLVLMCanvas::brushText() const
{
  QStringList words{ "brush", QString::number(this->Radius) };
  for (const QPoint& point : this->Stroke)
  {
    words << QString::number(point.x())
          << QString::number(this->Preview.Size.height() - 1 - point.y());
  }
  return words.join(' ');
}

void pqLVLMCanvas::mousePressEvent(QMouseEvent* event)
{
  if (event->button() == Qt::LeftButton && !this->Preview.Size.isEmpty())
  {
    this->Stroke = { this->pixelAt(event->pos()) };
    this->update();
  }
}

void pqLVLMCanvas::mouseMoveEvent(QMouseEvent* event)
{
  this->Pointer = event->pos();
  this->Inside = true;
  if (!this->Stroke.isEmpty())
  {
    const QPoint pixel = this->pixelAt(event->pos());
    if (this->Chosen != Brush)
    {
      this->Stroke = { this->Stroke.first(), pixel };
    }
    else if (pixel != this->Stroke.last() && this->Stroke.size() < LongestStroke)
    {
      this->Stroke << pixel;
    }
  }
  this->update();
}

void pqLVLMCanvas::mouseReleaseEvent(QMouseEvent* event)
{
  if (event->button() != Qt::LeftButton || this->Stroke.isEmpty())
  {
    return;
  }
  this->mouseMoveEvent(event);
  const QString edit = this->Chosen == Brush ? this->brushText() + ' ' + this->Fill
    : this->Chosen == Crop                   ? this->rectangleText("crop")
                                             : this->rectangleText("rectangle") + ' ' + this->Fill;
  this->Stroke.clear();
  this->update();
  if (!edit.isEmpty() && !edit.startsWith(' '))
  {
    Q_EMIT this->drawn(edit);
  }
}

void pqLVLMCanvas::leaveEvent(QEvent*)
{
  this->Inside = false;
  this->update();
}

void pqLVLMCanvas::paintStroke(QPainter& painter) const
{
  const double radius = this->Radius * this->picture().width() / this->Preview.Size.width();
  QColor wash = Ink;
  wash.setAlpha(110);
  if (this->Chosen != Brush)
  {
    painter.setPen(QPen(Ink, 1.5));
    painter.setBrush(this->Chosen == Crop ? QBrush(Qt::NoBrush) : QBrush(wash));
    painter.drawRect(
      QRectF(this->placeOf(this->Stroke.first()), this->placeOf(this->Stroke.last())).normalized());
    return;
  }
  QPolygonF line;
  for (const QPoint& point : this->Stroke)
  {
    line << this->placeOf(point);
  }
  line << line.last() + QPointF(0.01, 0); // a single point is drawn, too
  painter.setBrush(Qt::NoBrush);
  painter.setPen(QPen(wash, 2 * radius, Qt::SolidLine, Qt::RoundCap, Qt::RoundJoin));
  painter.drawPolyline(line);
}

void pqLVLMCanvas::paintEvent(QPaintEvent*)
{
  QPainter painter(this);
  painter.setRenderHint(QPainter::Antialiasing);
  if (this->Preview.Small.isNull())
  {
    painter.setPen(this->palette().color(QPalette::Disabled, QPalette::Text));
    painter.drawText(this->rect(), Qt::AlignCenter, tr("There is no picture to edit."));
    return;
  }
  lvlm::drawPreview(painter, this->picture(), this->Preview);
  painter.setClipRect(this->picture());
  if (!this->Stroke.isEmpty())
  {
    this->paintStroke(painter);
  }
  else if (this->Inside && this->Chosen == Brush)
  {
    const double radius = this->Radius * this->picture().width() / this->Preview.Size.width();
    painter.setBrush(Qt::NoBrush);
    painter.setPen(QPen(Ink, 1.5));
    painter.drawEllipse(this->Pointer, radius, radius);
  }
}
