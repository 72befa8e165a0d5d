// SPDX-License-Identifier: Apache-2.0
/**
 * @class pqLVLMAutoStart
 * @brief what works in the background while the plugin is loaded
 *
 * Starts pqLVLMSelection, pqLVLMInterrupt, pqLVLMTimes and pqLVLMUndo.
 */
#ifndef pqLVLMAutoStart_h
#define pqLVLMAutoStart_h

#include <QObject>

class pqLVLMAutoStart : public QObject
{
  Q_OBJECT
  typedef QObject Superclass;

public:
  explicit pqLVLMAutoStart(QObject* parent = nullptr);
  ~pqLVLMAutoStart() override;

  void startup();
  void shutdown();

private:
  Q_DISABLE_COPY(pqLVLMAutoStart)
};

#endif
