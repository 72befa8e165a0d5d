// SPDX-License-Identifier: Apache-2.0
#include "pqLVLMModelProbe.h"

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

/// What decides a question's cost.
void copyQuestion(vtkSMProxy* to, vtkSMProxy* from)
{
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
    if (setting.value().type() == QVariant::String)
    {
      property.Set(setting.value().toString().toUtf8().data());
    }
    else
    {
      property.Set(setting.value().toInt());
    }
  }
  vtkSMPropertyHelper(proxy, "ModelDirectory").Set(directory.toUtf8().data());
  proxy->UpdateVTKObjects();
  status.Text = information(proxy, "ModelInformation");
  proxy->UpdatePropertyInformation(proxy->GetProperty("LayerRange"));
  status.Usable = vtkSMPropertyHelper(proxy, "LayerRange").GetAsInt(0) < 0;
  status.Cost = status.Usable ? information(proxy, "CostInformation") : QString();
  return status;
}

QStringList exampleScenes(vtkSMSession* session)
{
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
