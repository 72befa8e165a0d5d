// SPDX-License-Identifier: Apache-2.0
#include "IndependenceTest.h"

#include "NodeSet.h"

#include "Models/Trace/Error.h"

#include <cmath>
#include <limits>
#include <utility>

namespace lvlm::causal
{

namespace
{
/// Conditional variance (of a total of 1) below which a variable counts as determined: rounding of
/// the products in A A^T alone reaches 1e-13.
constexpr double Determined = 1e-12;
constexpr double SmallestNorm = 1e-8;
/// Entries; about 100 MB. Only a plain ICD with an enormous search could reach it, and it then
/// merely counts some tests twice.
constexpr std::size_t CacheLimit = std::size_t{ 1 } << 20;
}

IndependenceTest::IndependenceTest(int size, double alpha) : Size(size), Alpha(alpha)
{
  if (size < 0 || size > NodeSet::Capacity)
  {
    fail("an independence test of ", size, " variables: at most ", NodeSet::Capacity,
      " are supported");
  }
  if (!(alpha >= 0.0 && alpha <= 1.0))
  {
    fail("alpha = ", alpha, " is not a probability");
  }
  this->Largest.assign(static_cast<std::size_t>(size) * static_cast<std::size_t>(size),
    std::numeric_limits<double>::quiet_NaN());
}

double IndependenceTest::pValue(int x, int y, const std::vector<int>& given)
{
  std::u16string key;
  key.reserve(given.size() + 2);
  key.push_back(static_cast<char16_t>(x < y ? x : y));
  key.push_back(static_cast<char16_t>(x < y ? y : x));
  for (const int z : given)
  {
    key.push_back(static_cast<char16_t>(z));
  }
  const auto known = this->Cache.find(key);
  if (known != this->Cache.end())
  {
    return known->second;
  }

  const double p = this->compute(x, y, given);
  if (this->Counts.size() <= given.size())
  {
    this->Counts.resize(given.size() + 1, 0);
  }
  ++this->Counts[given.size()];
  double& largest = this->Largest[this->pair(x, y)];
  if (!(p <= largest)) // also when `largest` is NaN
  {
    largest = p;
  }
  if (this->Cache.size() >= CacheLimit)
  {
    this->Cache.clear();
  }
  this->Cache.emplace(std::move(key), p);
  return p;
}

Correlation correlationOfRows(const std::vector<double>& rows, int size, std::int64_t columns)
{
  const auto n = static_cast<std::size_t>(size);
  const auto width = static_cast<std::size_t>(columns);
  const auto dot = [&](std::size_t i, std::size_t j)
  {
    double sum = 0.0;
    for (std::size_t k = 0; k < width; ++k)
    {
      sum += rows[i * width + k] * rows[j * width + k];
    }
    return sum;
  };
  std::vector<double> inverseNorm(n, 0.0); // [size]; 0 for an empty row
  for (std::size_t i = 0; i < n; ++i)
  {
    const double norm = std::sqrt(dot(i, i));
    if (!std::isfinite(norm))
    {
      fail("row ", i, " of the attention matrix has values that are not finite");
    }
    inverseNorm[i] = norm > SmallestNorm ? 1.0 / norm : 0.0;
  }
  Correlation result{ size, std::vector<double>(n * n) };
  for (std::size_t i = 0; i < n; ++i)
  {
    // The diagonal is scaled like the rest, not set to 1: then the norms' rounding cancels in
    // partial correlations, which matters where rows are nearly equal.
    for (std::size_t j = 0; j <= i; ++j)
    {
      const double value = dot(i, j) * inverseNorm[i] * inverseNorm[j];
      result.values[i * n + j] = value;
      result.values[j * n + i] = value;
    }
    if (inverseNorm[i] == 0.0)
    {
      result.values[i * n + i] = 1.0;
    }
  }
  return result;
}

PartialCorrelationTest::PartialCorrelationTest(Correlation correlation, int samples, double alpha)
  : IndependenceTest(correlation.size, alpha), Values(std::move(correlation)), Samples(samples)
{
  const auto n = static_cast<std::size_t>(this->Values.size);
  if (this->Values.values.size() != n * n)
  {
    fail("a correlation matrix of ", n, " variables with ", this->Values.values.size(), " values");
  }
  for (const double value : this->Values.values)
  {
    if (!std::isfinite(value))
    {
      fail("a correlation matrix with the value ", value);
    }
  }
  if (samples < 1)
  {
    fail("number of samples = ", samples, ": must be positive");
  }
}

double PartialCorrelationTest::partialCorrelation(int x, int y, const std::vector<int>& given)
{
  // Cholesky elimination of Z from the correlation of (Z, x, y): what is left at x, y is their
  // conditional covariance.
  this->Order.assign(given.begin(), given.end());
  this->Order.push_back(x);
  this->Order.push_back(y);
  const std::size_t n = this->Order.size();
  const std::size_t conditioning = given.size();
  this->Factor.assign(n * n, 0.0);
  double left[2] = { 0.0, 0.0 }; // conditional variances of x, y
  double covariance = 0.0;
  for (std::size_t i = 0; i < n; ++i)
  {
    double* rowI = &this->Factor[i * n];
    for (std::size_t j = 0; j <= i; ++j)
    {
      const double* rowJ = &this->Factor[j * n];
      double sum = this->Values.at(this->Order[i], this->Order[j]);
      const std::size_t eliminated = j < conditioning ? j : conditioning;
      for (std::size_t k = 0; k < eliminated; ++k)
      {
        sum -= rowI[k] * rowJ[k];
      }
      if (j >= conditioning)
      {
        (i == j ? left[i - conditioning] : covariance) = sum;
      }
      else if (i == j)
      {
        rowI[j] = sum > Determined ? std::sqrt(sum) : 0.0;
      }
      else
      {
        rowI[j] = rowJ[j] > 0.0 ? sum / rowJ[j] : 0.0; // a determined z is skipped
      }
    }
  }
  if (left[0] <= Determined || left[1] <= Determined)
  {
    return std::numeric_limits<double>::quiet_NaN();
  }
  return covariance / std::sqrt(left[0] * left[1]);
}

double PartialCorrelationTest::compute(int x, int y, const std::vector<int>& given)
{
  const double r = this->partialCorrelation(x, y, given);
  const double scale = this->Samples - static_cast<double>(given.size()) - 3.0;
  if (!(std::abs(r) < 1.0) || scale < 0.0)
  {
    return 0.0;
  }
  const double z = std::abs(std::atanh(r)) * std::sqrt(scale);
  return std::erfc(z * std::sqrt(0.5));
}

} // namespace lvlm::causal
