// SPDX-License-Identifier: Apache-2.0
/// @file pqLVLMPreview.h
/// What a model will see of a picture, before it is asked: from the module lvlm, so that the
/// picture may lie on a server.
#ifndef pqLVLMPreview_h
#define pqLVLMPreview_h

#include <QImage>
#include <QRectF>
#include <QSize>
#include <QString>
#include <QStringList>

class QPainter;
class vtkSMSession;

namespace lvlm
{

struct Preview
{
  QImage Small;  ///< the picture with its edits, uncropped; null if it cannot be read
  QImage Seen;   ///< what the model will see; null if that is not known
  QSize Size;    ///< of the picture, in pixels
  QRectF Part;   ///< of the picture that Seen shows: pixels, from its top left
  QString Text;  ///< the same in a sentence
  QString Error; ///< of an edit, or of the model
};

/// Of a picture; `picture` is a Python expression, a file's path or a source.
Preview previewPicture(
  const QString& picture, const QString& model, const QString& imageMode, int longestEdge);

/// Of the picture of a question, edited; `trace` is the name of its source.
Preview previewEdits(const QString& trace, const QStringList& edits, int longestEdge);

/// A list of Python strings.
QString pythonList(const QStringList& texts);

/// The preview's picture in a rectangle, what the model will not see of it dimmed.
void drawPreview(QPainter& painter, const QRectF& where, const Preview& preview);

/// Where a picture of that size fits into a rectangle.
QRectF fitted(const QSize& picture, const QRectF& inside);

/// Whether there is such a file, on the server's disk.
bool isFile(vtkSMSession* session, const QString& path);

} // namespace lvlm

#endif
