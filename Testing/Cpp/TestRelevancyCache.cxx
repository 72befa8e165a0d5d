// SPDX-License-Identifier: Apache-2.0
// The cache of relevancy maps: what is asked for again is not computed again, what would be wrong
// is not given, and the bound on its memory holds.
#include "Check.h"

#include "Models/Trace/RelevancyCache.h"

#include <limits>

namespace
{
using namespace lvlm;

/// Maps of one element, the token's number times `factor`; `asked` grows by what was computed.
RelevancyCache::Compute computing(Indices& asked, double factor, std::size_t width = 1)
{
  return [&asked, factor, width](const Indices& missing)
  {
    AnswerMaps maps;
    for (const std::int64_t token : missing)
    {
      asked.push_back(token);
      maps[token]["relevancy.decoder"].row.assign(width, factor * static_cast<double>(token));
    }
    return maps;
  };
}

double valueOf(const AnswerMaps& maps, std::int64_t token)
{
  return maps.at(token).at("relevancy.decoder").row[0];
}

void testKnownTokens()
{
  RelevancyCache cache;
  Indices asked;
  const RelevancyCache::Key key{ std::make_shared<int>(1), "picture" };
  CHECK(!cache.has(key));
  CHECK(cache.get(key, { 4, 1 }, computing(asked, 1)).size() == 2);
  const AnswerMaps maps = cache.get(key, { 1, 2 }, computing(asked, 10));
  CHECK((asked == Indices{ 4, 1, 2 }));
  CHECK(maps.size() == 2 && valueOf(maps, 1) == 1 && valueOf(maps, 2) == 20);
  CHECK(cache.has(key));
  cache.clear();
  CHECK(!cache.has(key));
}

void testWhatDecides()
{
  RelevancyCache cache;
  Indices asked;
  const auto model = std::make_shared<int>(1), other = std::make_shared<int>(1);
  CHECK(valueOf(cache.get({ model, "a" }, { 1 }, computing(asked, 1)), 1) == 1);
  CHECK(valueOf(cache.get({ model, "b" }, { 1 }, computing(asked, 2)), 1) == 2);
  CHECK(valueOf(cache.get({ nullptr, "a" }, { 1 }, computing(asked, 3)), 1) == 3);
  CHECK(valueOf(cache.get({ model, "a" }, { 1 }, computing(asked, 4)), 1) == 1);
  CHECK(asked.size() == 3 && model.use_count() == 3);
  // An equal model that is not the same one: its file has changed, and the old one is let go.
  CHECK(valueOf(cache.get({ other, "a" }, { 1 }, computing(asked, 5)), 1) == 5);
  CHECK(model.use_count() == 1 && other.use_count() == 2);
  CHECK(cache.has({ nullptr, "a" }) && !cache.has({ model, "b" }));
}

void testFailure()
{
  RelevancyCache cache;
  Indices asked;
  const RelevancyCache::Key key{ nullptr, "a" };
  CHECK_THROWS(
    cache.get(key, { 1 }, [](const Indices&) -> AnswerMaps { throw Error("no gradient"); }),
    "no gradient");
  CHECK(valueOf(cache.get(key, { 1 }, computing(asked, 2)), 1) == 2);
}

void testBound()
{
  RelevancyCache cache;
  Indices asked;
  const std::size_t third = RelevancyCache::Bytes / sizeof(double) / 3 + 1; // numbers
  for (const char* inputs : { "a", "b", "a", "c" })
  {
    cache.get({ nullptr, inputs }, { 1 }, computing(asked, 1, third));
  }
  CHECK(asked.size() == 3);
  // Three of these are too much: what was used longest ago is gone.
  CHECK(cache.has({ nullptr, "a" }) && !cache.has({ nullptr, "b" }) && cache.has({ nullptr, "c" }));
  const AnswerMaps large = cache.get({ nullptr, "d" }, { 1, 2, 3, 4 }, computing(asked, 1, third));
  CHECK(large.size() == 4 && valueOf(large, 4) == 4);
  CHECK(!cache.has({ nullptr, "d" }) && !cache.has({ nullptr, "a" }));
}

void testMean()
{
  AnswerMaps maps;
  maps[0]["m"] = { { 1, 2 }, 4 };
  maps[3]["m"] = { { 3, 5 }, 0 }; // nothing to divide by
  const std::vector<float> raw = meanMap(maps, "m", false), shares = meanMap(maps, "m", true);
  CHECK(raw[0] == 2.0f && raw[1] == 3.5f);
  CHECK(shares[0] == (0.25f + 3) / 2 && shares[1] == (0.5f + 5) / 2);
  maps[3]["m"].row[1] = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS(meanMap(maps, "m", true), "m has a value that is not finite at element 1");
}
}

int main()
{
  testKnownTokens();
  testWhatDecides();
  testFailure();
  testBound();
  testMean();
  return lvlm_test::checkResult();
}
