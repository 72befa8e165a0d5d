// SPDX-License-Identifier: Apache-2.0
/// @file Generate.h
/// The attention matrices of Testing/Golden/causal_goldens.py, made again from the same integers.
#ifndef LVLM_TESTING_CAUSAL_GENERATE_H
#define LVLM_TESTING_CAUSAL_GENERATE_H

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

namespace lvlm_test
{

/// Knuth's MMIX generator; 31 upper bits.
class Lcg
{
public:
  explicit Lcg(std::uint64_t seed) : State(seed) {}
  std::int64_t next(std::int64_t bound)
  {
    this->State = this->State * 6364136223846793005ULL + 1442695040888963407ULL;
    return static_cast<std::int64_t>(this->State >> 33) % bound;
  }

private:
  std::uint64_t State;
};

using Row = std::vector<std::int64_t>;

inline Row rescaled(Row row)
{
  const std::int64_t total = std::accumulate(row.begin(), row.end(), std::int64_t{ 0 });
  for (std::int64_t& w : row)
  {
    w = w * 1000000 / total;
  }
  return row;
}

inline void addScaled(Row& row, std::int64_t factor, const Row& other)
{
  for (std::size_t j = 0; j < row.size(); ++j)
  {
    row[j] += factor * other[j];
  }
}

/// Rows divided by their sums as float32, [n, n]; empty rows stay 0.
inline std::vector<float> normalized(const std::vector<Row>& rows)
{
  std::vector<float> values;
  for (const Row& row : rows)
  {
    const auto total =
      static_cast<double>(std::accumulate(row.begin(), row.end(), std::int64_t{ 0 }));
    for (const std::int64_t w : row)
    {
      values.push_back(total > 0.0 ? static_cast<float>(static_cast<double>(w) / total) : 0.0F);
    }
  }
  return values;
}

/// One row of `attention`; `rows` are the earlier ones.
inline Row attentionRow(const std::string& kind, std::int64_t n, std::int64_t i,
  std::int64_t sparsity, Lcg& lcg, const std::vector<Row>& hidden, const std::vector<Row>& rows)
{
  Row row(static_cast<std::size_t>(n), 0);
  for (std::int64_t j = 0; j <= i; ++j)
  {
    if (lcg.next(1000) >= sparsity)
    {
      row[static_cast<std::size_t>(j)] = 1 + lcg.next(1000);
    }
  }
  row[static_cast<std::size_t>(i)] += 1 + lcg.next(100);
  if (kind == "sink")
  {
    row[0] += 500 * (i + 1);
  }
  else if (kind == "local")
  {
    for (std::int64_t j = std::max<std::int64_t>(0, i - 3); j <= i; ++j)
    {
      row[static_cast<std::size_t>(j)] *= 10;
    }
  }
  else if (kind == "chain" || kind == "latent")
  {
    row = rescaled(row);
    if (kind == "latent")
    {
      const Row& mix = hidden[static_cast<std::size_t>(lcg.next(4))];
      const std::int64_t share = 1 + lcg.next(3);
      for (std::int64_t j = 0; j <= i; ++j)
      {
        row[static_cast<std::size_t>(j)] += share * 500 * mix[static_cast<std::size_t>(j)];
      }
    }
    for (int parent = kind == "chain" ? 2 : 1; parent > 0; --parent)
    {
      if (i > 0 && lcg.next(1000) < 700)
      {
        const Row& source = rows[static_cast<std::size_t>(lcg.next(i))];
        addScaled(row, 1 + lcg.next(3), source);
      }
    }
    row = rescaled(row);
  }
  else if (kind == "constant" || kind == "identity" || kind == "first")
  {
    for (std::int64_t j = 0; j < n; ++j)
    {
      row[static_cast<std::size_t>(j)] = kind == "constant" ? j <= i
        : kind == "identity"                                ? j == i
                                                            : j == 0;
    }
  }
  else if (kind == "duplicate" && i % 3 == 2)
  {
    row = rows.back();
  }
  else if (kind == "rank2" && i > 1)
  {
    const std::int64_t a = 1 + lcg.next(50);
    const std::int64_t b = 1 + lcg.next(50);
    std::fill(row.begin(), row.end(), 0);
    addScaled(row, a, rows[0]);
    addScaled(row, b, rows[1]);
  }
  else if (kind == "zero" && i % 4 == 3)
  {
    std::fill(row.begin(), row.end(), 0);
  }
  return row;
}

/// float32 [n, n]; the kinds are told in causal_goldens.py.
inline std::vector<float> attention(
  const std::string& kind, std::int64_t n, std::uint64_t seed, std::int64_t sparsity)
{
  Lcg lcg(seed);
  std::vector<Row> hidden(4, Row(static_cast<std::size_t>(n), 0));
  for (Row& row : hidden)
  {
    for (std::int64_t& w : row)
    {
      // Python evaluates the condition first, then the value.
      w = lcg.next(1000) >= 500 ? lcg.next(1000) : 0;
    }
  }
  std::vector<Row> rows;
  for (std::int64_t i = 0; i < n; ++i)
  {
    rows.push_back(attentionRow(kind, n, i, sparsity, lcg, hidden, rows));
  }
  return normalized(rows);
}

/// float32 [n, n] like a decoder's, with an image span.
inline std::vector<float> imageAttention(
  std::int64_t n, std::int64_t imageStart, std::int64_t imageCount, std::uint64_t seed)
{
  Lcg lcg(seed);
  std::vector<std::int64_t> salient;
  for (int i = 0; i < 12; ++i)
  {
    salient.push_back(imageStart + lcg.next(imageCount));
  }
  std::vector<Row> rows;
  for (std::int64_t i = 0; i < n; ++i)
  {
    Row row(static_cast<std::size_t>(n), 0);
    for (std::int64_t j = 0; j <= i; ++j)
    {
      row[static_cast<std::size_t>(j)] = 1 + lcg.next(20);
    }
    row[0] += 40 * (i + 1);
    row[static_cast<std::size_t>(i)] += 10 * (i + 1);
    for (int k = 0; k < 6; ++k)
    {
      const std::int64_t base = salient[static_cast<std::size_t>(lcg.next(12))];
      const std::int64_t patch = base + lcg.next(4);
      if (patch <= i)
      {
        row[static_cast<std::size_t>(patch)] += (1 + lcg.next(20)) * 40;
      }
    }
    row = rescaled(row);
    for (int k = 0; k < 2 && i > 0; ++k)
    {
      const std::int64_t back = i - 1 - lcg.next(40);
      const Row& source = rows[static_cast<std::size_t>(std::max<std::int64_t>(0, back))];
      addScaled(row, lcg.next(3), source);
    }
    rows.push_back(rescaled(row));
  }
  return normalized(rows);
}

} // namespace lvlm_test

#endif
