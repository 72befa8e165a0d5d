// SPDX-License-Identifier: Apache-2.0
/**
 * @class pqLVLMTokensWidget
 * @brief chooser of answer tokens: the answer itself
 *
 * The panel_widget "lvlm_tokens" of AnswerTokens and AnswerToken. Shows what the filter's
 * information property TokenTable says, so that it works with a remote server. A double click moves
 * the time to a token; while the filter follows time, a click does.
 */
#ifndef pqLVLMTokensWidget_h
#define pqLVLMTokensWidget_h

#include "pqLVLMIndexProperty.h"
#include "pqLVLMTokenTable.h"

#include <QPointer>

class QCheckBox;
class QComboBox;
class QLabel;
class QScrollArea;
class pqLVLMTokenStrip;

class pqLVLMTokensWidget : public pqLVLMIndexProperty
{
  Q_OBJECT
  typedef pqLVLMIndexProperty Superclass;

public:
  pqLVLMTokensWidget(vtkSMProxy* proxy, vtkSMProperty* property, QWidget* parent = nullptr);
  ~pqLVLMTokensWidget() override;

protected:
  void showIndices(const QList<int>& indices) override;
  void aboutToPush() override;
  void showEvent(QShowEvent* event) override;
  void resizeEvent(QResizeEvent* event) override;
  bool eventFilter(QObject* watched, QEvent* event) override;

private Q_SLOTS:
  void refresh();
  void showTime();
  void showColors();

private:
  Q_DISABLE_COPY(pqLVLMTokensWidget)

  QVector<double> shares();
  QVector<double> overWords(const QVector<double>& numbers) const;
  void watch();
  void fitWidth();
  void fitHeight();
  void choose();
  void goTo(int token);
  bool followsTime() const;

  pqLVLMTokenTable Table;
  pqLVLMTokenStrip* Strip;
  QWidget* Scroll;
  QPointer<QScrollArea> Panel; ///< that this is part of
  QComboBox* Column;
  QLabel* Legend;
  QLabel* Lowest;
  QLabel* Highest;
  QLabel* Chosen;
  QCheckBox* Words;
  bool Late = false; ///< the time that is followed lies past the answer's end
};

#endif
