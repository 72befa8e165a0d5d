// SPDX-License-Identifier: Apache-2.0
/**
 * @class pqLVLMIndexGrid
 * @brief layers or heads as numbered cells that are switched on and off
 *
 * Holds a list of indices as a filter takes it: none stands for all, negative ones count from the
 * end and stay negative, so that "the last layer" is still the last one when the trace changes.
 * Knows nothing of proxies.
 */
#ifndef pqLVLMIndexGrid_h
#define pqLVLMIndexGrid_h

#include <QWidget>

class pqLVLMIndexGrid : public QWidget
{
  Q_OBJECT
  typedef QWidget Superclass;

public:
  explicit pqLVLMIndexGrid(QWidget* parent = nullptr);
  ~pqLVLMIndexGrid() override;

  void setCount(int count);
  int count() const { return this->Count; }

  /// Whether always exactly one index is chosen.
  void setSingle(bool single);

  /// Does not emit edited.
  void setIndices(const QList<int>& indices);
  QList<int> indices() const { return this->Indices; }

  /// Whether cell i is meant, by its own number or from the end.
  bool isChosen(int cell) const;

  /// "all 32", "0, 5, 31 (-1)" ...
  QString summary() const;

  /// Where a cell is drawn.
  Q_INVOKABLE QRect cellRect(int cell) const;

  bool hasHeightForWidth() const override { return true; }
  int heightForWidth(int width) const override;
  QSize sizeHint() const override;
  QSize minimumSizeHint() const override;

Q_SIGNALS:
  void edited();

protected:
  void paintEvent(QPaintEvent* event) override;
  void mousePressEvent(QMouseEvent* event) override;
  void mouseMoveEvent(QMouseEvent* event) override;
  void keyPressEvent(QKeyEvent* event) override;

private:
  Q_DISABLE_COPY(pqLVLMIndexGrid)

  QSize cellSize() const;
  int columns(int width) const;
  int cellAt(const QPoint& point) const;
  void choose(int cell, bool on);

  QList<int> Indices;
  int Count = 0;
  int Cursor = 0;
  bool Single = false;
  bool Painting = true; ///< whether a drag switches cells on or off
};

#endif
