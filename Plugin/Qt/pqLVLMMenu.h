// SPDX-License-Identifier: Apache-2.0
/**
 * @class pqLVLMMenu
 * @brief the menu LVLM: the commands of pqLVLMActions
 */
#ifndef pqLVLMMenu_h
#define pqLVLMMenu_h

#include <QActionGroup>

class pqLVLMMenu : public QActionGroup
{
  Q_OBJECT
  typedef QActionGroup Superclass;

public:
  explicit pqLVLMMenu(QObject* parent = nullptr);
  ~pqLVLMMenu() override;

private:
  Q_DISABLE_COPY(pqLVLMMenu)
};

#endif
