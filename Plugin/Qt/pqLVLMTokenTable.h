// SPDX-License-Identifier: Apache-2.0
/// @file pqLVLMTokenTable.h
/// What a filter's information property TokenTable says: the answer's tokens and their columns.
#ifndef pqLVLMTokenTable_h
#define pqLVLMTokenTable_h

#include <QStringList>
#include <QVector>

class vtkSMProxy;

class pqLVLMTokenTable
{
public:
  pqLVLMTokenTable() = default;

  /// Asks the server. An empty table while there is no answer, or when the proxy has no such
  /// property.
  static pqLVLMTokenTable fetch(vtkSMProxy* filter);

  int size() const;

  /// What a token says, blanks and line breaks visible; a dot for the further parts of a character.
  QString text(int token) const;
  bool startsWord(int token) const;
  /// A punctuation mark, which belongs to no word.
  bool isSeparate(int token) const;

  /// Everything that is known, for a tool tip.
  QString description(int token) const;

  /// Names of the columns that hold numbers which differ from token to token.
  QStringList numericColumns() const;
  /// A column's numbers; NaN where there is none.
  QVector<double> numbers(const QString& column) const;

  bool operator==(const pqLVLMTokenTable& other) const;

private:
  QString value(int token, const QString& column) const;

  QStringList Columns;
  QStringList Values; // row by row
};

#endif
