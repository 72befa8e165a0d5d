// SPDX-License-Identifier: Apache-2.0
/**
 * @class pqLVLMToolBar
 * @brief the toolbar LVLM: the commands of pqLVLMActions
 */
#ifndef pqLVLMToolBar_h
#define pqLVLMToolBar_h

#include <QToolBar>

class pqLVLMToolBar : public QToolBar
{
  Q_OBJECT
  typedef QToolBar Superclass;

public:
  explicit pqLVLMToolBar(QWidget* parent = nullptr);
  ~pqLVLMToolBar() override;

protected:
  /// In a line of its own where it would not be whole otherwise: what was saved of the window at
  /// the last start knows nothing of toolbars that plugins bring.
  void resizeEvent(QResizeEvent* event) override;

private:
  Q_DISABLE_COPY(pqLVLMToolBar)
};

#endif
