// SPDX-License-Identifier: Apache-2.0
#include "AttentionCuts.h"

#include "Models/Trace/Error.h"

#include <algorithm>

namespace lvlm::llava
{

namespace
{
bool isIn(const AttentionCut& cut, std::int64_t layer)
{
  return std::find(cut.layers.begin(), cut.layers.end(), layer) != cut.layers.end();
}

/// Throws Error when a position would have nothing left to attend to in a layer.
void checkSight(
  const std::vector<AttentionCut>& cuts, std::int64_t layer, std::int64_t S, std::int64_t window)
{
  std::vector<std::vector<bool>> hidden(static_cast<std::size_t>(S));
  for (const AttentionCut& cut : cuts)
  {
    if (!isIn(cut, layer))
    {
      continue;
    }
    for (const std::int64_t query : cut.queries)
    {
      auto& row = hidden[static_cast<std::size_t>(query)];
      row.resize(static_cast<std::size_t>(S));
      for (const std::int64_t key : cut.keys)
      {
        row[static_cast<std::size_t>(key)] = true;
      }
    }
  }
  for (std::int64_t query = 0; query < S; ++query)
  {
    const auto& row = hidden[static_cast<std::size_t>(query)];
    const std::int64_t from = window > 0 ? std::max<std::int64_t>(0, query - window + 1) : 0;
    if (!row.empty() &&
      std::find(row.begin() + from, row.begin() + query + 1, false) == row.begin() + query + 1)
    {
      fail("position ", query, " would see nothing in layer ", layer,
        ": attention to all that it may see is cut");
    }
  }
}

/// True at the listed indices from `first` on: bool [n].
at::Tensor flags(const Indices& indices, std::int64_t first, std::int64_t n, at::Device device)
{
  at::Tensor all = at::zeros({ n }, at::kBool);
  bool* flag = all.data_ptr<bool>();
  for (const std::int64_t index : indices)
  {
    if (index >= first && index < first + n)
    {
      flag[index - first] = true;
    }
  }
  return all.to(device);
}
}

void checkRange(const Indices& indices, std::int64_t count, const char* what)
{
  for (const std::int64_t index : indices)
  {
    if (index < 0 || index >= count)
    {
      fail(what, " ", index, " is out of range: there are 0 to ", count - 1);
    }
  }
}

void checkCuts(
  const std::vector<AttentionCut>& cuts, const checkpoint::TextConfig& text, std::int64_t S)
{
  Indices layers;
  for (const AttentionCut& cut : cuts)
  {
    checkRange(cut.queries, S, "position");
    checkRange(cut.keys, S, "position");
    checkRange(cut.layers, text.layers, "layer");
    layers.insert(layers.end(), cut.layers.begin(), cut.layers.end());
  }
  std::sort(layers.begin(), layers.end());
  layers.erase(std::unique(layers.begin(), layers.end()), layers.end());
  for (const std::int64_t layer : layers)
  {
    checkSight(cuts, layer, S, text.slidingWindow);
  }
}

at::Tensor blockedBy(const std::vector<AttentionCut>& cuts, std::int64_t layer, std::int64_t first,
  std::int64_t n, std::int64_t keys, at::Device device)
{
  at::Tensor all;
  for (const AttentionCut& cut : cuts)
  {
    if (!isIn(cut, layer))
    {
      continue;
    }
    const at::Tensor pairs = flags(cut.queries, first, n, device).unsqueeze(1) &
      flags(cut.keys, 0, keys, device).unsqueeze(0); // [n, keys]
    all = all.defined() ? all | pairs : pairs;
  }
  return all;
}

} // namespace lvlm::llava
