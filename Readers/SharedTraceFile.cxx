// SPDX-License-Identifier: Apache-2.0
#include "SharedTraceFile.h"

#include "Models/Ranks/Team.h"
#include "Models/Trace/MappedFile.h"
#include "Models/Trace/TraceFile.h"

#include <algorithm>
#include <numeric>

namespace lvlm
{

namespace
{
namespace tn = tensor_name;

constexpr std::size_t ChunkBytes = std::size_t(16) << 20;

/// One tensor whose slabs, one a layer, are on several ranks.
class SpreadTensor
{
public:
  /// `ownLayers`: of the own tensor's slabs; `allLayers`: in the order of the file.
  SpreadTensor(const Tensor& own, const std::vector<std::int64_t>& ownLayers,
    const std::vector<std::int64_t>& allLayers, ranks::Team& team)
    : Own(own), Ranks(team), Whole(own)
  {
    const auto held = team.gather(ownLayers);
    const auto types = team.gather(std::vector<std::int64_t>{ static_cast<int>(own.dtype) });
    for (const std::int64_t layer : allLayers)
    {
      std::size_t rank = 0;
      auto slab = held[0].end();
      while ((slab = std::find(held[rank].begin(), held[rank].end(), layer)) == held[rank].end())
      {
        if (++rank == held.size())
        {
          fail("layer ", layer, " of the trace is on none of ", rank, " ranks");
        }
      }
      this->Places.emplace_back(static_cast<int>(rank), slab - held[rank].begin());
      this->Whole.dtype = static_cast<DType>(types[rank][0]); // one without slabs may not know it
    }
    this->Whole.data = nullptr;
    this->Whole.shape[0] = static_cast<std::int64_t>(allLayers.size());
  }

  const Tensor& whole() const { return this->Whole; }

  /// Slab by slab to `put` on rank 0.
  void bring(const PutBytes& put) const
  {
    const std::size_t bytes = this->Whole.bytes() / std::max<std::size_t>(this->Places.size(), 1);
    for (const auto& [owner, slab] : this->Places)
    {
      for (std::size_t at = 0; at < bytes; at += ChunkBytes)
      {
        ranks::Message chunk;
        if (this->Ranks.rank() == owner)
        {
          chunk.tensors.push_back(this->copied(
            static_cast<std::size_t>(slab) * bytes + at, std::min(ChunkBytes, bytes - at)));
        }
        chunk = this->Ranks.hand(std::move(chunk), owner, 0);
        for (const Tensor& arrived : chunk.tensors)
        {
          put(arrived.data, arrived.bytes());
        }
      }
    }
  }

private:
  /// Not a view: MPI lets another process read what is sent, which ends that one if the mapped file
  /// has been cut off.
  Tensor copied(std::size_t offset, std::size_t bytes) const
  {
    const auto* from = reinterpret_cast<const std::uint8_t*>(this->Own.data) + offset;
    const std::vector<std::uint8_t> values(from, from + bytes);
    requireIntact(this->Own);
    return Tensor::of(values, { static_cast<std::int64_t>(bytes) });
  }

  const Tensor& Own;
  ranks::Team& Ranks;
  Tensor Whole;
  std::vector<std::pair<int, std::int64_t>> Places; ///< ranks and slabs, in the order of the file
};

std::vector<std::int64_t> numbersFrom(std::int64_t first, std::int64_t count)
{
  std::vector<std::int64_t> numbers(static_cast<std::size_t>(count));
  std::iota(numbers.begin(), numbers.end(), first);
  return numbers;
}
}

void writeSharedTrace(const std::string& path, const Trace& own, ranks::Team& team)
{
  if (team.size() == 1)
  {
    writeTrace(path, own);
    return;
  }
  requireIntact(own.tensors); // which layers are where is read from it, too
  std::map<std::string, SpreadTensor> spread;
  if (own.has(tn::AttentionAnswer))
  {
    const Tensor& answer = own.tensor(tn::AttentionAnswer);
    spread.try_emplace(tn::AttentionAnswer, answer, numbersFrom(own.layerBegin, answer.extent(0)),
      numbersFrom(0, own.layerTotal), team);
  }
  if (own.has(tn::AttentionFull))
  {
    const Tensor& all = own.tensor(tn::AttentionFullLayers);
    const auto* layers = all.as<std::int64_t>();
    spread.try_emplace(tn::AttentionFull, own.tensor(tn::AttentionFull), own.fullLayers(),
      std::vector<std::int64_t>(layers, layers + all.count()), team);
  }
  if (own.has(tn::HiddenStates))
  {
    const Tensor& all = own.tensor(tn::HiddenLayers);
    const auto* layers = all.as<std::int64_t>();
    spread.try_emplace(tn::HiddenStates, own.tensor(tn::HiddenStates), own.hiddenLayers(),
      std::vector<std::int64_t>(layers, layers + all.count()), team);
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
  if (team.isFirst())
  {
    writeTrace(path, whole, bytes);
  }
  else
  {
    visitInFileOrder(whole.tensors, bytes);
  }
}

} // namespace lvlm
