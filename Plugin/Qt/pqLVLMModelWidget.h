// SPDX-License-Identifier: Apache-2.0
/**
 * @class pqLVLMModelWidget
 * @brief the panel_widget "lvlm_model" of ModelDirectory: a pqLVLMModelChooser
 */
#ifndef pqLVLMModelWidget_h
#define pqLVLMModelWidget_h

#include "pqPropertyWidget.h"

class pqLVLMModelChooser;

class pqLVLMModelWidget : public pqPropertyWidget
{
  Q_OBJECT
  typedef pqPropertyWidget Superclass;

public:
  pqLVLMModelWidget(vtkSMProxy* proxy, vtkSMProperty* property, QWidget* parent = nullptr);
  ~pqLVLMModelWidget() override;

private:
  Q_DISABLE_COPY(pqLVLMModelWidget)

  void watchQuestion(vtkSMProxy* proxy);

  pqLVLMModelChooser* Chooser;
};

#endif
