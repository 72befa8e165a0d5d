// SPDX-License-Identifier: Apache-2.0
/**
 * @class pqLVLMColors
 * @brief ranges and legends that say what the data are, whatever changed them
 *
 * Whenever something that is made of a trace has new data, by Apply, undo, redo, a time step or a
 * script: colors are rescaled that follow the data, also where ParaView does that after Apply
 * alone; colors that share a scale (annotation `lvlm.scale`) get a new one when what they show has
 * become another thing, and grow else; a legend's title becomes what the output now says of itself
 * (field data `legend`), unless somebody has given it another; and a map whose array is gone is
 * hidden until it is back, since ParaView would cover the picture with white; so is its legend.
 */
#ifndef pqLVLMColors_h
#define pqLVLMColors_h

#include <QHash>
#include <QObject>
#include <QSet>
#include <QString>
#include <QStringList>

#include <set>
#include <string>

class pqDataRepresentation;
class pqPipelineSource;
class vtkSMProxy;

class pqLVLMColors : public QObject
{
  Q_OBJECT
  typedef QObject Superclass;

public:
  explicit pqLVLMColors(QObject* parent = nullptr);
  ~pqLVLMColors() override;

  /// The lookup table of a representation, or nullptr.
  static vtkSMProxy* colorsOf(pqDataRepresentation* shown);
  /// The legend of the colors in the view of a representation, or nullptr.
  static vtkSMProxy* legendIn(pqDataRepresentation* shown, vtkSMProxy* colors);

private Q_SLOTS:
  void follow(pqPipelineSource* source);

private:
  Q_DISABLE_COPY(pqLVLMColors)

  void showIfThere(vtkSMProxy* proxy, bool there);
  void nameLegend(pqDataRepresentation* shown, vtkSMProxy* colors, const QString& legend,
    const QSet<QString>& said);

  std::set<std::string> Anew;              ///< scales that begin anew at the next update
  QSet<unsigned int> Hidden;               ///< representations and legends, by their global ids
  QHash<unsigned int, QSet<QString>> Said; ///< all legends of a source so far, by its global id
  QHash<unsigned int, QStringList> Last;   ///< what its ports say now: legends, layers and heads
};

#endif
