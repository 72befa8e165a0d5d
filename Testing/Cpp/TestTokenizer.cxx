// SPDX-License-Identifier: Apache-2.0
/// Ids and texts equal to Hugging Face's `tokenizers`: Testing/Golden/tokenizer_goldens.py wrote
/// what it answers.
#include "Check.h"
#include "TokenizerFiles.h"

#include "Models/Text/PieceTexts.h"
#include "Models/Text/Tokenizer.h"

#include <iostream>
#include <string>
#include <vector>

using lvlm_test::testData;
using Ids = std::vector<std::int64_t>;

namespace
{
/// Prints the first few differences of a case.
struct Comparison
{
  std::string name;
  int compared = 0;
  int different = 0;

  template <typename Value>
  void equal(const Value& ours, const Value& theirs, const char* what, const std::string& text)
  {
    ++compared;
    if (!(ours == theirs) && ++different <= 5)
    {
      using nlohmann::json;
      std::cerr << name << ": " << what << " of " << json(text).dump(-1, ' ', true) << "\n  ours   "
                << json(ours).dump(-1, ' ', true) << "\n  theirs "
                << json(theirs).dump(-1, ' ', true) << std::endl;
    }
  }
};

nlohmann::json changed(nlohmann::json base, const nlohmann::json& fields)
{
  for (const auto& [key, value] : fields.items())
  {
    if (key == "model")
    {
      base["model"].update(value);
    }
    else
    {
      base[key] = value;
    }
  }
  return base;
}

/// A decoded text that equals the text itself is stored as null.
std::string expectedText(const nlohmann::json& stored, const std::string& text)
{
  return stored.is_null() ? text : stored.get<std::string>();
}

void runCase(const nlohmann::json& base, const nlohmann::json& texts, const std::string& name)
{
  const nlohmann::json golden = testData("case_" + name + ".json");
  const lvlm::text::Tokenizer tokenizer = lvlm_test::tokenizerOf(changed(base, golden["replace"]));
  Comparison compare{ name };
  const auto first = golden["first"].get<std::size_t>();
  for (std::size_t i = 0; i < golden["ids"].size(); ++i)
  {
    const auto text = texts[first + i].get<std::string>();
    const auto ids = golden["ids"][i].get<Ids>();
    compare.equal(tokenizer.encode(text), ids, "ids", text);
    compare.equal(tokenizer.decode(ids), expectedText(golden["text"][i], text), "text", text);
    compare.equal(
      tokenizer.decode(ids, false), expectedText(golden["full"][i], text), "full text", text);
  }
  for (std::size_t i = 0; i < golden["plain"].size(); ++i)
  {
    const auto text = texts[first + i].get<std::string>();
    compare.equal(tokenizer.encode(text, false), golden["plain"][i].get<Ids>(), "plain ids", text);
  }
  for (const auto& entry : golden["random"])
  {
    const auto ids = entry[0].get<Ids>();
    compare.equal(tokenizer.decode(ids), entry[1].get<std::string>(), "text", entry[0].dump());
    compare.equal(
      tokenizer.decode(ids, false), entry[2].get<std::string>(), "full text", entry[0].dump());
  }
  std::cout << name << ": " << golden["ids"].size() << " texts, " << compare.compared
            << " comparisons, " << compare.different << " differ" << std::endl;
  CHECK(compare.compared > 600);
  CHECK(compare.different == 0);
}

/// The files beside tokenizer.json: added tokens and their flags, special tokens around a text.
/// Testing/Golden/tokenizer_config_goldens.py.
void testConfigFiles()
{
  const nlohmann::json base =
    lvlm_test::readJson(std::string(LVLM_TEST_DATA) + "/llava/resaved/llama/tokenizer.json");
  const nlohmann::json golden = testData("config_cases.json");
  CHECK(golden["cases"].size() == 23);
  for (const auto& [name, entry] : golden["cases"].items())
  {
    const lvlm_test::TempFolder folder;
    for (const auto& [file, content] : entry["files"].items())
    {
      folder.write(file, content.dump());
    }
    const lvlm::text::Tokenizer tokenizer(
      folder.write("tokenizer.json", changed(base, entry["tokenizer"]).dump()));
    Comparison compare{ name };
    for (std::size_t i = 0; i < golden["texts"].size(); ++i)
    {
      const auto text = golden["texts"][i].get<std::string>();
      compare.equal(tokenizer.encode(text), entry["ids"][i].get<Ids>(), "ids", text);
    }
    Ids special;
    for (std::int64_t id = 0; id < tokenizer.size(); ++id)
    {
      special.insert(special.end(), tokenizer.isSpecial(id) ? 1 : 0, id);
    }
    compare.equal(special, entry["special"].get<Ids>(), "special tokens", "");
    CHECK(compare.different == 0);
  }
}

/// Testing/Golden/piece_text_goldens.py; and a sequence that is none of a text: whatever its pieces
/// say, together they say what it says.
void testPieceTexts()
{
  const nlohmann::json golden = testData("piece_texts.json");
  for (const auto& [name, cases] : golden.items())
  {
    const lvlm::text::Tokenizer tokenizer(
      std::string(LVLM_TEST_DATA) + "/tokenizer/" + name + ".tokenizer.json");
    Comparison compare{ name };
    Ids all;
    for (const auto& entry : cases)
    {
      const auto ids = entry["ids"].get<Ids>();
      const std::vector<std::string> texts = lvlm::text::pieceTexts(tokenizer, ids);
      compare.equal(
        texts, entry["texts"].get<std::vector<std::string>>(), "texts", tokenizer.decode(ids));
      all.insert(all.end(), ids.begin(), ids.end());
    }
    std::string joined;
    for (const std::string& text : lvlm::text::pieceTexts(tokenizer, all))
    {
      joined += text;
    }
    compare.equal(joined, tokenizer.decode(all, false), "joined texts", "all together");
    Ids mixed; // parts of characters in any order
    for (std::int64_t i = 0; i < 200; ++i)
    {
      mixed.push_back(i * i * 7 % 300);
    }
    joined.clear();
    for (const std::string& text : lvlm::text::pieceTexts(tokenizer, mixed))
    {
      joined += text;
    }
    compare.equal(joined, tokenizer.decode(mixed, false), "joined texts", "mixed");
    CHECK(compare.compared > 30 && compare.different == 0);
  }
  const lvlm::text::Tokenizer tokenizer(
    std::string(LVLM_TEST_DATA) + "/tokenizer/mistral.tokenizer.json");
  CHECK(lvlm::text::pieceTexts(tokenizer, {}).empty());
  CHECK(lvlm::text::textAfter(tokenizer, 1, tokenizer.id("▁red")) == " red");
  CHECK(lvlm::text::textAfter(tokenizer, tokenizer.id("<0xC3>"), tokenizer.id("<0xA9>")) ==
    "\xEF\xBF\xBD");
}

void testLookups()
{
  const lvlm::text::Tokenizer tokenizer(
    std::string(LVLM_TEST_DATA) + "/tokenizer/mistral.tokenizer.json");
  CHECK(tokenizer.size() == 32002);
  CHECK(tokenizer.piece(13) == "<0x0A>");
  CHECK(tokenizer.id("<0x0A>") == 13);
  CHECK(tokenizer.piece(32000) == "<image>");
  CHECK(tokenizer.id("<image>") == 32000);
  CHECK(tokenizer.isSpecial(32000));
  CHECK(!tokenizer.isSpecial(13));
  CHECK(tokenizer.id("no such piece") == -1);
  CHECK(tokenizer.piece(-1).empty());
  CHECK(tokenizer.piece(32002).empty());
  CHECK(tokenizer.piece(std::int64_t{ 1 } << 40).empty());
  CHECK(!tokenizer.isSpecial(-1));
  CHECK(tokenizer.decode({}).empty());
}

/// Ill-formed UTF-8 is tokenized as if U+FFFD stood there, one for each maximal part (Unicode 15,
/// table 3-8).
void testIllFormedText()
{
  const lvlm::text::Tokenizer tokenizer(
    std::string(LVLM_TEST_DATA) + "/tokenizer/mistral.tokenizer.json");
  const std::string mark = "\xEF\xBF\xBD";
  CHECK(tokenizer.encode("a\xFFz") == tokenizer.encode("a" + mark + "z"));
  CHECK(tokenizer.encode("\xE2\x96") == tokenizer.encode(mark));
  CHECK(tokenizer.encode("\xC0\x80") == tokenizer.encode(mark + mark));
  CHECK(tokenizer.encode("\xED\xA0\x80") == tokenizer.encode(mark + mark + mark));
  const std::string table = "\xF0\x80\x80\x41\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41";
  CHECK(tokenizer.encode(table) ==
    tokenizer.encode(mark + mark + mark + "A" + mark + mark + mark + mark + "A"));
}
}

int main()
{
  const nlohmann::json texts = testData("texts.json");
  CHECK(texts.size() >= 3000);
  const nlohmann::json mistral = testData("mistral.tokenizer.json");
  for (const char* name :
    { "legacy", "nonlegacy", "always", "old_metaspace", "never", "gemma", "added",
      "added_nonlegacy", "nfc_first", "unk_fused", "unk_single", "ignore_merges", "bos_eos" })
  {
    runCase(mistral, texts, name);
  }
  const nlohmann::json smollm2 = testData("smollm2.tokenizer.json");
  for (const char* name : { "smollm2", "qwen2", "llama3", "gpt2", "gpt4o", "removed", "contiguous",
         "with_previous", "with_next", "inverted", "anchors", "digits" })
  {
    runCase(smollm2, texts, name);
  }
  testConfigFiles();
  testPieceTexts();
  testLookups();
  testIllFormedText();
  return lvlm_test::checkResult();
}
