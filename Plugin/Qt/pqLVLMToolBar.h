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

private:
  Q_DISABLE_COPY(pqLVLMToolBar)
};

#endif
