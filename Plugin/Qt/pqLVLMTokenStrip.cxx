// SPDX-License-Identifier: Apache-2.0
#include "pqLVLMTokenStrip.h"

#include <QHelpEvent>
#include <QKeyEvent>
#include <QPainter>
#include <QToolTip>

#include <algorithm>
#include <cmath>

namespace
{
constexpr int Padding = 4;     // left and right of a token's text
constexpr int WordGap = 5;     // before a token that starts a word
constexpr int PieceGap = 2;    // before one that continues it: the frames must not touch
constexpr int LineGap = 4;     // between lines
constexpr int Frame = 3;       // around everything, for the outlines
constexpr int WideStrip = 280; // preferred width, pixels

QColor mix(const QColor& a, const QColor& b, double t)
{
  return QColor::fromRgbF(a.redF() + (b.redF() - a.redF()) * t,
    a.greenF() + (b.greenF() - a.greenF()) * t, a.blueF() + (b.blueF() - a.blueF()) * t);
}

bool isDark(const QColor& color)
{
  return 0.299 * color.redF() + 0.587 * color.greenF() + 0.114 * color.blueF() < 0.5;
}
}

pqLVLMTokenStrip::pqLVLMTokenStrip(QWidget* parent) : Superclass(parent)
{
  this->setFocusPolicy(Qt::StrongFocus);
  QSizePolicy policy(QSizePolicy::Expanding, QSizePolicy::Preferred);
  policy.setHeightForWidth(true);
  this->setSizePolicy(policy);
}

pqLVLMTokenStrip::~pqLVLMTokenStrip() = default;

void pqLVLMTokenStrip::setTokens(const QVector<Token>& tokens)
{
  this->Tokens = tokens;
  const int last = std::max(0, static_cast<int>(tokens.size()) - 1);
  this->Cursor = std::min(this->Cursor, last);
  this->Anchor = std::min(this->Anchor, last);
  this->layOut(this->width(), &this->Rects);
  this->updateGeometry();
  this->update();
}

void pqLVLMTokenStrip::setSelection(const QList<int>& selection)
{
  this->Selection = selection;
  std::sort(this->Selection.begin(), this->Selection.end());
  this->update();
}

void pqLVLMTokenStrip::setSingle(bool single)
{
  this->Single = single;
}

void pqLVLMTokenStrip::setWholeWords(bool whole)
{
  this->Whole = whole;
  this->layOut(this->width(), &this->Rects);
  this->update();
}

std::pair<int, int> pqLVLMTokenStrip::wordOf(int token) const
{
  const auto starts = [this](int at)
  { return this->Tokens[at].StartsWord || this->Tokens[at].Separate; };
  int begin = token, end = token + 1;
  while (begin > 0 && !starts(begin))
  {
    --begin;
  }
  while (end < this->Tokens.size() && !starts(end))
  {
    ++end;
  }
  return { begin, end };
}

void pqLVLMTokenStrip::setCurrent(int token)
{
  if (this->Current != token)
  {
    this->Current = token;
    this->update();
  }
}

void pqLVLMTokenStrip::setFollowing(bool following)
{
  if (this->Following != following)
  {
    this->Following = following;
    this->update();
  }
}

QRect pqLVLMTokenStrip::tokenRect(int token) const
{
  return this->Rects.value(token);
}

QColor pqLVLMTokenStrip::colorOf(double value, const QPalette& palette)
{
  const QColor base = palette.color(QPalette::Base);
  if (std::isnan(value))
  {
    return base;
  }
  // Never so strong that it looks like the fill of what is selected elsewhere in the window.
  const QColor strong = isDark(base) ? QColor(94, 170, 235) : QColor(21, 101, 178);
  return mix(base, strong, 0.04 + 0.46 * std::clamp(value, 0.0, 1.0));
}

int pqLVLMTokenStrip::layOut(int width, QVector<QRect>* rects) const
{
  const QFontMetrics metrics = this->fontMetrics();
  const int height = metrics.height() + 4;
  int x = Frame, y = Frame;
  if (rects)
  {
    rects->clear();
  }
  for (const Token& token : this->Tokens)
  {
    const int wide = std::max(metrics.horizontalAdvance(token.Text) + 2 * Padding, height);
    const bool joined = this->Whole && !token.StartsWord && !token.Separate;
    const int gap = x == Frame || joined ? 0 : (token.StartsWord ? WordGap : PieceGap);
    if (x > Frame && x + gap + wide > width - Frame)
    {
      x = Frame;
      y += height + LineGap;
    }
    else
    {
      x += gap;
    }
    if (rects)
    {
      rects->append(QRect(x, y, std::min(wide, std::max(width - 2 * Frame, height)), height));
    }
    x += wide;
  }
  return y + height + Frame;
}

int pqLVLMTokenStrip::heightForWidth(int width) const
{
  return this->layOut(width, nullptr);
}

QSize pqLVLMTokenStrip::sizeHint() const
{
  return QSize(WideStrip, this->heightForWidth(WideStrip));
}

QSize pqLVLMTokenStrip::minimumSizeHint() const
{
  return QSize(80, this->fontMetrics().height() + 2 * Frame + 4);
}

void pqLVLMTokenStrip::resizeEvent(QResizeEvent* event)
{
  this->Superclass::resizeEvent(event);
  this->layOut(this->width(), &this->Rects);
}

int pqLVLMTokenStrip::tokenAt(const QPoint& point) const
{
  for (int i = 0; i < this->Rects.size(); ++i)
  {
    // The gaps belong to the tokens: no click goes astray.
    if (this->Rects[i].adjusted(-2, -LineGap / 2, 2, LineGap / 2).contains(point))
    {
      return i;
    }
  }
  return -1;
}

int pqLVLMTokenStrip::tokenBelow(int token, int direction) const
{
  const QPoint from = this->Rects.value(token).center();
  int best = token;
  int bestDistance = -1;
  int line = 0; // the nearest line in that direction
  for (int i = token + direction; i >= 0 && i < this->Rects.size(); i += direction)
  {
    const QPoint to = this->Rects[i].center();
    if (to.y() == from.y())
    {
      continue;
    }
    line = line ? line : to.y();
    const int distance = std::abs(to.x() - from.x());
    if (to.y() == line && (bestDistance < 0 || distance < bestDistance))
    {
      best = i;
      bestDistance = distance;
    }
  }
  return best;
}

void pqLVLMTokenStrip::edit(QList<int> selection)
{
  for (int i = this->Whole && !this->Single ? selection.size() - 1 : -1; i >= 0; --i)
  {
    const auto [begin, end] = this->wordOf(selection[i]);
    for (int token = begin; token < end; ++token)
    {
      if (!selection.contains(token))
      {
        selection.append(token);
      }
    }
  }
  std::sort(selection.begin(), selection.end());
  if (!this->Single && selection.size() == this->Tokens.size())
  {
    selection.clear(); // all
  }
  this->update();
  if (selection != this->Selection)
  {
    this->Selection = selection;
    Q_EMIT this->selectionEdited();
  }
}

void pqLVLMTokenStrip::choose(int token, Qt::KeyboardModifiers modifiers)
{
  if (this->Following && this->Current >= 0)
  {
    this->Anchor = this->Current; // what looks selected is where a range starts
    this->Selection = { this->Current };
  }
  this->Cursor = token;
  QList<int> selection{ token };
  if (!this->Single && modifiers.testFlag(Qt::ShiftModifier))
  {
    selection.clear();
    for (int i = std::min(token, this->Anchor); i <= std::max(token, this->Anchor); ++i)
    {
      selection.append(i);
    }
    this->edit(selection);
    return;
  }
  if (!this->Single && modifiers.testFlag(Qt::ControlModifier))
  {
    selection = this->Selection;
    const bool taken = selection.contains(token);
    const auto [begin, end] = this->Whole ? this->wordOf(token) : std::make_pair(token, token + 1);
    for (int other = begin; other < end; ++other)
    {
      selection.removeOne(other);
    }
    if (!taken)
    {
      selection.append(token);
    }
  }
  this->Anchor = token;
  this->edit(selection);
}

void pqLVLMTokenStrip::mousePressEvent(QMouseEvent* event)
{
  if (event->button() != Qt::LeftButton)
  {
    this->Superclass::mousePressEvent(event);
    return;
  }
  const int token = this->tokenAt(event->pos());
  if (token >= 0)
  {
    this->choose(token, event->modifiers());
  }
  else if (!this->Single && event->modifiers() == Qt::NoModifier)
  {
    this->edit({});
  }
}

void pqLVLMTokenStrip::mouseDoubleClickEvent(QMouseEvent* event)
{
  const int token = this->tokenAt(event->pos());
  if (token >= 0 && event->button() == Qt::LeftButton)
  {
    Q_EMIT this->tokenActivated(token);
  }
}

void pqLVLMTokenStrip::moveTo(int token, Qt::KeyboardModifiers modifiers)
{
  this->Cursor = std::clamp(token, 0, static_cast<int>(this->Tokens.size()) - 1);
  if (modifiers.testFlag(Qt::ControlModifier))
  {
    this->update(); // only the cursor moves
    return;
  }
  this->choose(this->Cursor, modifiers & Qt::ShiftModifier);
}

void pqLVLMTokenStrip::keyPressEvent(QKeyEvent* event)
{
  if (this->Tokens.isEmpty())
  {
    this->Superclass::keyPressEvent(event);
    return;
  }
  if (event->matches(QKeySequence::SelectAll))
  {
    if (!this->Single)
    {
      this->edit({});
    }
    return;
  }
  switch (event->key())
  {
    case Qt::Key_Left:
      return this->moveTo(this->Cursor - 1, event->modifiers());
    case Qt::Key_Right:
      return this->moveTo(this->Cursor + 1, event->modifiers());
    case Qt::Key_Up:
      return this->moveTo(this->tokenBelow(this->Cursor, -1), event->modifiers());
    case Qt::Key_Down:
      return this->moveTo(this->tokenBelow(this->Cursor, 1), event->modifiers());
    case Qt::Key_Home:
      return this->moveTo(0, event->modifiers());
    case Qt::Key_End:
      return this->moveTo(this->Tokens.size() - 1, event->modifiers());
    case Qt::Key_Space:
      return this->choose(this->Cursor, Qt::ControlModifier);
    case Qt::Key_Return:
    case Qt::Key_Enter:
      Q_EMIT this->tokenActivated(this->Cursor);
      return;
    default:
      this->Superclass::keyPressEvent(event);
  }
}

bool pqLVLMTokenStrip::event(QEvent* event)
{
  if (event->type() == QEvent::ToolTip)
  {
    auto* help = static_cast<QHelpEvent*>(event);
    const int token = this->tokenAt(help->pos());
    QToolTip::showText(
      help->globalPos(), token < 0 ? QString() : this->Tokens[token].ToolTip, this);
    return true;
  }
  if (event->type() == QEvent::FontChange || event->type() == QEvent::StyleChange)
  {
    this->layOut(this->width(), &this->Rects);
    this->updateGeometry();
  }
  return this->Superclass::event(event);
}

void pqLVLMTokenStrip::paintToken(QPainter& painter, int token) const
{
  const QRect rect = this->Rects[token];
  const QPalette& palette = this->palette();
  const bool all = !this->Following && this->Selection.isEmpty();
  const bool selected = this->Following ? token == this->Current : this->Selection.contains(token);
  QColor fill = colorOf(this->Tokens[token].Value, palette);
  if (!this->isEnabled())
  {
    fill = mix(fill, palette.color(QPalette::Base), 0.6);
  }
  const QColor ink = isDark(fill) ? QColor(Qt::white) : QColor(20, 20, 20);
  painter.setBrush(fill);
  painter.setPen(selected ? QPen(QColor(232, 119, 34), 2.4)
                          : QPen(mix(palette.color(QPalette::Text), fill, all ? 0.6 : 0.8), 1));
  painter.drawRoundedRect(QRectF(rect).adjusted(0.5, 0.5, -0.5, -0.5), 4, 4);
  QFont font = this->font();
  font.setUnderline(token == this->Cursor && this->hasFocus());
  painter.setFont(font);
  painter.setPen(ink);
  painter.drawText(rect.adjusted(Padding, 0, -Padding, 0), Qt::AlignCenter | Qt::TextSingleLine,
    painter.fontMetrics().elidedText(
      this->Tokens[token].Text, Qt::ElideMiddle, rect.width() - Padding));
  if (token == this->Current && !this->Following)
  {
    painter.setBrush(Qt::NoBrush);
    painter.setPen(QPen(palette.color(QPalette::Text), 1, Qt::DashLine));
    painter.drawRoundedRect(QRectF(rect).adjusted(-2, -2, 2, 2), 5, 5);
  }
}

void pqLVLMTokenStrip::paintEvent(QPaintEvent*)
{
  QPainter painter(this);
  painter.setRenderHint(QPainter::Antialiasing);
  if (this->Tokens.isEmpty())
  {
    painter.setPen(this->palette().color(QPalette::Disabled, QPalette::Text));
    painter.drawText(this->rect().adjusted(Frame, 0, 0, 0), Qt::AlignVCenter | Qt::AlignLeft,
      tr("The answer appears here once it is known."));
    return;
  }
  for (int token = 0; token < this->Rects.size(); ++token)
  {
    this->paintToken(painter, token);
  }
}
