// SPDX-License-Identifier: Apache-2.0
#include "TraceOfRanks.h"

#include "RankExchange.h"

#include "Models/Trace/TraceFile.h"

#include <algorithm>
#include <numeric>

namespace lvlm
{

namespace
{
namespace tn = tensor_name;

constexpr std::size_t ChunkBytes = std::size_t(16) << 20;

/// One attention tensor whose slabs are on several ranks.
class SpreadTensor
{
public:
  /// `ownLayers`: of the own tensor's slabs; `allLayers`: in the order of the file.
  SpreadTensor(const Tensor& own, const std::vector<std::int64_t>& ownLayers,
    const std::vector<std::int64_t>& allLayers, RankExchange& exchange)
    : Own(own), Ranks(exchange), Whole(own), AllLayers(allLayers)
  {
    std::vector<std::int64_t> message{ static_cast<std::int64_t>(own.dtype) };
    message.insert(message.end(), ownLayers.begin(), ownLayers.end());
    this->Held = exchange.gather(message);
    for (auto rank = this->Held.rbegin(); rank != this->Held.rend(); ++rank)
    {
      // A rank without slabs does not know the type.
      this->Whole.dtype = rank->size() > 1 ? static_cast<DType>(rank->at(0)) : this->Whole.dtype;
      rank->erase(rank->begin());
    }
    this->Whole.data = nullptr;
    this->Whole.shape[0] = static_cast<std::int64_t>(allLayers.size());
  }

  const Tensor& whole() const { return this->Whole; }

  /// Slab by slab to `put` on rank 0.
  void bring(const PutBytes& put) const
  {
    for (const std::int64_t layer : this->AllLayers)
    {
      const auto has = [layer](const std::vector<std::int64_t>& layers)
      { return std::find(layers.begin(), layers.end(), layer) != layers.end(); };
      const auto owner = std::find_if(this->Held.begin(), this->Held.end(), has);
      if (owner == this->Held.end())
      {
        fail("layer ", layer, " of the trace is on none of ", this->Held.size(), " ranks");
      }
      const auto slab = std::find(owner->begin(), owner->end(), layer) - owner->begin();
      this->bringSlab(static_cast<int>(owner - this->Held.begin()), slab, put);
    }
  }

private:
  void bringSlab(int owner, std::int64_t slab, const PutBytes& put) const
  {
    const std::size_t bytes = this->Whole.bytes() / static_cast<std::size_t>(this->Whole.extent(0));
    const std::byte* data = this->Ranks.rank() == owner
      ? this->Own.data + static_cast<std::size_t>(slab) * bytes
      : nullptr;
    if (owner == 0) // the writer's own
    {
      put(data, this->Ranks.isFirst() ? bytes : 0);
      return;
    }
    std::vector<char> chunk;
    for (std::size_t at = 0; at < bytes; at += ChunkBytes)
    {
      chunk.clear();
      if (data)
      {
        const auto* first = reinterpret_cast<const char*>(data) + at;
        chunk.assign(first, first + std::min(ChunkBytes, bytes - at));
      }
      this->Ranks.sendToFirst(chunk, owner);
      put(chunk.data(), chunk.size());
    }
  }

  const Tensor& Own;
  RankExchange& Ranks;
  Tensor Whole;
  std::vector<std::int64_t> AllLayers;
  std::vector<std::vector<std::int64_t>> Held; ///< layers by rank
};

std::vector<std::int64_t> numbersFrom(std::int64_t first, std::int64_t count)
{
  std::vector<std::int64_t> numbers(static_cast<std::size_t>(count));
  std::iota(numbers.begin(), numbers.end(), first);
  return numbers;
}
}

void writeTraceOfRanks(const std::string& path, const Trace& own, RankExchange& ranks)
{
  if (ranks.ranks() == 1)
  {
    writeTrace(path, own);
    return;
  }
  std::map<std::string, SpreadTensor> spread;
  if (own.has(tn::AttentionAnswer))
  {
    const Tensor& answer = own.tensor(tn::AttentionAnswer);
    spread.try_emplace(tn::AttentionAnswer, answer, numbersFrom(own.layerBegin, answer.extent(0)),
      numbersFrom(0, own.layerTotal), ranks);
  }
  if (own.has(tn::AttentionFull))
  {
    const Tensor& all = own.tensor(tn::AttentionFullLayers);
    const auto* layers = all.as<std::int64_t>();
    spread.try_emplace(tn::AttentionFull, own.tensor(tn::AttentionFull), own.fullLayers(),
      std::vector<std::int64_t>(layers, layers + all.count()), ranks);
  }
  Trace whole = own;
  whole.layerBegin = 0;
  for (const auto& [name, tensor] : spread)
  {
    whole.tensors[name] = tensor.whole();
  }
  const TensorBytes bytes = [&spread](
                              const std::string& name, const Tensor& tensor, const PutBytes& put)
  {
    const auto found = spread.find(name);
    if (found != spread.end())
    {
      found->second.bring(put);
    }
    else
    {
      put(tensor.data, tensor.bytes());
    }
  };
  if (ranks.isFirst())
  {
    writeTrace(path, whole, bytes);
  }
  else
  {
    visitInFileOrder(whole.tensors, bytes);
  }
}

} // namespace lvlm
