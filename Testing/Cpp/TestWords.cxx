// SPDX-License-Identifier: Apache-2.0
// Words by LVLM-Interpret's rule, on pieces of real tokenizers; expected words are written by hand
// from the rule. The percentiles are scipy.stats.percentileofscore(values, maximum, kind="strict")
// / 100, run in Python.
#include "Check.h"

#include "Models/Trace/Words.h"

#include <algorithm>

namespace
{
using namespace lvlm;

/// <s>, "USER:", image of 1 x 2, "What's red?", answer "A T-shirt, 3.5 km" newline </s>
Trace example()
{
  Trace trace;
  const auto add = [&](Role role, std::vector<std::string> pieces)
  {
    trace.roles.insert(trace.roles.end(), pieces.size(), role);
    trace.tokens.insert(trace.tokens.end(), pieces.begin(), pieces.end());
  };
  add(Role::Special, { "<s>" });
  add(Role::System, { "▁US", "ER", ":" });
  trace.imageStart = 4;
  trace.grid = { 1, 2 };
  add(Role::Image, { "<image>", "<image>" });
  add(Role::Question, { "<0x0A>", "What", "'", "s", "▁re", "d", "?" });
  add(Role::Special, { "▁ASS", "IST" });
  trace.promptLength = trace.positions();
  add(Role::Answer,
    { "▁A", "▁T", "-", "sh", "irt", ",", "▁", "3", ".", "5", "▁km", "<0x0A>", "</s>" });
  return trace;
}

void testWords()
{
  const Trace trace = example();
  const std::vector<Word> words = answerWords(trace);
  // "-" is a separator and starts a word, which "sh" and "irt" then join; likewise ".5".
  const std::vector<std::string> expected{ "A", "T", "-shirt", ",", "3", ".5", "km", "\n", "</s>" };
  const std::vector<std::int64_t> begins{ 0, 1, 2, 5, 6, 8, 10, 11, 12, 13 };
  CHECK(words.size() == expected.size());
  for (std::size_t i = 0; i < std::min(words.size(), expected.size()); ++i)
  {
    CHECK(words[i].text == expected[i]);
    CHECK(words[i].begin == trace.promptLength + begins[i]);
    CHECK(words[i].end == trace.promptLength + begins[i + 1]);
    CHECK(words[i].role == Role::Answer);
  }
  std::vector<std::string> prompt;
  for (const Word& word : wordsOf(trace, 0, trace.promptLength))
  {
    prompt.push_back(word.text);
  }
  // The new line is a separator that "What" joins; special pieces stand alone; the image is no
  // word.
  CHECK((prompt ==
    std::vector<std::string>{ "<s>", "USER", ":", "\nWhat's", "red", "?", "ASS", "IST" }));
  CHECK(isSeparator("?") && isSeparator("<0x0A>") && isSeparator("Ċ") && !isSeparator("a") &&
    !isSeparator("'"));
  CHECK_THROWS(wordsOf(trace, 0, 99), "leave the sequence");

  Trace bytes = example(); // byte-level pieces
  bytes.tokens[static_cast<std::size_t>(bytes.promptLength)] = "The";
  bytes.tokens[static_cast<std::size_t>(bytes.promptLength) + 1] = "Ġcat";
  CHECK(answerWords(bytes)[0].text == "The" && answerWords(bytes)[1].text == "cat");
}

void testText()
{
  const Trace trace = example();
  std::vector<float> row(static_cast<std::size_t>(trace.keys()), 0.0f);
  row[4] = 0.1f; // image
  row[5] = 0.3f;
  row[6] = 0.2f; // "\nWhat's" has four tokens: mean .2
  row[7] = 0.6f;
  row[10] = 0.2f; // "red": mean .3
  row[11] = 0.4f;
  row[12] = 0.25f; // "?"
  row[1] = 0.9f;   // "US" of the system prompt does not compete with the image
  row[15] = 0.7f;  // the answer before the token does not either
  const TextRelevancy text = textRelevancy(trace, 1, row);
  CHECK(text.words.size() == 9 && text.relevancy.size() == 9); // 8 of the prompt, "A" of the answer
  CHECK(text.words.back().text == "A");
  CHECK_NEAR(text.relevancy[3], 0.2, 1e-6);
  CHECK_NEAR(text.relevancy[4], 0.3, 1e-6);
  CHECK_NEAR(text.relevancy[8], 0.7, 1e-6);
  CHECK_NEAR(text.imageMean, 0.2, 1e-6);
  CHECK_NEAR(text.imageMaximum, 0.3, 1e-6);
  CHECK_NEAR(text.imageShare, 0.4 / 3.65, 1e-6);
  CHECK_THROWS(textRelevancy(trace, 13, row), "answer token 13");
  row.pop_back();
  CHECK_THROWS(textRelevancy(trace, 0, row), "keys");
}

/// By hand from LVLM-Interpret's `convert_token2word`: "\nWhat's" has no mark and is halved by one
/// more (four tokens, five to divide by), "red" is one word of two, "?" is the last and dropped.
void testCompatiblePercentile()
{
  const Trace trace = example();
  std::vector<float> row(static_cast<std::size_t>(trace.keys()), 0.0f);
  row[6] = 1.0f;  // "\nWhat's": mean .25, theirs .2
  row[10] = 0.2f; // "re", "d": mean .3
  row[11] = 0.4f;
  row[12] = 0.1f; // "?"
  const auto percentile = [&](float image, bool compatible)
  {
    row[5] = image;
    return textRelevancy(trace, 1, row, compatible).imagePercentile;
  };
  CHECK_NEAR(percentile(0.28f, false), 0.5, 0);        // of .3 .25 .1 and the image
  CHECK_NEAR(percentile(0.28f, true), 1.0 / 3, 1e-15); // of .3 .2 and the image
  CHECK_NEAR(percentile(0.22f, false), 0.25, 0);
  CHECK_NEAR(percentile(0.22f, true), 1.0 / 3, 1e-15);
  CHECK_NEAR(percentile(0.15f, true), 0, 0);
  Trace repeated = trace; // two words "red": theirs is the later one's number
  const std::vector<std::string> pieces{ "▁red", "▁is", "▁red", "▁or", "▁not", "▁b", "?" };
  std::copy(pieces.begin(), pieces.end(), repeated.tokens.begin() + 6);
  std::fill(row.begin() + 6, row.begin() + 13, 0.0f);
  row[5] = 0.28f;
  row[6] = 0.9f;
  row[8] = 0.1f;
  CHECK_NEAR(textRelevancy(repeated, 1, row).imagePercentile, 0.5, 0);
  CHECK_NEAR(textRelevancy(repeated, 1, row, true).imagePercentile, 0.75, 0);
}

void testPercentile()
{
  CHECK_NEAR(imagePercentile({ 0.1, 0.2, 0.3, 0.05 }, 0.25), 0.5, 0); // of .3 .2 .1 .25: two below
  CHECK_NEAR(imagePercentile({ 0.1, 0.2, 0.3, 0.05 }, 0.9), 0.75, 0); // never 1: not below itself
  CHECK_NEAR(
    imagePercentile({ 0.1, 0.2, 0.3, 0.05 }, 0.08), 0.0, 0);      // the fourth word does not count
  CHECK_NEAR(imagePercentile({ 0.25, 0.25, 0.3 }, 0.25), 0.0, 0); // strictly below
  CHECK_NEAR(imagePercentile({ 0.1 }, 0.25), 0.5, 0);
  CHECK_NEAR(imagePercentile({}, 0.25), 0.0, 0);
}
}

int main()
{
  testWords();
  testText();
  testPercentile();
  testCompatiblePercentile();
  return lvlm_test::checkResult();
}
