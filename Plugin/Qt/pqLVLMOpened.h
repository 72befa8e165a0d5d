// SPDX-License-Identifier: Apache-2.0
/**
 * @class pqLVLMOpened
 * @brief what File > Open does with traces and pictures, after Apply
 *
 * The same for filters whose shapes have colours of their own. A trace shows where the model
 * looked. A picture is shown in its own colours, which ParaView would send through a colour map,
 * and the status bar says that it can be asked about.
 */
#ifndef pqLVLMOpened_h
#define pqLVLMOpened_h

#include <QObject>

class pqPipelineSource;

class pqLVLMOpened : public QObject
{
  Q_OBJECT
  typedef QObject Superclass;

public:
  explicit pqLVLMOpened(QObject* parent = nullptr);
  ~pqLVLMOpened() override;

private Q_SLOTS:
  void watch(pqPipelineSource* reader);

private:
  Q_DISABLE_COPY(pqLVLMOpened)

  void show(pqPipelineSource* reader);
};

#endif
