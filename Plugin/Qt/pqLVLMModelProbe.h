// SPDX-License-Identifier: Apache-2.0
/// @file pqLVLMModelProbe.h
/// Asks the server what a model folder holds, by an LLaVA Inference filter that is in no pipeline.
#ifndef pqLVLMModelProbe_h
#define pqLVLMModelProbe_h

#include <QString>
#include <QStringList>
#include <QVariantMap>

class vtkSMProxy;
class vtkSMSession;

namespace lvlm
{

struct ModelStatus
{
  bool Usable = false;
  QString Text; ///< what the folder holds, or why it cannot be used
  QString Cost; ///< what the question would take; empty without a usable model or a question
};

/// What the server says about a model folder. What the question costs depends on other properties:
/// those of `like` (its values that wait for Apply included), if given, and `settings` by name.
/// Without inference on the server: not usable.
ModelStatus probeModel(vtkSMSession* session, const QString& directory, vtkSMProxy* like = nullptr,
  const QVariantMap& settings = QVariantMap());

/// The pictures that ship with the embedded model, as paths on the server.
QStringList exampleScenes(vtkSMSession* session);

} // namespace lvlm

#endif
