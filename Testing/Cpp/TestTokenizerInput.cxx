// SPDX-License-Identifier: Apache-2.0
/// Malformed and hostile tokenizer files and texts: each a clear error, none a crash, a hang or a
/// huge allocation.
#include "Check.h"
#include "TokenizerFiles.h"

#include <ctime>
#include <string>

using lvlm_test::tokenizerOf;
using nlohmann::json;

namespace
{
/// A tokenizer of the letters a, b, c, one merge, a space mark and one special token: the smallest
/// whole file.
json small()
{
  return json::parse(R"({
    "added_tokens": [{"id": 5, "content": "<s>", "single_word": false, "lstrip": false, "rstrip": false,
                      "normalized": false, "special": true}],
    "normalizer": null, "pre_tokenizer": null, "decoder": null,
    "post_processor": {"type": "TemplateProcessing",
      "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
      "special_tokens": {"<s>": {"id": "<s>", "ids": [5], "tokens": ["<s>"]}}},
    "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "c": 2, "ab": 3, "▁": 4}, "merges": ["a b"]}})");
}

/// small() with the value at the JSON pointer replaced or added.
json with(const std::string& pointer, const json& value)
{
  json file = small();
  file[json::json_pointer(pointer)] = value;
  return file;
}

json without(const std::string& pointer)
{
  const json::json_pointer where(pointer);
  json file = small();
  file[where.parent_pointer()].erase(where.back());
  return file;
}

void testSmall()
{
  const lvlm::text::Tokenizer tokenizer = tokenizerOf(small());
  CHECK(tokenizer.encode("cab") == (std::vector<std::int64_t>{ 5, 2, 3 }));
  CHECK(tokenizer.encode("c<s>ab", false) == (std::vector<std::int64_t>{ 2, 5, 3 }));
  CHECK(tokenizer.decode({ 5, 2, 3 }) == "c ab");
  CHECK(tokenizer.size() == 6);
  // Without unk_token unknown characters are dropped, as Hugging Face does.
  CHECK(tokenizer.encode("a?b", false) == (std::vector<std::int64_t>{ 3 }));
}

void testFile()
{
  const lvlm_test::TempFolder folder;
  CHECK_THROWS(lvlm::text::Tokenizer(folder.path() + "/tokenizer.json"), "tokenizer.json");
  CHECK_THROWS(lvlm::text::Tokenizer(folder.path()), folder.path());
  CHECK_THROWS(lvlm::text::Tokenizer(folder.write("a.json", "{\"model\":")), "malformed");
  CHECK_THROWS(lvlm::text::Tokenizer(folder.write("b.json", "[]")), "not a JSON object");
  CHECK_THROWS(lvlm::text::Tokenizer(folder.write("c.json", "{}")), "\"model\" is missing");
  CHECK_THROWS(lvlm::text::Tokenizer(folder.write("d.json", std::string(100000, '['))), "deeper");
}

void testModel()
{
  CHECK_THROWS(
    tokenizerOf(with("/model/type", "Unigram")), "\"Unigram\" is not supported (only BPE");
  CHECK_THROWS(tokenizerOf(with("/model/type", "WordPiece")), "\"WordPiece\"");
  CHECK_THROWS(tokenizerOf(with("/model", 7)), "not supported");
  CHECK_THROWS(tokenizerOf(without("/model/vocab")), "\"vocab\" is missing");
  CHECK_THROWS(tokenizerOf(with("/model/vocab", json::object())), "vocab");
  CHECK_THROWS(tokenizerOf(with("/model/vocab", json::array())), "vocab");
  CHECK_THROWS(tokenizerOf(with("/model/vocab/a", -1)), "\"a\" has the id -1");
  CHECK_THROWS(tokenizerOf(with("/model/vocab/a", 1.5)), "\"a\" has the id 1.5");
  CHECK_THROWS(tokenizerOf(with("/model/vocab/a", "0")), "\"a\" has the id");
  CHECK_THROWS(tokenizerOf(with("/model/vocab/a", 2000000000)), "2000000000");
  CHECK_THROWS(tokenizerOf(with("/model/vocab/a", 18446744073709551615u)), "18446744073709551615");
  CHECK_THROWS(tokenizerOf(with("/model/vocab/a", 1)), "same id 1");
  CHECK_THROWS(tokenizerOf(without("/model/merges")), "\"merges\" is missing");
  CHECK_THROWS(tokenizerOf(with("/model/merges", 3)), "merges");
  CHECK_THROWS(tokenizerOf(with("/model/merges/0", "a x")), "needs \"x\"");
  CHECK_THROWS(tokenizerOf(with("/model/merges/0", "b c")), "needs \"bc\"");
  CHECK_THROWS(tokenizerOf(with("/model/merges/0", "ab")), "merges[0]");
  CHECK_THROWS(tokenizerOf(with("/model/merges/0", "a b c")), "merges[0]");
  CHECK_THROWS(tokenizerOf(with("/model/merges/0", json{ "a" })), "merges[0]");
  CHECK_THROWS(tokenizerOf(with("/model/merges/0", json{ 1, 2 })), "merges[0]");
  CHECK_THROWS(tokenizerOf(with("/model/dropout", 0.1)), "dropout");
  CHECK_THROWS(tokenizerOf(with("/model/end_of_word_suffix", "</w>")), "end_of_word_suffix");
  CHECK_THROWS(tokenizerOf(with("/model/byte_fallback", 1)), "byte_fallback");
  const lvlm::text::Tokenizer unknown = tokenizerOf(with("/model/unk_token", "<unk>"));
  CHECK(unknown.encode("ab", false).size() == 1);
  CHECK_THROWS(unknown.encode("a?b"), "unk_token \"<unk>\"");
}

void testAddedTokens()
{
  CHECK_THROWS(tokenizerOf(with("/added_tokens", 1)), "added_tokens");
  CHECK_THROWS(tokenizerOf(with("/added_tokens/0", 1)), "added_tokens[0]");
  CHECK_THROWS(tokenizerOf(with("/added_tokens/0/id", -5)), "has the id -5");
  CHECK_THROWS(tokenizerOf(with("/added_tokens/0/id", 9)), "5 is the next free one");
  CHECK_THROWS(tokenizerOf(with("/added_tokens/0/content", "ab")), "3 in the vocabulary");
  CHECK_THROWS(tokenizerOf(with("/added_tokens/0/content", "")), "0 bytes");
  CHECK_THROWS(tokenizerOf(with("/added_tokens/0/content", std::string(5000, 'x'))), "5000 bytes");
  CHECK_THROWS(tokenizerOf(with("/added_tokens/1", small()["added_tokens"][0])), "added before");
  CHECK_THROWS(tokenizerOf(with("/added_tokens/0/lstrip", "yes")), "lstrip");
}

void testSteps()
{
  const std::string normal = "/normalizer";
  CHECK_THROWS(
    tokenizerOf(with(normal, { { "type", "NFKC" } })), "normalizer NFKC is not supported");
  CHECK_THROWS(tokenizerOf(with(normal, { { "type", "Precompiled" } })), "Precompiled");
  CHECK_THROWS(tokenizerOf(with(normal, 3)), "without a \"type\"");
  CHECK_THROWS(tokenizerOf(with(normal, { { "type", "Replace" } })), "\"pattern\" is missing");
  const json emptyPattern = { { "type", "Replace" }, { "pattern", { { "String", "" } } } };
  CHECK_THROWS(tokenizerOf(with(normal, emptyPattern)), "pattern");
  const json many(100, json{ { "type", "NFC" } });
  CHECK_THROWS(tokenizerOf(with(normal, { { "type", "Sequence" }, { "normalizers", many } })),
    "more than 64 steps");
  CHECK_THROWS(tokenizerOf(with(normal, { { "type", "Sequence" } })), "normalizers");

  const std::string split = "/pre_tokenizer";
  CHECK_THROWS(tokenizerOf(with(split, { { "type", "Whitespace" } })), "pre_tokenizer Whitespace");
  json step = { { "type", "Split" }, { "pattern", { { "Regex", "(" } } },
    { "behavior", "Isolated" } };
  CHECK_THROWS(tokenizerOf(with(split, step)), "regular expression \"(\"");
  step["pattern"]["Regex"] = std::string(100000, '(');
  CHECK_THROWS(tokenizerOf(with(split, step)), "100000 bytes");
  step["pattern"]["Regex"] = "a";
  step["behavior"] = "Sideways";
  CHECK_THROWS(tokenizerOf(with(split, step)), "Sideways");
  CHECK_THROWS(tokenizerOf(with(split, { { "type", "Metaspace" }, { "replacement", "ab" } })),
    "one character");
  CHECK_THROWS(
    tokenizerOf(with(split, { { "type", "Metaspace" }, { "prepend_scheme", "last" } })), "last");
  CHECK_THROWS(
    tokenizerOf(with("/decoder", { { "type", "CTC" } })), "decoder CTC is not supported");
  const json strip = { { "type", "Strip" }, { "content", " " }, { "start", -1 }, { "stop", 0 } };
  CHECK_THROWS(tokenizerOf(with("/decoder", strip)), "-1");
  CHECK_THROWS(
    tokenizerOf(with("/post_processor", { { "type", "BertProcessing" } })), "BertProcessing");
  CHECK_THROWS(tokenizerOf(with("/post_processor/special_tokens/<s>/ids/0", 6)), "the id 6");
  CHECK_THROWS(tokenizerOf(with("/post_processor/special_tokens/<s>/ids/0", -6)), "the id -6");
  CHECK_THROWS(tokenizerOf(without("/post_processor/special_tokens/<s>")), "\"<s>\" is missing");
  CHECK_THROWS(tokenizerOf(with("/post_processor/single/1/Sequence/id", "B")), "neither");
}

/// What cannot be in the files beside tokenizer.json; what can is compared in TestTokenizer.
void testTokenizerConfig()
{
  const lvlm_test::TempFolder folder;
  json file = small();
  file["post_processor"] = nullptr;
  const std::string path = folder.write("tokenizer.json", file.dump());
  const auto ids = [&](const std::string& config)
  {
    folder.write("tokenizer_config.json", config);
    return lvlm::text::Tokenizer(path).encode("ab");
  };
  using Ids = std::vector<std::int64_t>;
  CHECK(lvlm::text::Tokenizer(path).encode("ab") == (Ids{ 3 }));
  CHECK(ids(R"({"tokenizer_class": "LlamaTokenizer"})") == (Ids{ 3 }));
  CHECK(ids(R"({"tokenizer_class": "LlamaTokenizer", "add_bos_token": null})") == (Ids{ 3 }));
  CHECK(ids(R"({"tokenizer_class": "LlamaTokenizer", "add_eos_token": true,
                "eos_token": {"content": "c"}})") == (Ids{ 3, 2 }));
  CHECK(ids(R"({"pad_token": null, "cls_token": 7, "sep_token": {}, "extra_special_tokens": 1})") ==
    (Ids{ 3 }));
  CHECK_THROWS(
    ids(R"({"tokenizer_class": "GemmaTokenizer", "add_bos_token": true})"), "bos_token \"<bos>\"");
  CHECK_THROWS(ids("{"), "tokenizer_config.json");
  CHECK_THROWS(ids("[]"), "tokenizer_config.json: not a JSON object");
  CHECK_THROWS(ids(R"({"added_tokens_decoder": {"x": {"content": "d"}}})"), "\"x\"");
  CHECK_THROWS(ids(R"({"added_tokens_decoder": {"7": 7}})"), "not an id and a token");
  CHECK_THROWS(ids(R"({"added_tokens_decoder": {"7": {}}})"), "content of 0 bytes");
  CHECK_THROWS(ids(R"({"added_tokens_decoder": {"7": {"content": "d", "lstrip": 1}}})"), "lstrip");
  folder.write("added_tokens.json", R"({"d": -1})");
  CHECK_THROWS(ids("{}"), "added_tokens.json: \"d\": -1");
}

/// Processor time of `work` in seconds: other processes must not make the test fail.
template <typename Work>
double seconds(Work&& work)
{
  const std::clock_t start = std::clock();
  work();
  return static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
}

/// Limits are ten times and more what an idle machine takes, against quadratic time, which takes
/// minutes.
void testEffort()
{
  json file = small();
  file["pre_tokenizer"] = { { "type", "Split" }, { "pattern", { { "Regex", "(a|a|ab)+$c" } } },
    { "behavior", "Isolated" } };
  const lvlm::text::Tokenizer catastrophic = tokenizerOf(file);
  const std::string letters(1 << 20, 'a');
  CHECK(
    seconds([&] { CHECK_THROWS(catastrophic.encode(letters), "backtracks without bound"); }) < 30);
  // Few letters, but 2^40 ways to take them.
  file["pre_tokenizer"]["pattern"]["Regex"] = "(a|a)+c";
  const lvlm::text::Tokenizer exponential = tokenizerOf(file);
  CHECK(seconds(
          [&] {
            CHECK_THROWS(exponential.encode(letters.substr(0, 40)), "backtracks without bound");
          }) < 30);
  // Each step compares half of the text.
  file["pre_tokenizer"]["pattern"]["Regex"] = "(a+)\\1c";
  const lvlm::text::Tokenizer referring = tokenizerOf(file);
  CHECK(seconds(
          [&] {
            CHECK_THROWS(referring.encode(letters.substr(0, 30000)), "backtracks without bound");
          }) < 30);
  CHECK_THROWS(tokenizerOf(small()).encode(std::string(5 << 20, 'a')), "longer than");

  json growing = small();
  growing["normalizer"] = { { "type", "Replace" }, { "pattern", { { "String", "a" } } },
    { "content", std::string(1000, 'a') } };
  CHECK_THROWS(tokenizerOf(growing).encode(letters), "replacing");

  // One word of a million letters, every second pair merges: time must not be quadratic.
  std::string word;
  while (word.size() < (1u << 20))
  {
    word += "abc";
  }
  const lvlm::text::Tokenizer plain = tokenizerOf(small());
  std::size_t count = 0;
  CHECK(seconds([&] { count = plain.encode(word, false).size(); }) < 30);
  CHECK(count == word.size() / 3 * 2);
}
}

int main()
{
  testSmall();
  testFile();
  testModel();
  testAddedTokens();
  testSteps();
  testTokenizerConfig();
  testEffort();
  return lvlm_test::checkResult();
}
