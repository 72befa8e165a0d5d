// SPDX-License-Identifier: Apache-2.0
/// @file RelevancyCache.h
/// Relevancy maps of answer tokens before they are normalized, and the one place that keeps them.
#ifndef LVLM_TRACE_RELEVANCYCACHE_H
#define LVLM_TRACE_RELEVANCYCACHE_H

#include "Analysis.h"

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace lvlm
{

/// One map of one answer token.
struct RelevancyMap
{
  std::vector<double> row; ///< [K] or [rows*cols], without the identity
  double total = 1;        ///< what equations 8-9 divide the row by, where it is not 0
};

using TokenMaps = std::map<std::string, RelevancyMap>; ///< by the trace's names, `relevancy.*`
using AnswerMaps = std::map<std::int64_t, TokenMaps>;  ///< by answer token

/// Mean of one map over all tokens, each divided by its total if `normalize`: [K] or [rows*cols].
/// Throws Error for a number that is not finite, as a recorded one may be.
std::vector<float> meanMap(const AnswerMaps& maps, const std::string& name, bool normalize);

/// Maps that were computed, so that a token costs nothing the second time. Holds 64 MiB at most;
/// beyond that it forgets what was asked for longest ago.
class RelevancyCache
{
public:
  /// What decides the maps of a token.
  struct Key
  {
    std::shared_ptr<const void> model; ///< stays open for the next token; none for rollout
    std::string inputs;                ///< everything else
  };
  /// May give more than is missing.
  using Compute = std::function<AnswerMaps(const Indices& missing)>;

  static constexpr std::size_t Bytes = 64 << 20;

  bool has(const Key& key) const;
  /// The maps of some tokens; `compute` is asked for those that are not here.
  AnswerMaps get(const Key& key, const Indices& tokens, const Compute& compute);
  void clear() { this->Entries.clear(); }

private:
  struct Entry
  {
    Key key;
    AnswerMaps maps;
    std::size_t bytes() const;
  };

  AnswerMaps& use(const Key& key);
  void shrink();

  std::list<Entry> Entries; ///< last used first
};

} // namespace lvlm

#endif
