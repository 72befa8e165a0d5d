// SPDX-License-Identifier: Apache-2.0
#include "pqLVLMModelProbe.h"

#include "pqApplicationCore.h"
#include "pqUndoStack.h"

#include "vtkCollection.h"
#include "vtkNew.h"
#include "vtkPVFileInformation.h"
#include "vtkSMPropertyHelper.h"
#include "vtkSMProxy.h"
#include "vtkSMSession.h"
#include "vtkSMSessionProxyManager.h"
#include "vtkSmartPointer.h"

#include <QObject>

#include <initializer_list>

namespace
{
/// While it lives, what changes is nothing that could be undone.
class NoUndo
{
public:
  NoUndo() { BEGIN_UNDO_EXCLUDE(); }
  ~NoUndo() { END_UNDO_EXCLUDE(); }
  NoUndo(const NoUndo&) = delete;
  void operator=(const NoUndo&) = delete;
};

vtkSmartPointer<vtkSMProxy> newInference(vtkSMSession* session)
{
  vtkSMSessionProxyManager* manager = session ? session->GetSessionProxyManager() : nullptr;
  if (!manager || !manager->GetPrototypeProxy("filters", "LLaVAInference"))
  {
    return nullptr;
  }
  auto proxy = vtk::TakeSmartPointer(manager->NewProxy("filters", "LLaVAInference"));
  proxy->UpdateVTKObjects();
  return proxy;
}

QString information(vtkSMProxy* proxy, const char* name)
{
  proxy->UpdatePropertyInformation(proxy->GetProperty(name));
  return QString::fromUtf8(vtkSMPropertyHelper(proxy, name).GetAsString());
}

/// What decides a question's cost. The dialog that loads a state file shows a model folder of a
/// proxy that has nothing else of a question.
void copyQuestion(vtkSMProxy* to, vtkSMProxy* from)
{
  if (!from->GetProperty("Prompt"))
  {
    return;
  }
  for (const char* name : { "Prompt", "SystemPrompt", "ChatTemplate" })
  {
    vtkSMPropertyHelper source(from, name);
    source.SetUseUnchecked(true);
    vtkSMPropertyHelper(to, name).Set(source.GetAsString());
  }
  for (const char* name :
    { "MaxNewTokens", "CaptureFull", "CaptureVision", "Precision", "Alternatives" })
  {
    vtkSMPropertyHelper source(from, name);
    source.SetUseUnchecked(true);
    vtkSMPropertyHelper(to, name).Set(source.GetAsInt());
  }
  vtkSMPropertyHelper layers(from, "CaptureFullLayers");
  layers.SetUseUnchecked(true);
  vtkSMPropertyHelper target(to, "CaptureFullLayers");
  target.SetNumberOfElements(layers.GetNumberOfElements());
  for (unsigned int i = 0; i < layers.GetNumberOfElements(); ++i)
  {
    target.Set(i, layers.GetAsInt(i));
  }
}
}

namespace lvlm
{

ModelStatus probeModel(
  vtkSMSession* session, const QString& directory, vtkSMProxy* like, const QVariantMap& settings)
{
  const NoUndo exclude;
  ModelStatus status;
  vtkSmartPointer<vtkSMProxy> proxy = newInference(session);
  if (!proxy)
  {
    status.Text =
      QObject::tr("The server cannot run models: its plugin was built without inference.");
    return status;
  }
  if (like)
  {
    copyQuestion(proxy, like);
  }
  for (auto setting = settings.begin(); setting != settings.end(); ++setting)
  {
    vtkSMPropertyHelper property(proxy, setting.key().toUtf8().data());
    const QVariant& value = setting.value();
    if (value.userType() == QMetaType::QString)
    {
      property.Set(value.toString().toUtf8().data());
      continue;
    }
    const QVariantList numbers =
      value.userType() == QMetaType::QVariantList ? value.toList() : QVariantList{ value };
    property.SetNumberOfElements(static_cast<unsigned int>(numbers.size()));
    for (int i = 0; i < numbers.size(); ++i)
    {
      property.Set(static_cast<unsigned int>(i), numbers[i].toInt());
    }
  }
  vtkSMPropertyHelper(proxy, "ModelDirectory").Set(directory.toUtf8().data());
  proxy->UpdateVTKObjects();
  status.Text = information(proxy, "ModelInformation");
  proxy->UpdatePropertyInformation(proxy->GetProperty("LayerRange"));
  status.Usable = vtkSMPropertyHelper(proxy, "LayerRange").GetAsInt(0) < 0;
  // The dialog itself says that there is no question yet.
  const QString prompt = QString::fromUtf8(vtkSMPropertyHelper(proxy, "Prompt").GetAsString());
  status.Cost = status.Usable && !prompt.trimmed().isEmpty() ? information(proxy, "CostInformation")
                                                             : QString();
  return status;
}

QStringList exampleScenes(vtkSMSession* session)
{
  const NoUndo exclude;
  QStringList scenes;
  vtkSmartPointer<vtkSMProxy> inference = newInference(session);
  if (!inference)
  {
    return scenes;
  }
  const QString model = information(inference, "EmbeddedModelDirectory");
  auto helper = vtk::TakeSmartPointer(
    session->GetSessionProxyManager()->NewProxy("misc", "FileInformationHelper"));
  if (model.isEmpty() || !helper)
  {
    return scenes;
  }
  vtkSMPropertyHelper(helper, "Path").Set((model + "/scenes").toUtf8().data());
  vtkSMPropertyHelper(helper, "DirectoryListing").Set(1);
  helper->UpdateVTKObjects();
  vtkNew<vtkPVFileInformation> folder;
  helper->GatherInformation(folder);
  vtkCollection* files = folder->GetContents();
  for (int i = 0; i < files->GetNumberOfItems(); ++i)
  {
    auto* file = vtkPVFileInformation::SafeDownCast(files->GetItemAsObject(i));
    const QString path = QString::fromUtf8(file->GetFullPath());
    // *.objects.png are the masks that belong to the scenes.
    if (path.endsWith(".png") && !path.endsWith(".objects.png"))
    {
      scenes << path;
    }
  }
  scenes.sort();
  return scenes;
}

} // namespace lvlm
