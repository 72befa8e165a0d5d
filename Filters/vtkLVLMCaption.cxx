// SPDX-License-Identifier: Apache-2.0
#include "vtkLVLMCaption.h"

#include "OutputVTK.h"
#include "ShortText.h"

#include "Models/Core/Analysis.h"
#include "Models/Core/Words.h"

#include "vtkInformation.h"
#include "vtkObjectFactory.h"
#include "vtkTable.h"

#include <algorithm>
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

std::string questionOf(const lvlm::Trace& trace)
{
  std::string text;
  for (std::size_t p = 0; p < trace.tokens.size(); ++p)
  {
    text += trace.roles[p] == lvlm::Role::Question ? lvlm::textOfPiece(trace.tokens[p]) : "";
  }
  return lvlm::oneLine(text);
}

/// The answer; the chosen tokens in brackets unless that would be all of them, or alone.
std::string answerOf(const lvlm::Trace& trace, const std::set<std::int64_t>& chosen, bool alone)
{
  const bool all = static_cast<std::int64_t>(chosen.size()) == trace.answerLength();
  std::string text;
  for (std::int64_t t = 0; t < trace.answerLength(); ++t)
  {
    const std::string& piece = trace.tokens[static_cast<std::size_t>(trace.promptLength + t)];
    const bool marked = chosen.count(t) != 0;
    if ((alone && !marked) || (isMarker(piece) && (all || !marked)))
    {
      continue;
    }
    const std::string word = lvlm::textOfPiece(piece);
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

void replaceAll(std::string& text, const std::string& what, const std::string& with)
{
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += with.size())
  {
    text.replace(at, what.size(), with);
  }
}

/// The lines of a text, each with its fields filled in and cut to the length.
std::string fillIn(const std::string& text, const lvlm::Trace& trace,
  const std::set<std::int64_t>& chosen, std::size_t length)
{
  std::string result;
  for (std::size_t begin = 0; begin <= text.size();)
  {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    std::string line = text.substr(begin, end - begin);
    const bool answer = line.find("{answer}") != std::string::npos;
    // The answer last: what it says is not looked at again.
    replaceAll(line, "{token}", answerOf(trace, chosen, true));
    replaceAll(line, "{question}", questionOf(trace));
    replaceAll(line, "{answer}", answerOf(trace, chosen, false));
    const std::size_t bracket = answer ? line.find('[') : std::string::npos;
    line = lvlm::shortened(line, length, bracket == std::string::npos ? 0 : bracket);
    replaceAll(line, "$", "\\$"); // VTK would set what stands between two of them as a formula
    result += (begin > 0 ? "\n" : "") + line;
    begin = end + 1;
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

void vtkLVLMCaption::Compute(
  const lvlm::Trace& trace, vtkDataObject*, vtkInformationVector**, vtkInformationVector* outputs)
{
  const lvlm::Indices tokens = lvlm::resolveIndices(
    this->GetTokensToUse(trace, outputs), trace.answerLength(), "AnswerTokens");
  const std::string text = fillIn(this->Text, trace, { tokens.begin(), tokens.end() },
    static_cast<std::size_t>(this->LineLength));
  lvlm::addColumn(vtkTable::GetData(outputs), "Text", std::vector<std::string>{ text });
}
