// SPDX-License-Identifier: Apache-2.0
#include "pqLVLMPreview.h"

#include "pqLVLMPython.h"

#include "vtkNew.h"
#include "vtkPVFileInformation.h"
#include "vtkSMPropertyHelper.h"
#include "vtkSMProxy.h"
#include "vtkSMSession.h"
#include "vtkSMSessionProxyManager.h"
#include "vtkSmartPointer.h"

#include <QJsonArray>
#include <QJsonDocument>
#include <QJsonObject>
#include <QPainter>
#include <QPainterPath>
#include <QTemporaryDir>

namespace
{
/// Calls a function of lvlm.seeing that writes pictures into a folder and tells the rest.
lvlm::Preview call(const QString& function, const QStringList& arguments, int longestEdge)
{
  lvlm::Preview preview;
  const QTemporaryDir folder;
  if (!folder.isValid())
  {
    preview.Error = folder.errorString();
    return preview;
  }
  const QStringList all = QStringList{ lvlm::pythonString(folder.path()) } + arguments +
    QStringList{ QStringLiteral("longest=%1").arg(longestEdge) };
  const QString told =
    lvlm::askPython(QStringLiteral("lvlm.seeing.%1(%2)").arg(function, all.join(", ")));
  const QJsonObject answer = QJsonDocument::fromJson(told.toUtf8()).object();
  preview.Text = answer["text"].toString();
  preview.Error = answer["error"].toString();
  preview.Small = QImage(folder.filePath("small.png"));
  preview.Seen = QImage(folder.filePath("seen.png"));
  const QJsonArray size = answer["size"].toArray(), part = answer["part"].toArray();
  preview.Size = QSize(size.at(0).toInt(), size.at(1).toInt());
  if (part.size() == 4) // left, right, bottom, top; VTK's y points up
  {
    preview.Part =
      QRectF(QPointF(part.at(0).toDouble(), preview.Size.height() - part.at(3).toDouble()),
        QPointF(part.at(1).toDouble(), preview.Size.height() - part.at(2).toDouble()));
  }
  return preview;
}
}

namespace lvlm
{

Preview previewPicture(
  const QString& picture, const QString& model, const QString& imageMode, int longestEdge)
{
  return call("write_preview",
    { picture, "model=" + pythonString(model), "image_mode=" + pythonString(imageMode) },
    longestEdge);
}

Preview previewEdits(const QString& trace, const QStringList& edits, int longestEdge)
{
  return call("write_edited", { pythonString(trace), pythonList(edits) }, longestEdge);
}

QString pythonList(const QStringList& texts)
{
  QStringList literals;
  for (const QString& text : texts)
  {
    literals << pythonString(text);
  }
  return '[' + literals.join(", ") + ']';
}

void drawPreview(QPainter& painter, const QRectF& where, const Preview& preview)
{
  painter.setRenderHint(QPainter::SmoothPixmapTransform);
  painter.drawImage(where, preview.Small);
  if (preview.Part.isEmpty() || preview.Size.isEmpty())
  {
    return;
  }
  const double scale = where.width() / preview.Size.width();
  const QRectF seen(where.topLeft() + scale * preview.Part.topLeft(), scale * preview.Part.size());
  QPainterPath outside;
  outside.addRect(where);
  outside.addRect(seen.intersected(where));
  painter.fillPath(outside, QColor(40, 40, 48, 185));
  if (seen.width() < where.width() - 1 || seen.height() < where.height() - 1)
  {
    painter.setPen(QPen(QColor(255, 0, 153), 1.5)); // the pink of the maps: rare in pictures
    painter.setBrush(Qt::NoBrush);
    painter.drawRect(seen);
  }
}

QRectF fitted(const QSize& picture, const QRectF& inside)
{
  const QSizeF size = QSizeF(picture).scaled(inside.size(), Qt::KeepAspectRatio);
  QRectF result(QPointF(), size);
  result.moveCenter(inside.center());
  return result;
}

bool isFile(vtkSMSession* session, const QString& path)
{
  vtkSMSessionProxyManager* manager = session ? session->GetSessionProxyManager() : nullptr;
  auto helper =
    vtk::TakeSmartPointer(manager ? manager->NewProxy("misc", "FileInformationHelper") : nullptr);
  if (!helper || path.isEmpty())
  {
    return false;
  }
  vtkSMPropertyHelper(helper, "Path").Set(path.toUtf8().data());
  helper->UpdateVTKObjects();
  vtkNew<vtkPVFileInformation> file;
  helper->GatherInformation(file);
  return file->GetType() == vtkPVFileInformation::SINGLE_FILE;
}

} // namespace lvlm
