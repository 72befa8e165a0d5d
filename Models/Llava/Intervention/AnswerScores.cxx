// SPDX-License-Identifier: Apache-2.0
// Which positions of each variant change, which variants go together, and what they score.
#include "Models/Llava/Intervention.h"

#include "AnswerPass.h"
#include "BranchedDecoder.h"
#include "HiddenPatches.h"

#include "Models/Llava/Network/AttentionCuts.h"
#include "Models/Llava/Runtime.h"
#include "Models/Trace/Regions.h"

#include <algorithm>

namespace lvlm::llava
{

namespace
{
void checkVariant(
  const Variant& variant, const LlavaModel::Impl& model, const TracedSequence& sequence)
{
  const Region& fine = finestRegion(sequence.pictures()[0].tokens.regions);
  checkRange(variant.patches, fine.grid.count(), "patch");
  checkCuts(variant.cuts, model.config.text, sequence.keys());
}

class Scoring
{
public:
  Scoring(const LlavaModel::Impl& model, const TracedSequence& sequence,
    const std::vector<Variant>& variants, ranks::Team& team);
  AnswerScores run(const Progress& progress);

private:
  std::int64_t positions() const { return this->Sequence.keys(); }
  const picture::PlacedImage& image() const { return this->Sequence.images()[0]; }
  std::int64_t firstChange(const Variant& variant) const;
  std::vector<Group> groups() const;
  at::Tensor patchTokens() const;
  at::Tensor imageOf(const Variant& variant, const Progress& progress);
  at::Tensor embed(const Group& group, const Progress& progress);
  std::vector<double> trunk(const Progress& progress);
  std::vector<double> branches(const Group& group, const Progress& progress);

  const LlavaModel::Impl& Model;
  const TracedSequence& Sequence;
  const std::vector<Variant>& Variants;
  ranks::Team& Team;
  AnswerPass Pass;
  BranchedDecoder Decoding;
  HiddenPatches Picture; ///< the first one, whose patches variants are about
  at::Tensor Embedded;   ///< the sequence as it enters the decoder [S, D], on rank 0
};

Scoring::Scoring(const LlavaModel::Impl& model, const TracedSequence& sequence,
  const std::vector<Variant>& variants, ranks::Team& team)
  : Model(model), Sequence(sequence), Variants(variants), Team(team), Pass(model, sequence, team),
    Decoding(model, sequence.keys(), sequence.answerLength(), this->Pass.buffers()),
    Picture(sequence.pictures()[0])
{
}

/// The first position that is not the sequence's own any more; at the latest the first whose logits
/// are wanted.
std::int64_t Scoring::firstChange(const Variant& variant) const
{
  std::int64_t first = this->Sequence.position(0);
  if (!variant.patches.empty())
  {
    const Indices tokens = this->Picture.tokensOf(variant.patches);
    const std::int64_t token =
      hidesEmbeddings(variant.fill) ? *std::min_element(tokens.begin(), tokens.end()) : 0;
    first = std::min(first, this->image().start + token);
  }
  for (const AttentionCut& cut : variant.cuts)
  {
    if (!cut.queries.empty())
    {
      first = std::min(first, *std::min_element(cut.queries.begin(), cut.queries.end()));
    }
  }
  return first;
}

std::vector<Group> Scoring::groups() const
{
  std::vector<Group> groups;
  std::int64_t rows = 0;
  for (std::size_t i = 0; i < this->Variants.size(); ++i)
  {
    const Branch branch{ this->firstChange(this->Variants[i]), &this->Variants[i].cuts };
    const std::int64_t more = this->Decoding.rows({ branch });
    if (groups.empty() || rows + more > GroupRows)
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

/// Which image tokens are patches.
at::Tensor Scoring::patchTokens() const
{
  Indices tokens;
  for (const Region& region : this->image().tokens.regions)
  {
    for (std::int64_t patch = 0; patch < region.grid.count(); ++patch)
    {
      tokens.push_back(region.position(patch));
    }
  }
  return at::tensor(tokens, at::kLong).to(this->Embedded.device());
}

/// The image tokens of a variant.
at::Tensor Scoring::imageOf(const Variant& variant, const Progress& progress)
{
  if (!hidesEmbeddings(variant.fill) && !variant.patches.empty())
  {
    return this->Pass.tower(this->Picture.without(variant.patches, variant.fill), progress);
  }
  at::Tensor image =
    this->Embedded.narrow(0, this->image().start, this->image().tokens.count).clone();
  const at::Tensor mean = image.index_select(0, this->patchTokens()).mean(0); // [D]
  for (const std::int64_t token : this->Picture.tokensOf(variant.patches))
  {
    if (variant.fill == PatchFill::ZeroEmbedding)
    {
      image[token].zero_();
    }
    else
    {
      image[token].copy_(mean);
    }
  }
  return image;
}

/// What enters the decoder of a group's branches: [rows, D]
at::Tensor Scoring::embed(const Group& group, const Progress& progress)
{
  std::vector<at::Tensor> parts;
  for (std::size_t i = group.begin; i < group.end; ++i)
  {
    const Progress own = shareOf(progress, i - group.begin, group.end - group.begin);
    const std::int64_t first = group.branches[i - group.begin].first;
    at::Tensor rows = this->Embedded.clone();
    rows.narrow(0, this->image().start, this->image().tokens.count)
      .copy_(this->imageOf(this->Variants[i], own));
    parts.push_back(rows.narrow(0, first, this->positions() - first));
  }
  return at::cat(parts, 0);
}

std::vector<double> Scoring::trunk(const Progress& progress)
{
  return this->Pass.run(
    0, this->positions(),
    [this](const Progress& own)
    {
      this->Embedded = this->Pass.embed(this->Sequence, own);
      return this->Embedded;
    },
    [this](at::Tensor hidden, const Progress& own)
    { return this->Decoding.trunk(std::move(hidden), own, "Reading prompt and answer"); },
    progress);
}

std::vector<double> Scoring::branches(const Group& group, const Progress& progress)
{
  const std::string what = "Variants " + std::to_string(group.begin + 1) + " to " +
    std::to_string(group.end) + " of " + std::to_string(this->Variants.size());
  return this->Pass.run(
    0, this->Decoding.rows(group.branches),
    [&](const Progress& own)
    {
      return this->embed(group,
        [&](double fraction, const std::string& text)
        { return own(fraction, what + ": " + text); });
    },
    [&](at::Tensor hidden, const Progress& own)
    { return this->Decoding.branches(std::move(hidden), group.branches, own, what); },
    progress);
}

AnswerScores Scoring::run(const Progress& progress)
{
  const std::vector<Group> groups = this->groups();
  const auto part = [&](std::size_t index) { return shareOf(progress, index, groups.size() + 1); };
  AnswerScores scores;
  scores.original = this->trunk(part(0));
  const auto T = static_cast<std::ptrdiff_t>(scores.original.size());
  this->Team.together(
    [&]
    {
      for (std::int64_t t = 0; t < T && !this->Sequence.logprobs().empty(); ++t)
      {
        this->Sequence.logprobs().check(t, scores.original[static_cast<std::size_t>(t)]);
      }
    });
  for (std::size_t g = 0; g < groups.size(); ++g)
  {
    const std::vector<double> values = this->branches(groups[g], part(g + 1));
    for (auto from = values.begin(); from != values.end(); from += T)
    {
      scores.variants.emplace_back(from, from + T);
    }
  }
  return scores;
}
}

AnswerScores answerScores(const LlavaModel& model, const Trace& trace,
  const std::vector<Variant>& variants, const Progress& progress, ranks::Team& team)
{
  const LlavaModel::Impl& impl = model.impl();
  const at::NoGradGuard guard;
  useThreads(model.options().threads);
  std::unique_ptr<TracedSequence> sequence;
  std::unique_ptr<Scoring> scoring;
  team.together(
    [&]
    {
      checkRank(impl, team);
      sequence = std::make_unique<TracedSequence>(impl, trace);
      for (const Variant& variant : variants)
      {
        checkVariant(variant, impl, *sequence);
      }
      const std::int64_t S = sequence->keys();
      checkPassMemory(impl, S, std::max(S, GroupRows), 0);
      translated([&] { scoring = std::make_unique<Scoring>(impl, *sequence, variants, team); });
    });
  return translated([&] { return scoring->run(progress); });
}

} // namespace lvlm::llava
