// SPDX-License-Identifier: Apache-2.0
/**
 * @class pqLVLMIndicesWidget
 * @brief chooser of layers or heads that knows how many the trace has
 *
 * The panel_widget "lvlm_indices" of integer properties with a range domain from -n to n-1.
 */
#ifndef pqLVLMIndicesWidget_h
#define pqLVLMIndicesWidget_h

#include "pqLVLMIndexProperty.h"

class QLabel;
class pqLVLMIndexGrid;

class pqLVLMIndicesWidget : public pqLVLMIndexProperty
{
  Q_OBJECT
  typedef pqLVLMIndexProperty Superclass;

public:
  pqLVLMIndicesWidget(vtkSMProxy* proxy, vtkSMProperty* property, QWidget* parent = nullptr);
  ~pqLVLMIndicesWidget() override;

protected:
  void showIndices(const QList<int>& indices) override;

private Q_SLOTS:
  void refresh();

private:
  Q_DISABLE_COPY(pqLVLMIndicesWidget)

  void choose(const QList<int>& indices);

  pqLVLMIndexGrid* Grid;
  QLabel* Summary;
};

#endif
