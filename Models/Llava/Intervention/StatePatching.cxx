// SPDX-License-Identifier: Apache-2.0
// Activation patching: which replaced states there are, which variants go together, what they
// score.
#include "Models/Llava/Intervention.h"

#include "AnswerPass.h"
#include "BranchedDecoder.h"

#include "Models/Llava/Network/AttentionCuts.h"
#include "Models/Llava/Runtime.h"
#include "Models/Trace/Regions.h"

#include <algorithm>
#include <map>
#include <numeric>

namespace lvlm::llava
{

namespace
{
namespace tn = tensor_name;
const std::vector<AttentionCut> NoCuts;

/// Prompt and picture of the corrupted trace, the answer of the clean one.
Trace corruptedSequence(const Trace& clean, const Trace& corrupted)
{
  const auto P = static_cast<std::ptrdiff_t>(clean.promptLength);
  if (corrupted.promptLength != clean.promptLength || corrupted.imageStart != clean.imageStart)
  {
    fail("the clean trace has a prompt of ", clean.promptLength,
      " positions whose picture begins at ", clean.imageStart, ", the corrupted one ",
      corrupted.promptLength, " and ", corrupted.imageStart,
      ": states go from a position to the same position");
  }
  if (corrupted.model != clean.model)
  {
    fail("the clean trace is of model '", clean.model, "', the corrupted one of model '",
      corrupted.model, "': states go from a model to itself");
  }
  Trace joined = corrupted;
  joined.tensors.clear();
  const std::int64_t pictures = pictureCount(corrupted);
  for (std::int64_t image = 0; image < pictures; ++image)
  {
    for (const std::string& name : { pictureName(image), tilesName(image) })
    {
      if (corrupted.has(name))
      {
        joined.tensors[name] = corrupted.tensor(name);
      }
    }
  }
  joined.tokens.resize(static_cast<std::size_t>(P));
  joined.tokens.insert(joined.tokens.end(), clean.tokens.begin() + P, clean.tokens.end());
  joined.roles.resize(static_cast<std::size_t>(P));
  joined.roles.insert(joined.roles.end(), clean.roles.begin() + P, clean.roles.end());
  joined.texts.clear();
  const auto* own = corrupted.tensor(tn::TokenId).as<std::int64_t>();
  const auto* others = clean.tensor(tn::TokenId).as<std::int64_t>();
  std::vector<std::int64_t> ids(own, own + P);
  ids.insert(ids.end(), others + P, others + clean.positions());
  joined.tensors[tn::TokenId] = Tensor::of(ids, { static_cast<std::int64_t>(ids.size()) });
  return joined;
}

/// States after a layer: of the corrupted run, and what takes their place at some positions.
struct LayerStates
{
  at::Tensor own;   ///< [S, D]
  at::Tensor given; ///< [positions, D]
  Indices positions;
};

class Patching
{
public:
  Patching(const LlavaModel::Impl& model, const TracedSequence& clean,
    const TracedSequence& corrupted, StatePart part, const std::vector<Transplant>& variants,
    ranks::Team& team);
  PatchScores run(const Trace& corrupted, const Progress& progress);

private:
  std::int64_t positions() const { return this->Clean.keys(); }
  bool isLast(std::int64_t layer) const { return layer + 1 == this->Model.decoder.layers(); }
  const Transplant& variant(std::size_t i) const { return this->Variants[this->Order[i]]; }
  Indices wantedIn(std::int64_t layer) const;
  std::vector<Group> groups() const;
  void keep(std::int64_t layer, const BranchedDecoder::Pair& pair);
  std::vector<double> both(const Progress& progress);
  at::Tensor rowsOf(const Group& group);
  std::vector<double> branches(const Group& group, const Progress& progress);
  void checkCorrupted(const Trace& corrupted, const std::vector<double>& scores) const;

  const LlavaModel::Impl& Model;
  const TracedSequence& Clean;
  const TracedSequence& Corrupted;
  StatePart Part;
  const std::vector<Transplant>& Variants;
  std::vector<std::size_t> Order; ///< of the variants, by layer
  ranks::Team& Team;
  AnswerPass Pass;
  BranchedDecoder Decoding;
  std::map<std::int64_t, LayerStates> States; ///< of this rank's layers
};

Patching::Patching(const LlavaModel::Impl& model, const TracedSequence& clean,
  const TracedSequence& corrupted, StatePart part, const std::vector<Transplant>& variants,
  ranks::Team& team)
  : Model(model), Clean(clean), Corrupted(corrupted), Part(part), Variants(variants),
    Order(variants.size()), Team(team), Pass(model, clean, team),
    Decoding(model, clean.keys(), clean.answerLength(), this->Pass.buffers())
{
  std::iota(this->Order.begin(), this->Order.end(), std::size_t(0));
  std::stable_sort(this->Order.begin(), this->Order.end(),
    [&](std::size_t a, std::size_t b) { return variants[a].layer < variants[b].layer; });
}

Indices Patching::wantedIn(std::int64_t layer) const
{
  Indices all;
  for (const Transplant& variant : this->Variants)
  {
    if (variant.layer == layer)
    {
      all.insert(all.end(), variant.positions.begin(), variant.positions.end());
    }
  }
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

std::vector<Group> Patching::groups() const
{
  std::vector<Group> groups;
  std::int64_t rows = 0;
  for (std::size_t i = 0; i < this->Order.size(); ++i)
  {
    const Transplant& variant = this->variant(i);
    Branch branch{ this->Clean.position(0), &NoCuts };
    if (!this->isLast(variant.layer)) // after which nothing but the answer's rows counts
    {
      branch.first = std::min(
        branch.first, *std::min_element(variant.positions.begin(), variant.positions.end()));
    }
    const std::int64_t more = this->Decoding.rows({ branch });
    if (groups.empty() || rows + more > GroupRows ||
      this->variant(groups.back().begin).layer != variant.layer)
    {
      groups.push_back({ i, i, {} });
      rows = 0;
    }
    rows += more;
    groups.back().end = i + 1;
    groups.back().branches.push_back(branch);
  }
  return groups;
}

/// States that variants replace, and by what.
void Patching::keep(std::int64_t layer, const BranchedDecoder::Pair& pair)
{
  const Indices positions = this->wantedIn(layer);
  if (positions.empty())
  {
    return;
  }
  const at::Tensor at = at::tensor(positions, at::kLong).to(pair.after.device());
  const at::Tensor other = at + this->positions(); // of the clean run, whose rows come second
  const auto own = [&](const at::Tensor& x) { return x.index_select(0, at); };
  const auto clean = [&](const at::Tensor& x) { return x.index_select(0, other); };
  LayerStates& states = this->States[layer];
  states.positions = positions;
  states.own = pair.after.narrow(0, 0, this->positions()).clone();
  switch (this->Part)
  {
    case StatePart::Hidden:
      states.given = clean(pair.after);
      break;
    case StatePart::FeedForward:
      states.given = clean(pair.fed) + own(pair.middle);
      break;
    case StatePart::Attention:
    {
      const at::Tensor middle = clean(pair.attended) + own(pair.before);
      states.given =
        this->Model.decoder.layer(layer).fed(middle, this->Pass.buffers()).add_(middle);
    }
  }
}

/// Scores of the corrupted run, then those of the clean one.
std::vector<double> Patching::both(const Progress& progress)
{
  return this->Pass.run(
    0, 2 * this->positions(),
    [&](const Progress& own)
    {
      const at::Tensor corrupted = this->Pass.embed(this->Corrupted, shareOf(own, 0, 2));
      return at::cat({ corrupted, this->Pass.embed(this->Clean, shareOf(own, 1, 2)) },
        0); // [2 S, D]
    },
    [&](at::Tensor hidden, const Progress& own)
    {
      return this->Decoding.pair(
        std::move(hidden),
        [this](std::int64_t layer, const BranchedDecoder::Pair& pair) { this->keep(layer, pair); },
        own, "Reading both questions");
    },
    progress);
}

/// After the group's layer: [rows, D]
at::Tensor Patching::rowsOf(const Group& group)
{
  const LayerStates& states = this->States.at(this->variant(group.begin).layer);
  std::vector<at::Tensor> parts;
  for (std::size_t i = group.begin; i < group.end; ++i)
  {
    const std::int64_t first = group.branches[i - group.begin].first;
    at::Tensor rows = states.own.narrow(0, first, this->positions() - first).clone();
    for (const std::int64_t position : this->variant(i).positions)
    {
      const auto found =
        std::lower_bound(states.positions.begin(), states.positions.end(), position);
      if (position >= first)
      {
        rows[position - first].copy_(states.given[found - states.positions.begin()]);
      }
    }
    parts.push_back(rows);
  }
  return at::cat(parts, 0);
}

std::vector<double> Patching::branches(const Group& group, const Progress& progress)
{
  const std::int64_t layer = this->variant(group.begin).layer;
  const std::string what = "Patched runs " + std::to_string(group.begin + 1) + " to " +
    std::to_string(group.end) + " of " + std::to_string(this->Variants.size());
  return this->Pass.run(
    layer, this->Decoding.rows(group.branches),
    [&](const Progress&) { return this->rowsOf(group); },
    [&](at::Tensor hidden, const Progress& own)
    { return this->Decoding.branches(std::move(hidden), group.branches, own, what, layer + 1); },
    progress);
}

/// As long as its own answer is the clean one's.
void Patching::checkCorrupted(const Trace& corrupted, const std::vector<double>& scores) const
{
  const RecordedLogprobs recorded(this->Model, corrupted);
  const auto* ids = corrupted.tensor(tn::TokenId).as<std::int64_t>() + corrupted.promptLength;
  for (std::int64_t t = 0; !recorded.empty() && t < static_cast<std::int64_t>(scores.size()) &&
       t < corrupted.answerLength() && ids[t] == this->Clean.answerId(t);
       ++t)
  {
    recorded.check(t, scores[static_cast<std::size_t>(t)]);
  }
}

PatchScores Patching::run(const Trace& corrupted, const Progress& progress)
{
  const std::vector<Group> groups = this->groups();
  const std::vector<double> values = this->both(shareOf(progress, 0, groups.size() + 1));
  const auto T = static_cast<std::ptrdiff_t>(this->Clean.answerLength());
  PatchScores scores;
  scores.corrupted.assign(values.begin(), values.begin() + T);
  scores.clean.assign(values.begin() + T, values.end());
  this->Team.together(
    [&]
    {
      for (std::int64_t t = 0; t < T && !this->Clean.logprobs().empty(); ++t)
      {
        this->Clean.logprobs().check(t, scores.clean[static_cast<std::size_t>(t)]);
      }
      this->checkCorrupted(corrupted, scores.corrupted);
    });
  scores.variants.resize(this->Variants.size());
  for (std::size_t g = 0; g < groups.size(); ++g)
  {
    const auto found = this->branches(groups[g], shareOf(progress, g + 1, groups.size() + 1));
    for (std::size_t i = groups[g].begin; i < groups[g].end; ++i)
    {
      const auto from = found.begin() + static_cast<std::ptrdiff_t>(i - groups[g].begin) * T;
      scores.variants[this->Order[i]].assign(from, from + T);
    }
  }
  return scores;
}

void checkTransplants(
  const std::vector<Transplant>& variants, const LlavaModel::Impl& model, std::int64_t S)
{
  for (const Transplant& variant : variants)
  {
    checkRange(variant.positions, S, "position");
    checkRange({ variant.layer }, model.config.text.layers, "layer");
    if (variant.positions.empty())
    {
      fail("a patched run of layer ", variant.layer, " patches no position");
    }
  }
}
}

PatchScores patchScores(const LlavaModel& model, const Trace& clean, const Trace& corrupted,
  StatePart part, const std::vector<Transplant>& variants, const Progress& progress,
  ranks::Team& team)
{
  const LlavaModel::Impl& impl = model.impl();
  const at::NoGradGuard guard;
  useThreads(model.options().threads);
  std::unique_ptr<TracedSequence> first, second;
  std::unique_ptr<Patching> patching;
  team.together(
    [&]
    {
      checkRank(impl, team);
      first = std::make_unique<TracedSequence>(impl, clean);
      TracedSequence(impl, corrupted); // says what is wrong with it
      second = std::make_unique<TracedSequence>(impl, corruptedSequence(clean, corrupted));
      const std::int64_t S = first->keys();
      checkTransplants(variants, impl, S);
      const std::int64_t layers = impl.decoder.span().count();
      checkPassMemory(
        impl, S, std::max(2 * S, GroupRows), 2 * layers * S * impl.config.text.hidden);
      translated([&]
        { patching = std::make_unique<Patching>(impl, *first, *second, part, variants, team); });
    });
  return translated([&] { return patching->run(corrupted, progress); });
}

} // namespace lvlm::llava
