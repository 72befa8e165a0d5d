// SPDX-License-Identifier: Apache-2.0
#include "pqLVLMTokenTable.h"

#include "vtkSMPropertyHelper.h"
#include "vtkSMProxy.h"

#include <QObject>

#include <cmath>
#include <limits>

namespace
{
const QString WordStarts = QStringLiteral("\u2581\u0120"); // of LLaMA and GPT-2 tokenizers

QString readable(QString text)
{
  text.replace(QLatin1Char('\n'), QStringLiteral("⏎"));
  return text;
}

QString percent(double probability)
{
  return QStringLiteral("%1 %").arg(100.0 * probability, 0, 'f', probability < 0.1 ? 2 : 1);
}
}

pqLVLMTokenTable pqLVLMTokenTable::fetch(vtkSMProxy* filter)
{
  pqLVLMTokenTable table;
  vtkSMProperty* source = filter ? filter->GetProperty("TokenTable") : nullptr;
  if (!source)
  {
    return table;
  }
  filter->UpdatePropertyInformation(source);
  vtkSMPropertyHelper helper(source);
  const unsigned int elements = helper.GetNumberOfElements();
  const unsigned int columns = elements > 0 ? QString::fromUtf8(helper.GetAsString(0)).toUInt() : 0;
  if (columns == 0 || (elements - 1) % columns != 0)
  {
    return table;
  }
  for (unsigned int i = 1; i < elements; ++i)
  {
    (i <= columns ? table.Columns : table.Values) << QString::fromUtf8(helper.GetAsString(i));
  }
  return table;
}

int pqLVLMTokenTable::size() const
{
  return this->Columns.isEmpty() ? 0 : this->Values.size() / this->Columns.size();
}

QString pqLVLMTokenTable::value(int token, const QString& column) const
{
  const int at = this->Columns.indexOf(column);
  return at < 0 ? QString() : this->Values.value(token * this->Columns.size() + at);
}

QString pqLVLMTokenTable::text(int token) const
{
  const QString said = this->value(token, "text");
  const QString text = readable(said).trimmed();
  return said.isEmpty() ? QStringLiteral("·") : text.isEmpty() ? QStringLiteral("␣") : text;
}

bool pqLVLMTokenTable::startsWord(int token) const
{
  const QString piece = this->value(token, "token");
  return piece.isEmpty() || WordStarts.contains(piece[0]) || piece[0].isSpace() || piece[0] == '<';
}

bool pqLVLMTokenTable::isSeparate(int token) const
{
  const QString text = this->value(token, "text").trimmed();
  return text.size() == 1 && text[0].isPunct();
}

QString pqLVLMTokenTable::description(int token) const
{
  QString text = QStringLiteral("<p style='white-space:pre'><b>%1</b> &nbsp; %2")
                   .arg(readable(this->value(token, "text")).toHtmlEscaped())
                   .arg(QObject::tr("token %1 of the answer").arg(token));
  const QVector<double> probability = this->numbers("probability");
  if (!std::isnan(probability.value(token, std::numeric_limits<double>::quiet_NaN())))
  {
    text += QObject::tr("<br>probability %1").arg(percent(probability[token]));
  }
  for (int n = 1; this->Columns.contains(QStringLiteral("top%1_token").arg(n)); ++n)
  {
    const QString name = QStringLiteral("top%1").arg(n);
    const double other = std::exp(this->value(token, name + "_logprob").toDouble());
    text += QStringLiteral("<br>%1. %2 &nbsp; %3")
              .arg(n)
              .arg(readable(this->value(token, name + "_text")).toHtmlEscaped())
              .arg(percent(other));
  }
  return text + "</p>";
}

QVector<double> pqLVLMTokenTable::numbers(const QString& column) const
{
  QVector<double> numbers;
  for (int token = 0; token < this->size(); ++token)
  {
    bool good = false;
    const double number = this->value(token, column).toDouble(&good);
    numbers << (good ? number : std::numeric_limits<double>::quiet_NaN());
  }
  return numbers;
}

QStringList pqLVLMTokenTable::numericColumns() const
{
  QStringList names;
  for (const QString& column : this->Columns)
  {
    const QVector<double> numbers = this->numbers(column);
    bool differ = false;
    for (const double number : numbers)
    {
      differ = differ || (!std::isnan(number) && number != numbers[0]);
    }
    if (differ || column == "probability")
    {
      names << column;
    }
  }
  return names;
}

bool pqLVLMTokenTable::operator==(const pqLVLMTokenTable& other) const
{
  return this->Columns == other.Columns && this->Values == other.Values;
}
