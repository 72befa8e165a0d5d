// SPDX-License-Identifier: Apache-2.0
/// @file Words.h
/// From tokens to words (DESIGN section 6) and what a relevancy row says about the text: the
/// numbers behind LVLM-Interpret's text view.
#ifndef LVLM_TRACE_WORDS_H
#define LVLM_TRACE_WORDS_H

#include "Trace.h"

#include <cstdint>
#include <string>
#include <vector>

namespace lvlm
{

/// Tokens [begin, end) that form one word.
struct Word
{
  std::int64_t begin = 0; ///< position in the sequence
  std::int64_t end = 0;
  Role role = Role::Special;
  std::string text; ///< what the pieces say, without space around
};

/// A tokenizer's piece as it is read: with its space, line feed or ASCII byte in place of the mark.
std::string textOfPiece(const std::string& piece);

/// What the piece at a position says: as recorded, or else its textOfPiece().
std::string textAt(const Trace& trace, std::size_t position);

/// The question as it was asked: as recorded, or else what the pieces of that role say, without
/// space around.
std::string questionOf(const Trace& trace);

/// True for a punctuation mark, white space or `</s>` on its own: LVLM-Interpret's list.
bool isSeparator(const std::string& piece);

/// Words of positions [begin, end), image positions left out: a word ends before a piece that
/// starts with the marker of a new word (U+2581 or U+0120), before a separator, and where the role
/// changes. As in LVLM-Interpret a piece without marker joins what is before it, also a separator
/// ("-" and "shirt" are the word "-shirt"); special tokens stand alone. Throws Error when the range
/// leaves the sequence.
std::vector<Word> wordsOf(const Trace& trace, std::int64_t begin, std::int64_t end);

/// The answer's words; answer token t is position P + t.
std::vector<Word> answerWords(const Trace& trace);

/// The words of a text and the image, as one answer token sees them.
struct TextRelevancy
{
  std::vector<Word> words;       ///< of the prompt, then of the answer before the token
  std::vector<double> relevancy; ///< [words] mean of the row over the word's tokens
  double imageMean = 0;
  double imageMaximum = 0;
  double imageShare = 0;      ///< sum over the image / sum over the row, 0 when that is 0
  double imagePercentile = 0; ///< imagePercentile(question's words, imageMaximum)
};

/// `row` [K] of answer token t. `compatible`: the percentile among the words that LVLM-Interpret
/// makes of the question, where the last is missing, the first is too small if nothing marks it as
/// a word's beginning, and no more words compete than the answer has tokens. Throws Error when t
/// or the size is out of range.
TextRelevancy textRelevancy(const Trace& trace, std::int64_t answerToken,
  const std::vector<float>& row, bool compatible = false);

/// Among the most relevant words and the image's maximum, the fraction that is strictly below the
/// latter (scipy's percentileofscore, kind "strict", over 100): 0, 1/4, 1/2 or 3/4 with three words
/// or more.
double imagePercentile(std::vector<double> words, double imageMaximum, std::size_t most = 3);

} // namespace lvlm

#endif
