// SPDX-License-Identifier: Apache-2.0
/**
 * @class pqLVLMTimes
 * @brief tells ParaView the time steps of a trace once it has run
 *
 * How many tokens an answer has is known only afterwards. Apply asks for it by itself; a trace that
 * runs because a view is drawn, as after a state file was loaded, would leave the time controls
 * without steps.
 */
#ifndef pqLVLMTimes_h
#define pqLVLMTimes_h

#include <QObject>

class pqPipelineSource;

class pqLVLMTimes : public QObject
{
  Q_OBJECT
  typedef QObject Superclass;

public:
  explicit pqLVLMTimes(QObject* parent = nullptr);
  ~pqLVLMTimes() override;

private Q_SLOTS:
  void refresh(pqPipelineSource* source);

private:
  Q_DISABLE_COPY(pqLVLMTimes)
};

#endif
