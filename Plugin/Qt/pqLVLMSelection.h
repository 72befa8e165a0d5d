// SPDX-License-Identifier: Apache-2.0
/**
 * @class pqLVLMSelection
 * @brief patches that are selected on a map go to LVLM Patch Attention at once
 *
 * Every LVLM Patch Attention of the same trace whose FollowSelection is on takes a copy of the
 * selection.
 */
#ifndef pqLVLMSelection_h
#define pqLVLMSelection_h

#include <QObject>

class pqOutputPort;
class vtkSMSourceProxy;

class pqLVLMSelection : public QObject
{
  Q_OBJECT
  typedef QObject Superclass;

public:
  explicit pqLVLMSelection(QObject* parent = nullptr);
  ~pqLVLMSelection() override;

private Q_SLOTS:
  void takeSelection();

private:
  Q_DISABLE_COPY(pqLVLMSelection)

  void give(vtkSMSourceProxy* filter, pqOutputPort* map);
};

#endif
