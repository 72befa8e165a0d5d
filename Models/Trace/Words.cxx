// SPDX-License-Identifier: Apache-2.0
#include "Words.h"

#include "Error.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <map>
#include <set>

namespace lvlm
{

namespace
{
const std::string Metaspace = "\xe2\x96\x81"; // U+2581, SentencePiece
const std::string SpaceByte = "\xc4\xa0";     // U+0120, byte-level BPE
/// How many words compete with the image.
constexpr std::int64_t CompetingWords = 3;

bool startsWith(const std::string& text, const std::string& prefix)
{
  return text.compare(0, prefix.size(), prefix) == 0;
}

/// The byte of a piece like "<0x0A>", else -1.
int bytePiece(const std::string& piece)
{
  if (piece.size() != 6 || !startsWith(piece, "<0x") || piece[5] != '>' ||
    piece.find_first_not_of("0123456789ABCDEFabcdef", 3) != 5)
  {
    return -1;
  }
  return std::stoi(piece.substr(3, 2), nullptr, 16);
}

void replaceAll(std::string& text, const std::string& what, const std::string& with)
{
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += with.size())
  {
    text.replace(at, what.size(), with);
  }
}

std::string trimmed(const std::string& text)
{
  const std::size_t first = text.find_first_not_of(' ');
  return first == std::string::npos ? std::string()
                                    : text.substr(first, text.find_last_not_of(' ') - first + 1);
}

const std::set<std::string>& separators()
{
  static const std::set<std::string> all{ ".", ",", "?", "!", ":", ";", "</s>", "/", "(", ")", "[",
    "]", "{", "}", "<", ">", "|", "\\", "-", "_", "+", "=", "*", "&", "^", "%", "$", "#", "@", "~",
    "`", " ", "\t", "\n", "\r", "\v", "\f" };
  return all;
}

bool startsWord(const std::string& piece)
{
  return startsWith(piece, Metaspace) || startsWith(piece, SpaceByte);
}

bool joins(const Trace& trace, std::size_t position)
{
  const std::string& piece = trace.tokens[position];
  return trace.roles[position] == trace.roles[position - 1] &&
    trace.roles[position] != Role::Special && !startsWord(piece) && !isSeparator(piece);
}
}

std::string textOfPiece(const std::string& piece)
{
  const int byte = bytePiece(piece);
  if (byte >= 0 && byte < 128)
  {
    return std::string(1, static_cast<char>(byte));
  }
  std::string text = piece;
  replaceAll(text, Metaspace, " ");
  replaceAll(text, SpaceByte, " ");
  replaceAll(text, "\xc4\x8a", "\n"); // U+010A, byte-level BPE's line feed
  return text;
}

std::string textAt(const Trace& trace, std::size_t position)
{
  return trace.texts.empty() ? textOfPiece(trace.tokens[position]) : trace.texts[position];
}

std::string questionOf(const Trace& trace)
{
  if (const auto found = trace.extra.find("question"); found != trace.extra.end())
  {
    return found->second;
  }
  std::string text;
  for (std::size_t at = 0; at < trace.tokens.size(); ++at)
  {
    text += trace.roles[at] == Role::Question ? textAt(trace, at) : std::string();
  }
  return trimmed(text);
}

bool isSeparator(const std::string& piece)
{
  return separators().count(
           bytePiece(piece) < 0 && piece != "\xc4\x8a" ? piece : textOfPiece(piece)) != 0;
}

std::vector<Word> wordsOf(const Trace& trace, std::int64_t begin, std::int64_t end)
{
  if (begin < 0 || begin > end || end > trace.positions())
  {
    fail("positions ", begin, " to ", end, " leave the sequence of ", trace.positions());
  }
  std::vector<Word> words;
  bool open = false; // the last word may go on
  for (std::int64_t at = begin; at < end; ++at)
  {
    const auto position = static_cast<std::size_t>(at);
    if (trace.roles[position] == Role::Image)
    {
      open = false;
      continue;
    }
    if (!open || !joins(trace, position))
    {
      words.emplace_back();
      words.back().begin = at;
      words.back().role = trace.roles[position];
    }
    words.back().end = at + 1;
    words.back().text += textAt(trace, position);
    open = true;
  }
  for (Word& word : words)
  {
    word.text = trimmed(word.text);
  }
  return words;
}

std::vector<Word> answerWords(const Trace& trace)
{
  return wordsOf(trace, trace.promptLength, trace.positions());
}

namespace
{
/// The question's words by LVLM-Interpret's own rule: an empty word comes first and divides what
/// joins it by one token too many, the last of the same words counts, and the last of all is
/// dropped.
std::vector<double> compatibleWords(const Trace& trace, const std::vector<float>& row)
{
  std::map<std::string, double> words;
  std::string word;
  double sum = 0, tokens = 1;
  for (std::size_t at = 0; at < static_cast<std::size_t>(trace.promptLength); ++at)
  {
    const std::string& piece = trace.tokens[at];
    if (trace.roles[at] != Role::Question)
    {
      continue;
    }
    if (startsWord(piece) || separators().count(piece) != 0)
    {
      words[word] = sum / tokens;
      word.clear();
      sum = tokens = 0;
    }
    word += piece;
    sum += row[at];
    ++tokens;
  }
  std::vector<double> values;
  for (const auto& [text, value] : words)
  {
    values.push_back(value);
  }
  return values;
}
}

TextRelevancy textRelevancy(
  const Trace& trace, std::int64_t answerToken, const std::vector<float>& row, bool compatible)
{
  if (answerToken < 0 || answerToken >= trace.answerLength())
  {
    fail("answer token ", answerToken, " is out of range: the answer has tokens 0 to ",
      trace.answerLength() - 1);
  }
  if (static_cast<std::int64_t>(row.size()) != trace.keys() || trace.grid.count() < 1)
  {
    fail("a relevancy row of ", row.size(), " values, the sequence has ", trace.keys(), " keys");
  }
  TextRelevancy result;
  result.words = wordsOf(trace, 0, trace.promptLength + answerToken);
  std::vector<double> question;
  for (const Word& word : result.words)
  {
    double sum = 0;
    for (std::int64_t at = word.begin; at < word.end; ++at)
    {
      sum += row[static_cast<std::size_t>(at)];
    }
    result.relevancy.push_back(sum / static_cast<double>(word.end - word.begin));
    if (word.role == Role::Question)
    {
      question.push_back(result.relevancy.back());
    }
  }
  double total = 0, image = 0;
  for (const float value : row)
  {
    total += value;
  }
  std::int64_t patches = 0;
  result.imageMaximum = std::numeric_limits<double>::lowest();
  for (std::size_t p = 0; p < row.size(); ++p)
  {
    if (trace.roles[p] == Role::Image)
    {
      const double value = row[p];
      image += value;
      result.imageMaximum = std::max(result.imageMaximum, value);
      ++patches;
    }
  }
  result.imageMean = image / static_cast<double>(patches);
  result.imageShare = total == 0 ? 0 : image / total;
  const auto most = static_cast<std::size_t>(
    compatible ? std::min(CompetingWords, trace.answerLength()) : CompetingWords);
  result.imagePercentile = imagePercentile(
    compatible ? compatibleWords(trace, row) : std::move(question), result.imageMaximum, most);
  return result;
}

double imagePercentile(std::vector<double> words, double imageMaximum, std::size_t most)
{
  const auto best = words.begin() + static_cast<std::ptrdiff_t>(std::min(most, words.size()));
  std::partial_sort(words.begin(), best, words.end(), std::greater<>());
  const auto below = std::count_if(
    words.begin(), best, [imageMaximum](double value) { return value < imageMaximum; });
  return static_cast<double>(below) / static_cast<double>(best - words.begin() + 1);
}

} // namespace lvlm
