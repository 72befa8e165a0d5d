// SPDX-License-Identifier: Apache-2.0
/**
 * @class pqLVLMCanvas
 * @brief a picture to draw edits on: rectangles, brush strokes, a crop
 *
 * Draws what it is given (lvlm::Preview) and what the pointer does; a finished stroke is told as a
 * line of text, such as LVLM Edit Picture takes. Changes nothing itself.
 */
#ifndef pqLVLMCanvas_h
#define pqLVLMCanvas_h

#include "pqLVLMPreview.h"

#include <QVector>
#include <QWidget>

class pqLVLMCanvas : public QWidget
{
  Q_OBJECT
  typedef QWidget Superclass;

public:
  enum Tool
  {
    Rectangle,
    Brush,
    Crop
  };

  explicit pqLVLMCanvas(QWidget* parent = nullptr);
  ~pqLVLMCanvas() override;

  void setPreview(const lvlm::Preview& preview);
  void setTool(Tool tool);
  /// Of the brush, in pixels of the picture.
  void setRadius(double radius);
  /// What the parts are covered with, as LVLM Edit Picture calls it.
  void setFill(const QString& fill);

  /// Where a pixel of the picture is drawn, counted from its top left: y * width + x.
  Q_INVOKABLE QRect pixelRect(int pixel) const;

  QSize sizeHint() const override;

Q_SIGNALS:
  void drawn(const QString& edit);

protected:
  void paintEvent(QPaintEvent* event) override;
  void mousePressEvent(QMouseEvent* event) override;
  void mouseMoveEvent(QMouseEvent* event) override;
  void mouseReleaseEvent(QMouseEvent* event) override;
  void leaveEvent(QEvent* event) override;

private:
  Q_DISABLE_COPY(pqLVLMCanvas)

  QRectF picture() const;                      ///< where the picture is drawn
  QPoint pixelAt(const QPointF& place) const;  ///< of the picture, inside it, from its top left
  QPointF placeOf(const QPointF& pixel) const; ///< of a pixel's middle
  QString rectangleText(const char* shape) const;
  QString brushText() const;
  void paintStroke(QPainter& painter) const;

  lvlm::Preview Preview;
  Tool Chosen = Rectangle;
  QString Fill = QStringLiteral("mean");
  double Radius = 10;
  QVector<QPoint> Stroke; ///< pixels; empty: no button is down
  QPointF Pointer;
  bool Inside = false; ///< the pointer is over it
};

#endif
