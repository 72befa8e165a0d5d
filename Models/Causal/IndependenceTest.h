// SPDX-License-Identifier: Apache-2.0
/// @file IndependenceTest.h
/// Conditional-independence tests: partial correlation with Fisher's z-transform, with cache and
/// counters. R. A. Fisher, "The distribution of the partial correlation coefficient", Metron 3
/// (1924).
#ifndef LVLM_CAUSAL_INDEPENDENCE_TEST_H
#define LVLM_CAUSAL_INDEPENDENCE_TEST_H

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

namespace lvlm::causal
{

/// Answers "are x and y independent given Z?" and remembers what it was asked. One object serves
/// one thread.
class IndependenceTest
{
public:
  /// `alpha`: p-values above it mean independence. Throws Error unless 0 <= alpha <= 1 and
  /// 0 <= size <= NodeSet::Capacity.
  IndependenceTest(int size, double alpha);
  virtual ~IndependenceTest() = default;

  int size() const { return this->Size; }
  double alpha() const { return this->Alpha; }

  /// p-value of "x and y are independent given `given`" (distinct nodes, ascending). Tests already
  /// made are answered from the cache and not counted again.
  double pValue(int x, int y, const std::vector<int>& given);
  bool independent(int x, int y, const std::vector<int>& given)
  {
    return this->pValue(x, y, given) > this->Alpha;
  }

  /// Number of tests by size of the conditioning set; shorter than size() - 1 when the last sizes
  /// had none.
  const std::vector<std::int64_t>& testsByOrder() const { return this->Counts; }
  /// The largest p-value of all tests made of this pair: for an edge that stayed, how close it came
  /// to being removed (at most alpha); for a removed one, the p-value that removed it. NaN when
  /// never tested.
  double largestPValue(int x, int y) const { return this->Largest[this->pair(x, y)]; }
  /// Empties the cache (not the counters): learners call it when no earlier test can be asked
  /// again.
  void forget() { this->Cache.clear(); }

protected:
  virtual double compute(int x, int y, const std::vector<int>& given) = 0;

private:
  std::size_t pair(int x, int y) const
  {
    return static_cast<std::size_t>(x < y ? x : y) * static_cast<std::size_t>(this->Size) +
      static_cast<std::size_t>(x < y ? y : x);
  }

  int Size;
  double Alpha;
  std::vector<std::int64_t> Counts;
  std::vector<double> Largest; // [size, size], upper triangle
  /// Key: x, y, then Z. A short u16string lives inside the object: no allocation for small sets.
  std::unordered_map<std::u16string, double> Cache;
};

/// Symmetric matrix of correlations [size, size], C order.
struct Correlation
{
  int size = 0;
  std::vector<double> values;
  double at(int i, int j) const
  {
    return this->values[static_cast<std::size_t>(i) * static_cast<std::size_t>(this->size) +
      static_cast<std::size_t>(j)];
  }
};

/// CLEANN's correlation of rows A_i [columns], already in double: A A^T scaled to a unit diagonal
/// (rows are not centred). A row whose norm is at most 1e-8 says nothing: its correlation with all
/// others is 0. `rows` is [size, columns]. Throws Error when a value is not finite.
Correlation correlationOfRows(const std::vector<double>& rows, int size, std::int64_t columns);

/// Partial correlation r of x and y given Z; z = atanh(r) sqrt(samples - |Z| - 3) is a standard
/// normal variable under independence, and the p-value is two-sided.
///
/// Safe where the correlation matrix is singular (conditional variances below 1e-12, of 1): a node
/// of Z that the others determine adds nothing and is skipped; x or y that Z determines, and |r| =
/// 1, count as dependent (p = 0). So do too few samples, samples - |Z| - 3 < 0.
class PartialCorrelationTest : public IndependenceTest
{
public:
  /// Throws Error when `correlation` is not size x size or not finite, or samples < 1.
  PartialCorrelationTest(Correlation correlation, int samples, double alpha);

  /// r itself; NaN where x or y is determined by Z.
  double partialCorrelation(int x, int y, const std::vector<int>& given);

protected:
  double compute(int x, int y, const std::vector<int>& given) override;

private:
  Correlation Values;
  int Samples;
  std::vector<int> Order;     // scratch: Z, x, y
  std::vector<double> Factor; // scratch: Cholesky factor, [|Z| + 2, |Z| + 2]
};

} // namespace lvlm::causal

#endif
