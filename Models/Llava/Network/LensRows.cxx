// SPDX-License-Identifier: Apache-2.0
#include "LensRows.h"

#include "Products.h"
#include "TorchTensors.h"

#include "Models/Text/PieceTexts.h"
#include "Models/Trace/MappedFile.h"

#include <algorithm>
#include <optional>

namespace lvlm::llava
{

namespace
{
namespace tn = tensor_name;

constexpr std::int64_t BlockBytes = 16 << 20; ///< of logits

/// Positions whose logits are in memory at a time. The same on any number of ranks: how a product
/// rounds depends on its rows.
std::int64_t blockRows(std::int64_t vocabulary)
{
  return std::clamp<std::int64_t>(
    BlockBytes / (vocabulary * static_cast<std::int64_t>(sizeof(float))), 16, 256);
}

class LensRows
{
public:
  LensRows(
    const LlavaModel::Impl& model, const Trace& trace, const LensWanted& wanted, ranks::Team& team)
    : Model(model), Recorded(trace), Team(team), Held(trace.hiddenLayers()), Words(wanted.words)
  {
    this->Result.layers = wanted.layers;
    this->Result.words = wanted.words;
    this->Result.positions = trace.keys();
    this->Result.best = std::min(wanted.best, model.config.text.vocabulary);
    this->check();
    const auto workers = std::min<std::int64_t>(team.size(), model.decoder.layers());
    this->Head = static_cast<int>(workers - 1);
    if (team.rank() == this->Head)
    {
      const auto rows = wanted.layers.size() * static_cast<std::size_t>(this->Result.positions);
      this->Result.ids.resize(rows * static_cast<std::size_t>(this->Result.best));
      this->Result.logprobs.resize(this->Result.ids.size());
      this->Result.wordLogprobs.resize(rows * wanted.words.size());
      this->Result.totals.resize(rows);
    }
  }

  Lens run(const Progress& progress)
  {
    const auto holders = this->Team.gather(this->Held);
    const Progress own = this->Team.progress(progress);
    const std::int64_t K = this->Result.positions;
    const std::int64_t rows = blockRows(this->Model.config.text.vocabulary);
    const auto layers = static_cast<double>(this->Result.layers.size());
    for (std::size_t i = 0; i < this->Result.layers.size(); ++i)
    {
      const std::int64_t layer = this->Result.layers[i];
      const int owner = ownerOf(holders, layer);
      for (std::int64_t first = 0; first < K; first += rows)
      {
        const double done = static_cast<double>(i) + static_cast<double>(first) / K;
        report(own, done / layers, "Logit lens, layer " + std::to_string(layer));
        const std::int64_t n = std::min(rows, K - first);
        const ranks::Message states =
          this->Team.hand(this->sent(owner, layer, first, n), owner, this->Head);
        if (this->Team.rank() == this->Head)
        {
          translated([&] { this->take(i, first, states.tensors.at(0)); });
        }
      }
    }
    this->spread();
    return std::move(this->Result);
  }

private:
  void check() const
  {
    const checkpoint::TextConfig& text = this->Model.config.text;
    const std::int64_t width = this->Recorded.tensor(tn::HiddenStates).extent(2);
    if (width != text.hidden)
    {
      fail("the trace's hidden states have ", width, " numbers each, those of ",
        this->Model.directory, " have ", text.hidden);
    }
    for (const std::int64_t word : this->Words)
    {
      if (word < 0 || word >= text.vocabulary)
      {
        fail("token id ", word, " is outside the vocabulary of ", text.vocabulary, " of ",
          this->Model.directory);
      }
    }
  }

  static int ownerOf(const std::vector<Indices>& holders, std::int64_t layer)
  {
    const auto has = [layer](const Indices& held)
    { return std::find(held.begin(), held.end(), layer) != held.end(); };
    const auto found = std::find_if(holders.begin(), holders.end(), has);
    if (found == holders.end())
    {
      fail("the hidden states of layer ", layer, " are on none of the ranks");
    }
    return static_cast<int>(found - holders.begin());
  }

  /// Rows [first, first + n) of a layer, on the rank that has them. A copy where they travel: what
  /// lies on a mapped file must not be sent.
  ranks::Message sent(int owner, std::int64_t layer, std::int64_t first, std::int64_t n) const
  {
    if (this->Team.rank() != owner)
    {
      return {};
    }
    const Tensor& states = this->Recorded.tensor(tn::HiddenStates); // [Lh, K, D]
    const auto slab = std::find(this->Held.begin(), this->Held.end(), layer) - this->Held.begin();
    const std::int64_t D = states.extent(2);
    Tensor rows = states;
    rows.shape = { n, D };
    rows.data +=
      static_cast<std::size_t>((slab * states.extent(1) + first) * D) * sizeOf(states.dtype);
    if (owner != this->Head)
    {
      rows = fromTorch(inTorch(rows).clone());
      requireIntact(states);
    }
    return { {}, { rows } };
  }

  /// The words of states [n, D], positions from `first` on, of the layer that stands at `place`.
  void take(std::size_t place, std::int64_t first, const Tensor& states)
  {
    const at::Tensor hidden =
      inTorch(states).to(this->Model.weights.device(), this->Model.weights.type()); // [n, D]
    const at::Tensor logits = this->Model.decoder.logits(hidden, this->Buffers);    // [n, V]
    const at::Tensor total = at::logsumexp(logits, 1, true);                        // [n, 1]
    this->Model.checkpoint->requireIntact();
    if (!at::isfinite(total).all().item<bool>())
    {
      fail("the logit lens of layer ", this->Result.layers[place], " is not finite at positions ",
        first, " to ", first + hidden.size(0) - 1, ": hidden states or weights are damaged");
    }
    const auto [best, index] = logits.topk(this->Result.best, 1); // [n, k]
    const std::size_t k = static_cast<std::size_t>(this->Result.best);
    const std::size_t K = static_cast<std::size_t>(this->Result.positions);
    const std::size_t at = (place * K + static_cast<std::size_t>(first)) * k;
    copyTo(index.to(at::kCPU), this->Result.ids.data() + at);
    copyTo((best - total).to(at::kCPU, at::kFloat), this->Result.logprobs.data() + at);
    copyTo(total.to(at::kCPU, at::kFloat),
      this->Result.totals.data() + place * K + static_cast<std::size_t>(first));
    for (std::size_t w = 0; w < this->Words.size(); ++w)
    {
      const at::Tensor column = logits.select(1, this->Words[w]) - total.squeeze(1); // [n]
      copyTo(column.to(at::kCPU, at::kFloat),
        this->Result.wordLogprobs.data() + (w * this->Result.layers.size() + place) * K +
          static_cast<std::size_t>(first));
    }
  }

  template <typename T>
  static void copyTo(const at::Tensor& values, T* to)
  {
    const at::Tensor all = values.contiguous();
    std::copy_n(all.data_ptr<T>(), all.numel(), to);
  }

  void spread()
  {
    this->Team.broadcast(this->Result.ids, this->Head);
    this->Team.broadcast(this->Result.logprobs, this->Head);
    this->Team.broadcast(this->Result.wordLogprobs, this->Head);
    this->Team.broadcast(this->Result.totals, this->Head);
  }

  const LlavaModel::Impl& Model;
  const Trace& Recorded;
  ranks::Team& Team;
  Indices Held; ///< layers whose states are here, slab by slab
  Indices Words;
  int Head = 0; ///< the rank with the output projection
  Workspace Buffers;
  Lens Result; ///< filled on that rank
};
}

Lens lensOfStates(const LlavaModel::Impl& model, const Trace& trace, const LensWanted& wanted,
  ranks::Team& team, const Progress& progress)
{
  std::optional<LensRows> rows;
  team.together([&] { rows.emplace(model, trace, wanted, team); });
  Lens lens;
  team.together([&] { lens = rows->run(progress); });
  return lens;
}

std::map<std::int64_t, std::string> lensTexts(
  const LlavaModel::Impl& model, const Lens& lens, std::int64_t before)
{
  std::map<std::int64_t, std::string> texts;
  for (const std::int64_t id : lens.ids)
  {
    const auto [entry, isNew] = texts.try_emplace(id);
    if (isNew)
    {
      entry->second = text::textAfter(model.tokenizer, before, id);
    }
  }
  return texts;
}

std::int64_t lensBytes(const checkpoint::TextConfig& text, std::int64_t element)
{
  const std::int64_t rows = blockRows(text.vocabulary);
  // Logits, and what their sum is made of.
  return rows * text.vocabulary * 3 * std::max<std::int64_t>(element, sizeof(float)) +
    productScratch(rows, text.hidden, element);
}

} // namespace lvlm::llava
