// SPDX-License-Identifier: Apache-2.0
/**
 * @class pqLVLMTokenStrip
 * @brief an answer as a flow of tokens that are clicked
 *
 * Draws tokens line by line, coloured by a number each. Selects as lists do: click, Shift-click for
 * a range, Ctrl-click, Ctrl+A, arrow keys with Shift or Ctrl, Space. A selection of none stands for
 * all tokens. One token may be outlined as the current one; a double click or Return asks for
 * another. Knows nothing of proxies.
 */
#ifndef pqLVLMTokenStrip_h
#define pqLVLMTokenStrip_h

#include <QVector>
#include <QWidget>

#include <utility>

class pqLVLMTokenStrip : public QWidget
{
  Q_OBJECT
  typedef QWidget Superclass;

public:
  struct Token
  {
    QString Text;
    QString ToolTip;
    bool StartsWord = false; ///< set apart from the token before
    bool Separate = false; ///< a word of its own although it is not set apart, such as a full stop
    double Value = 0;      ///< in [0, 1] from pale to strong; NaN for no colour
  };

  explicit pqLVLMTokenStrip(QWidget* parent = nullptr);
  ~pqLVLMTokenStrip() override;

  void setTokens(const QVector<Token>& tokens);
  const QVector<Token>& tokens() const { return this->Tokens; }

  /// The selected tokens, ascending. None: all. Does not emit selectionEdited.
  void setSelection(const QList<int>& selection);
  QList<int> selection() const { return this->Selection; }

  /// Whether always exactly one token is selected.
  void setSingle(bool single);

  /// Whether tokens are chosen, and drawn, word by word.
  void setWholeWords(bool whole);
  /// The first token of a token's word, and the one behind its last.
  std::pair<int, int> wordOf(int token) const;

  /// The token of the time, -1 for none: it has a dashed outline.
  void setCurrent(int token);
  int current() const { return this->Current; }

  /// Whether the current token is looked at, not the selected ones: it looks like a selected one.
  void setFollowing(bool following);

  /// Where a token is drawn.
  Q_INVOKABLE QRect tokenRect(int token) const;

  /// The colour of a value in [0, 1], for legends.
  static QColor colorOf(double value, const QPalette& palette);

  bool hasHeightForWidth() const override { return true; }
  int heightForWidth(int width) const override;
  QSize sizeHint() const override;
  QSize minimumSizeHint() const override;

Q_SIGNALS:
  void selectionEdited();
  void tokenActivated(int token);

protected:
  bool event(QEvent* event) override;
  void paintEvent(QPaintEvent* event) override;
  void resizeEvent(QResizeEvent* event) override;
  void mousePressEvent(QMouseEvent* event) override;
  void mouseDoubleClickEvent(QMouseEvent* event) override;
  void keyPressEvent(QKeyEvent* event) override;

private:
  Q_DISABLE_COPY(pqLVLMTokenStrip)

  int layOut(int width, QVector<QRect>* rects) const;
  int tokenAt(const QPoint& point) const;
  int tokenBelow(int token, int direction) const;
  void moveTo(int token, Qt::KeyboardModifiers modifiers);
  void choose(int token, Qt::KeyboardModifiers modifiers);
  void edit(QList<int> selection);
  void paintToken(QPainter& painter, int token) const;

  QVector<Token> Tokens;
  QVector<QRect> Rects;
  QList<int> Selection;
  int Current = -1;
  int Cursor = 0; ///< has the keyboard
  int Anchor = 0; ///< where a range starts
  bool Single = false;
  bool Following = false;
  bool Whole = false; ///< words
};

#endif
