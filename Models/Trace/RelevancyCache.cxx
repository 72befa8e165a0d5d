// SPDX-License-Identifier: Apache-2.0
#include "RelevancyCache.h"

#include "Error.h"

#include <algorithm>
#include <cmath>

namespace lvlm
{

std::vector<float> meanMap(const AnswerMaps& maps, const std::string& name, bool normalize)
{
  std::vector<double> sum;
  for (const auto& [token, byName] : maps)
  {
    const RelevancyMap& map = byName.at(name);
    const double divisor = normalize && map.total != 0 ? map.total : 1;
    sum.resize(map.row.size());
    for (std::size_t i = 0; i < sum.size(); ++i)
    {
      sum[i] += map.row[i] / divisor;
    }
  }
  std::vector<float> mean;
  for (const double value : sum)
  {
    if (!std::isfinite(value))
    {
      fail(name, " has a value that is not finite at element ", mean.size(), " of a chosen token");
    }
    mean.push_back(static_cast<float>(value / static_cast<double>(maps.size())));
  }
  return mean;
}

namespace
{
bool same(const RelevancyCache::Key& a, const RelevancyCache::Key& b)
{
  return a.model == b.model && a.inputs == b.inputs;
}
}

std::size_t RelevancyCache::Entry::bytes() const
{
  std::size_t bytes = this->key.inputs.size();
  for (const auto& token : this->maps)
  {
    for (const auto& map : token.second)
    {
      bytes += map.second.row.size() * sizeof(double);
    }
  }
  return bytes;
}

bool RelevancyCache::has(const Key& key) const
{
  return std::any_of(this->Entries.begin(), this->Entries.end(),
    [&key](const Entry& entry) { return same(entry.key, key); });
}

/// The key's entry, now the first.
AnswerMaps& RelevancyCache::use(const Key& key)
{
  const auto found = std::find_if(this->Entries.begin(), this->Entries.end(),
    [&key](const Entry& entry) { return same(entry.key, key); });
  if (found != this->Entries.end())
  {
    this->Entries.splice(this->Entries.begin(), this->Entries, found);
  }
  else
  {
    // Another model takes the last one's place: neither should stay open for nothing.
    this->Entries.remove_if([&key](const Entry& entry)
      { return key.model && entry.key.model && entry.key.model != key.model; });
    this->Entries.push_front({ key, {} });
  }
  return this->Entries.front().maps;
}

AnswerMaps RelevancyCache::get(const Key& key, const Indices& tokens, const Compute& compute)
{
  AnswerMaps& known = this->use(key);
  Indices missing;
  std::copy_if(tokens.begin(), tokens.end(), std::back_inserter(missing),
    [&known](std::int64_t token) { return known.count(token) == 0; });
  if (!missing.empty())
  {
    known.merge(compute(missing));
  }
  AnswerMaps maps;
  for (const std::int64_t token : tokens)
  {
    maps[token] = known.at(token);
  }
  this->shrink();
  return maps;
}

void RelevancyCache::shrink()
{
  std::size_t bytes = 0;
  auto keep = this->Entries.begin();
  while (keep != this->Entries.end() && (bytes += keep->bytes()) <= Bytes)
  {
    ++keep;
  }
  this->Entries.erase(keep, this->Entries.end());
}

} // namespace lvlm
