// SPDX-License-Identifier: Apache-2.0
#include "RelevancyRequest.h"

#include "Models/Ranks/Team.h"
#include "Models/Trace/Rollout.h"
#include "Models/Trace/Trace.h"

#include "vtkDataObject.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace lvlm
{

namespace
{
namespace tn = tensor_name;

OpenRelevancyModel& registered()
{
  static OpenRelevancyModel open = nullptr; // in a function: registered before main() starts
  return open;
}

/// Whether the trace carries relevancy, of the wanted kind as far as it says which kind it is.
bool carriesRelevancy(const Trace& trace, const RelevancyRequest& request)
{
  const auto fits = [&trace](const char* key, const char* wanted)
  {
    const auto found = trace.extra.find(key);
    return found == trace.extra.end() || found->second == wanted;
  };
  return std::any_of(std::begin(RelevancyNames), std::end(RelevancyNames),
           [&trace](const char* name) { return trace.has(name); }) &&
    fits("relevancy.mode", request.compatible ? "compatible" : "exact") &&
    fits("relevancy.normalized", request.normalize ? "1" : "0");
}

/// Already normalized or not, so nothing is left to divide by.
AnswerMaps recordedMaps(const Trace& trace, const Indices& tokens)
{
  AnswerMaps maps;
  for (const char* name : RelevancyNames)
  {
    for (const std::int64_t token : trace.has(name) ? tokens : Indices())
    {
      const Tensor& all = trace.tensor(name); // [T, width]
      std::vector<float> row(static_cast<std::size_t>(all.extent(1)));
      all.toFloat(token * all.extent(1), all.extent(1), row.data());
      maps[token][name].row.assign(row.begin(), row.end());
    }
  }
  return maps;
}

/// Attention rollout whose rows go from rank to rank, each taking them through its own layers.
AnswerMaps rolloutMaps(const Trace& trace, const Indices& tokens, Reduction reduction,
  ranks::Team& team, const Progress& progress)
{
  Rollout rollout(trace, tokens, reduction);
  const auto holders = team.gather(trace.fullLayers()); // [ranks, layers there]
  const Progress own = team.progress(progress);
  int owner = -1;
  for (std::int64_t layer = rollout.layers(); layer-- > 0;)
  {
    const auto has = [layer](const Indices& held)
    { return std::find(held.begin(), held.end(), layer) != held.end(); };
    const auto found = std::find_if(holders.begin(), holders.end(), has);
    if (found == holders.end())
    {
      fail("the complete attention of layer ", layer, " is on none of the ranks");
    }
    const int before = std::exchange(owner, static_cast<int>(found - holders.begin()));
    if (before >= 0 && before != owner)
    {
      team.broadcast(rollout.rows, before);
    }
    if (owner == team.rank())
    {
      report(own, 1 - static_cast<double>(layer + 1) / static_cast<double>(rollout.layers()),
        "Rollout, layer " + std::to_string(layer));
      rollout.descend(layer);
    }
  }
  team.broadcast(rollout.rows, owner); // [n, K]
  AnswerMaps maps;
  auto row = rollout.rows.begin();
  for (const std::int64_t token : tokens)
  {
    maps[token][tn::RelevancyDecoder].row.assign(row, row + trace.keys());
    row += trace.keys();
  }
  return maps;
}

template <typename Number>
void append(std::string& bytes, Number number)
{
  bytes.append(reinterpret_cast<const char*>(&number), sizeof number);
}

/// Everything that the model's maps depend on beside it.
std::string inputsOf(const Trace& trace, const RelevancyRequest& request)
{
  std::string bytes = request.compatible ? "compatible" : "exact";
  bytes += request.compatible ? trace.told("temperature") : std::string();
  bytes += request.roundedGradients ? "rounded" : "";
  append(bytes, trace.promptLength);
  append(bytes, trace.imageStart);
  for (const char* name : { tn::Image, tn::TokenId, tn::AnswerLogprob })
  {
    if (trace.has(name))
    {
      const Tensor& tensor = trace.tensor(name);
      append(bytes, tensor.dtype);
      bytes += shapeText(tensor.shape);
      bytes.append(reinterpret_cast<const char*>(tensor.data), tensor.bytes());
    }
  }
  return bytes;
}

/// And what a token activation map depends on beside that: which words are the question's, and
/// hidden states that the trace may carry.
std::string activationInputs(
  const Trace& trace, const RelevancyRequest& request, vtkDataObject* data)
{
  std::string bytes = "activation " + inputsOf(trace, request);
  for (const Role role : trace.roles)
  {
    append(bytes, role);
  }
  append(bytes, trace.has(tn::HiddenStates) ? data->GetMTime() : 0);
  return bytes;
}

RelevancyModel openModel(const Trace& trace, const RelevancyRequest& request, ranks::Team& team)
{
  if (!registered())
  {
    fail("this build of the plugin has no inference (LVLM_ENABLE_INFERENCE=OFF), so it cannot "
         "compute this: choose a rollout method, or a trace that carries relevancy.*");
  }
  return registered()(trace, request, team);
}

/// The caches of all ranks stay alike: what one of them does not know, none does.
void agree(RelevancyCache& cache, const RelevancyCache::Key& key, ranks::Team& team)
{
  const std::vector<std::int64_t> own{ cache.has(key) ? 1 : 0 };
  for (const std::vector<std::int64_t>& other : team.gather(own))
  {
    if (other != own)
    {
      cache.clear();
    }
  }
}
}

AnswerMaps relevancyMaps(const RelevancyRequest& request, const Trace& trace, vtkDataObject* data,
  RelevancyCache& cache, ranks::Team& team, const Progress& progress)
{
  if (request.tokens.empty())
  {
    fail("the answer has no tokens");
  }
  if (request.method == RelevancyRequest::Method::Gradient && carriesRelevancy(trace, request))
  {
    return recordedMaps(trace, request.tokens);
  }
  RelevancyCache::Key key;
  RelevancyCache::Compute compute;
  const bool activation = request.method == RelevancyRequest::Method::TokenActivation;
  if (request.method == RelevancyRequest::Method::Gradient || activation)
  {
    const RelevancyModel model = openModel(trace, request, team);
    key = { model.model,
      activation ? activationInputs(trace, request, data) : inputsOf(trace, request) };
    compute = [=](const Indices& missing) { return model.compute(missing, progress); };
  }
  else
  {
    const bool mean = request.method == RelevancyRequest::Method::RolloutMean;
    key.inputs = mean ? "mean" : "maximum";
    // No two states of data objects have the same time in a process.
    append(key.inputs, data->GetMTime());
    compute = [&, mean](const Indices& missing)
    {
      return rolloutMaps(
        trace, missing, mean ? Reduction::Mean : Reduction::Maximum, team, progress);
    };
  }
  agree(cache, key, team);
  return cache.get(key, request.tokens, compute);
}

void registerRelevancyModel(OpenRelevancyModel open)
{
  registered() = open;
}

} // namespace lvlm
