// SPDX-License-Identifier: Apache-2.0
#include "vtkLVLMCaption.h"

#include "ShortText.h"

#include "Filters/Common/OutputVTK.h"
#include "Models/Trace/Analysis.h"
#include "Models/Trace/Words.h"

#include "vtkFieldData.h"
#include "vtkInformation.h"
#include "vtkObjectFactory.h"
#include "vtkStringArray.h"
#include "vtkTable.h"

#include <algorithm>
#include <cctype>
#include <optional>
#include <set>

vtkStandardNewMacro(vtkLVLMCaption);

namespace
{
/// `</s>`, `<|im_end|>`: not part of what is read.
bool isMarker(const std::string& piece)
{
  return piece.size() > 2 && piece.front() == '<' && piece.back() == '>' &&
    lvlm::textOfPiece(piece) == piece;
}

/// The answer; the chosen tokens in brackets unless that would be all of them, or alone.
std::string answerOf(const lvlm::Trace& trace, const std::set<std::int64_t>& chosen, bool alone)
{
  const bool all = static_cast<std::int64_t>(chosen.size()) == trace.answerLength();
  std::string text;
  for (std::int64_t t = 0; t < trace.answerLength(); ++t)
  {
    const auto at = static_cast<std::size_t>(trace.promptLength + t);
    const std::string& piece = trace.tokens[at];
    const bool marked = chosen.count(t) != 0;
    if ((alone && !marked) || (isMarker(piece) && (all || !marked)))
    {
      continue;
    }
    const std::string word = lvlm::textAt(trace, at);
    if (alone || all || !marked)
    {
      text += word;
      continue;
    }
    // The space belongs in front of the bracket.
    const std::size_t spaces = std::min(word.find_first_not_of(' '), word.size());
    text += word.substr(0, spaces) + "[" + word.substr(spaces) + "]";
  }
  return lvlm::oneLine(text);
}

/// What the fields of a text stand for.
struct Words
{
  const lvlm::Trace& trace;
  std::optional<std::set<std::int64_t>> tokens; ///< none where nothing says which
  std::string late;
  vtkDataObject* about; ///< may be null
  std::size_t length;   ///< of a line, 0 for any
};

/// What the field `name` of the text stands for, if it is one.
std::optional<std::string> valueOf(const std::string& name, const Words& words)
{
  if (name == "question")
  {
    return lvlm::oneLine(lvlm::questionOf(words.trace));
  }
  if (name == "answer")
  {
    return answerOf(words.trace, words.tokens.value_or(std::set<std::int64_t>()), false);
  }
  if (name == "token")
  {
    // What else the line says must have room.
    const std::size_t room = words.length == 0 ? 0 : std::max<std::size_t>(words.length / 4, 12);
    return words.tokens ? std::optional<std::string>(
                            lvlm::shortened(answerOf(words.trace, *words.tokens, true), room))
                        : std::nullopt;
  }
  auto* said = words.about
    ? vtkStringArray::SafeDownCast(words.about->GetFieldData()->GetAbstractArray(name.c_str()))
    : nullptr;
  if (name == "late" && !said)
  {
    return words.late;
  }
  if (!said || said->GetNumberOfValues() == 0)
  {
    return std::nullopt;
  }
  std::string lines = said->GetValue(0);
  for (vtkIdType i = 1; i < said->GetNumberOfValues(); ++i)
  {
    lines += "\n" + said->GetValue(i);
  }
  return lines;
}

/// A line with its fields filled in; nothing when it asks for what `about` does not say.
std::optional<std::string> filled(const std::string& line, const Words& words)
{
  std::string result;
  for (std::size_t at = 0; at < line.size();)
  {
    const std::size_t open = std::min(line.find('{', at), line.size());
    result += line.substr(at, open - at);
    std::size_t close = open + 1;
    while (close < line.size() &&
      (std::isalnum(static_cast<unsigned char>(line[close])) != 0 || line[close] == '_'))
    {
      ++close;
    }
    if (close >= line.size() || line[close] != '}')
    {
      result += line.substr(open, 1); // no field
      at = open + 1;
      continue;
    }
    const auto value = valueOf(line.substr(open + 1, close - open - 1), words);
    if (!value && words.about)
    {
      return std::nullopt;
    }
    result += value ? *value : line.substr(open, close + 1 - open);
    at = close + 1;
  }
  return result;
}

/// The lines of a text, each with its fields filled in and cut to the length.
std::string fillIn(const std::string& text, const Words& words)
{
  std::string result;
  bool first = true;
  for (std::size_t begin = 0; begin <= text.size();)
  {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string line = text.substr(begin, end - begin);
    begin = end + 1;
    const auto whole = filled(line, words);
    if (whole)
    {
      const bool answer = line.find("{answer}") != std::string::npos;
      const std::size_t bracket = answer ? whole->find('[') : std::string::npos;
      std::string shown = whole->find('\n') == std::string::npos
        ? lvlm::shortened(*whole, words.length, bracket == std::string::npos ? 0 : bracket)
        : *whole; // lines of their own, which a filter has kept short
      lvlm::replaceAll(
        shown, "$", "\\$"); // VTK would set what stands between two of them as a formula
      result += (first ? "" : "\n") + shown;
      first = false;
    }
  }
  return result;
}
}

void vtkLVLMCaption::PrintSelf(ostream& os, vtkIndent indent)
{
  this->Superclass::PrintSelf(os, indent);
  os << indent << "Text: " << this->Text << "\n";
  os << indent << "LineLength: " << this->LineLength << "\n";
}

int vtkLVLMCaption::FillOutputPortInformation(int, vtkInformation* info)
{
  info->Set(vtkDataObject::DATA_TYPE_NAME(), "vtkTable");
  return 1;
}

void vtkLVLMCaption::Compute(const lvlm::Trace& trace, vtkDataObject*,
  vtkInformationVector** inputs, vtkInformationVector* outputs)
{
  vtkDataObject* about = GetAbout(inputs);
  Words words{ trace, std::nullopt, about ? "" : this->GetLateText(trace, outputs), about,
    static_cast<std::size_t>(this->LineLength) };
  if (const auto tokens = this->GetTokensToMark(trace, inputs, outputs))
  {
    words.tokens = std::set<std::int64_t>(tokens->begin(), tokens->end());
  }
  const std::string text = fillIn(this->Text, words);
  lvlm::addColumn(vtkTable::GetData(outputs), "Text", std::vector<std::string>{ text });
}
