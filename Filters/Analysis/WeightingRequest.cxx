// SPDX-License-Identifier: Apache-2.0
#include "WeightingRequest.h"

#include "Models/Ranks/Team.h"
#include "Models/Trace/Regions.h"

#include <algorithm>
#include <iterator>

namespace lvlm
{

namespace
{
constexpr std::int64_t KnownBytes = 64 << 20;

OpenWeightingModel& registered()
{
  static OpenWeightingModel open = nullptr; // in a function: registered before main() starts
  return open;
}

/// Of a token's gradients over all ranks.
std::int64_t gradientBytes(const Trace& trace)
{
  return trace.layerTotal * trace.tensor(tensor_name::AttentionAnswer).extent(1) *
    ImageMap(trace).count() * static_cast<std::int64_t>(sizeof(float));
}
}

WeightingModel WeightingCache::open(
  const WeightingRequest& request, const std::shared_ptr<const Trace>& trace, ranks::Team& team)
{
  if (!registered())
  {
    fail("this build of the plugin has no inference (LVLM_ENABLE_INFERENCE=OFF), so it cannot "
         "weight attention: set Weighting to None");
  }
  WeightingModel opened = registered()(*trace, request, team);
  if (!team.allAgree([&] { return this->Of.lock() == trace && this->Model == opened.model; }))
  {
    this->Known.clear();
    this->Other = nullptr;
  }
  this->Of = trace;
  this->Model = opened.model;
  return opened;
}

TokenGradients WeightingCache::gradients(const WeightingRequest& request,
  const std::shared_ptr<const Trace>& trace, ranks::Team& team, const Progress& progress)
{
  const WeightingModel opened = this->open(request, trace, team);
  Indices missing;
  std::copy_if(request.tokens.begin(), request.tokens.end(), std::back_inserter(missing),
    [this](std::int64_t token) { return this->Known.count(token) == 0; });
  if (!missing.empty())
  {
    this->Known.merge(opened.gradients(missing, progress));
  }
  TokenGradients wanted;
  for (const std::int64_t token : request.tokens)
  {
    wanted[token] = this->Known.at(token);
  }
  if (static_cast<std::int64_t>(this->Known.size()) * gradientBytes(*trace) > KnownBytes)
  {
    this->Known = wanted; // shared, not copied
  }
  return wanted;
}

const Trace& WeightingCache::other(const WeightingRequest& request,
  const std::shared_ptr<const Trace>& trace, ranks::Team& team, const Progress& progress)
{
  const WeightingModel opened = this->open(request, trace, team);
  if (!team.allAgree([&] { return this->Other && this->Asked == request.question; }))
  {
    this->Other = nullptr;
    this->Other = std::make_unique<const Trace>(opened.ask(request.question, progress));
    this->Asked = request.question;
  }
  return *this->Other;
}

void registerWeightingModel(OpenWeightingModel open)
{
  registered() = open;
}

} // namespace lvlm
