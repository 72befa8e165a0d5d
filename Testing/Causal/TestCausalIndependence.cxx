// SPDX-License-Identifier: Apache-2.0
/// Partial correlation against closed forms, p-values against 30-digit arithmetic (mpmath), and
/// safety where the correlation matrix is singular.
#include "Models/Causal/IndependenceTest.h"
#include "Testing/Cpp/Check.h"

#include <algorithm>
#include <cmath>
#include <limits>

using namespace lvlm::causal;

namespace
{

template <typename Value>
Correlation correlationFrom(int n, Value&& value)
{
  Correlation result{ n, {} };
  for (int i = 0; i < n; ++i)
  {
    for (int j = 0; j < n; ++j)
    {
      result.values.push_back(i == j ? 1.0 : value(i, j));
    }
  }
  return result;
}

void testClosedForms()
{
  // All correlations rho: given k others the partial correlation is rho / (1 + k rho).
  const double rho = .3;
  PartialCorrelationTest equal(correlationFrom(8, [&](int, int) { return rho; }), 50, .05);
  std::vector<int> given;
  for (int k = 0; k <= 6; ++k)
  {
    CHECK_NEAR(equal.partialCorrelation(0, 7, given), rho / (1 + k * rho), 1e-14);
    given.push_back(k + 1);
  }
  // A chain x0 -> x1 -> ... : rho^|i - j|, independent given anything between.
  PartialCorrelationTest chain(
    correlationFrom(6, [](int i, int j) { return std::pow(.8, std::abs(i - j)); }), 100, .05);
  CHECK_NEAR(chain.partialCorrelation(0, 5, { 2 }), 0.0, 1e-15);
  CHECK_NEAR(chain.partialCorrelation(0, 5, { 1, 3, 4 }), 0.0, 1e-15);
  CHECK(chain.independent(0, 2, { 1 }));
  CHECK(!chain.independent(0, 2, {}));
}

void testPValues()
{
  const auto p = [](double rho, int samples, const std::vector<int>& given)
  {
    PartialCorrelationTest test(correlationFrom(7, [&](int, int) { return rho; }), samples, .05);
    return test.pValue(0, 6, given);
  };
  // erfc(atanh(r) sqrt(N - |Z| - 3) / sqrt(2)) by mpmath
  CHECK_NEAR(p(.5, 28, {}), 0.0060229244858834036, 1e-14);
  CHECK_NEAR(p(.3, 50, { 1, 2 }), 0.20307237976944999, 1e-14);
  CHECK_NEAR(p(.3, 128, { 1, 2, 3, 4, 5 }), 0.18653504814080595, 1e-14);
  // Too few samples for the test: dependent; exactly none left over: no evidence at all.
  CHECK(p(.3, 4, { 1, 2 }) == 0.0);
  CHECK(p(.3, 5, { 1, 2 }) == 1.0);
}

void testSingular()
{
  // 0 and 1 are the same variable, 2 and 3 as well.
  const auto value = [](int i, int j) { return i / 2 == j / 2 ? 1.0 : .4; };
  PartialCorrelationTest test(correlationFrom(6, value), 128, .01);
  CHECK(test.pValue(0, 1, {}) == 0.0);
  CHECK(test.pValue(0, 4, { 1 }) == 0.0); // 1 determines 0
  CHECK(test.pValue(0, 2, { 1, 3 }) == 0.0);
  CHECK(std::isnan(test.partialCorrelation(0, 2, { 1, 3 })));
  // A copy in Z adds nothing.
  CHECK_NEAR(test.partialCorrelation(0, 4, { 2, 3 }), test.partialCorrelation(0, 4, { 2 }), 1e-15);
  CHECK_NEAR(test.partialCorrelation(0, 4, { 2 }), .4 / 1.4, 1e-15);

  PartialCorrelationTest opposite(correlationFrom(2, [](int, int) { return -1.0; }), 128, .01);
  CHECK(opposite.pValue(0, 1, {}) == 0.0);
}

void testBookkeeping()
{
  PartialCorrelationTest test(
    correlationFrom(4, [](int i, int j) { return .1 * (i + j); }), 128, .01);
  const double first = test.pValue(0, 3, {});
  test.pValue(3, 0, {}); // the same test
  const double second = test.pValue(0, 3, { 1 });
  test.pValue(0, 3, { 1, 2 });
  test.pValue(1, 2, { 0, 3 });
  CHECK(test.testsByOrder() == (std::vector<std::int64_t>{ 1, 1, 2 }));
  const double third = test.pValue(0, 3, { 1, 2 });
  CHECK(test.largestPValue(3, 0) == std::max({ first, second, third }));
  CHECK(std::isnan(test.largestPValue(0, 1)));
  test.forget();
  CHECK(test.pValue(0, 3, {}) == first);
  CHECK(test.testsByOrder()[0] == 2);
}

void testRows()
{
  // (1, 0, 0), (1, 1, 0): correlation 1 / sqrt(2), not centred. The empty row is unrelated to all.
  const Correlation rows = correlationOfRows({ 1, 0, 0, 1, 1, 0, 0, 0, 0 }, 3, 3);
  CHECK_NEAR(rows.at(0, 1), std::sqrt(.5), 1e-15);
  CHECK(rows.at(1, 0) == rows.at(0, 1));
  CHECK(rows.at(0, 2) == 0.0 && rows.at(1, 2) == 0.0);
  CHECK_NEAR(rows.at(2, 2), 1.0, 1e-15);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS(correlationOfRows({ 1, 0, 0, nan }, 2, 2), "not finite");
}

void testErrors()
{
  const Correlation good = correlationFrom(3, [](int, int) { return .5; });
  CHECK_THROWS(PartialCorrelationTest(good, 0, .01), "number of samples = 0");
  CHECK_THROWS(PartialCorrelationTest(good, 10, 1.5), "alpha = 1.5");
  CHECK_THROWS(PartialCorrelationTest(good, 10, std::nan("")), "alpha");
  CHECK_THROWS(PartialCorrelationTest({ 2, { 1, 0, 0 } }, 10, .1), "3 values");
  CHECK_THROWS(PartialCorrelationTest({ 1, { std::nan("") } }, 10, .1), "nan");
}

} // namespace

int main()
{
  testClosedForms();
  testPValues();
  testSingular();
  testBookkeeping();
  testRows();
  testErrors();
  return lvlm_test::checkResult();
}
