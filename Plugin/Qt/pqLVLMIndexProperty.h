// SPDX-License-Identifier: Apache-2.0
/**
 * @class pqLVLMIndexProperty
 * @brief what the choosers of tokens, layers and heads have in common
 *
 * Links a property of indices, a list or a single one, with a widget. Before the first Apply
 * changes wait for it like all others; afterwards they take effect at once, as an undo set and in
 * the Python trace: a click on a word shows its map.
 */
#ifndef pqLVLMIndexProperty_h
#define pqLVLMIndexProperty_h

#include "pqPropertyWidget.h"

class pqServer;

class pqLVLMIndexProperty : public pqPropertyWidget
{
  Q_OBJECT
  Q_PROPERTY(QList<QVariant> indices READ indices WRITE setIndices NOTIFY indicesChanged)
  Q_PROPERTY(QVariant index READ index WRITE setIndex NOTIFY indicesChanged)
  typedef pqPropertyWidget Superclass;

public:
  pqLVLMIndexProperty(vtkSMProxy* proxy, vtkSMProperty* property, QWidget* parent);
  ~pqLVLMIndexProperty() override;

  QList<QVariant> indices() const;
  void setIndices(const QList<QVariant>& indices);
  QVariant index() const;
  void setIndex(const QVariant& index);

Q_SIGNALS:
  void indicesChanged();

protected:
  /// What else a choice changes; undone and traced with it. Default: nothing.
  virtual void aboutToPush();

  /// Ties the property to the widget; called by constructors of subclasses once their parts stand.
  void linkProperty();

  /// Shows what the property holds.
  virtual void showIndices(const QList<int>& indices) = 0;

  /// Takes what the user chose.
  void edit(const QList<int>& indices);

  /// Whether the property holds one index, not a list.
  bool isSingle() const;

  /// How many indices there are, from the property's domain "lowest and highest".
  int count() const;

  pqServer* server() const;

private:
  Q_DISABLE_COPY(pqLVLMIndexProperty)

  bool isApplied() const;
  void push();
  void showResult();

  QList<int> Indices;
};

#endif
