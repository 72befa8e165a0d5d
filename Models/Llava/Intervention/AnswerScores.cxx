// SPDX-License-Identifier: Apache-2.0
// Which positions of each variant change, which variants go together, and what they score.
#include "Models/Llava/Intervention.h"

#include "BranchedDecoder.h"
#include "HiddenPatches.h"

#include "Models/Llava/Network/AttentionCuts.h"
#include "Models/Llava/Network/Products.h"
#include "Models/Llava/Network/TorchTensors.h"
#include "Models/Llava/Relevancy/TracedSequence.h"
#include "Models/Llava/Runtime.h"
#include "Models/Ranks/Team.h"
#include "Models/Trace/ByteText.h"

#include <algorithm>
#include <cmath>

namespace lvlm::llava
{

namespace
{
/// Rows that go through a layer together: as many as the layer takes in one piece.
constexpr std::int64_t GroupRows = 2 * DecoderBlockRows - 1;
/// Of logits that are there at a time.
constexpr std::int64_t LogitBytes = 64 << 20;

void checkVariant(const Variant& variant, const LlavaModel::Impl& model, std::int64_t S)
{
  checkRange(variant.patches, model.config.vision.patches(), "patch");
  checkCuts(variant.cuts, model.config.text, S);
}

/// Variants [begin, end), and their branches.
struct Group
{
  std::size_t begin = 0, end = 0;
  std::vector<Branch> branches;
};

class Scoring
{
public:
  Scoring(const LlavaModel::Impl& model, const TracedSequence& sequence,
    const std::vector<Variant>& variants, ranks::Team& team);
  AnswerScores run(const Progress& progress);

private:
  std::int64_t positions() const { return this->Sequence.keys(); }
  std::int64_t firstChange(const Variant& variant) const;
  std::vector<Group> groups() const;
  at::Tensor tower(const picture::RgbImage& seen, const Progress& progress);
  at::Tensor embed(const Progress& progress);
  at::Tensor imageOf(const Variant& variant, const Progress& progress);
  at::Tensor embed(const Group& group, const Progress& progress);
  /// Log-probabilities of the answer's tokens, of rows that predict it again and again.
  std::vector<double> logprobs(const at::Tensor& top);
  using Layers = std::function<at::Tensor(at::Tensor hidden, const Progress& progress)>;
  std::vector<double> pass(const std::vector<Branch>& branches,
    const std::function<at::Tensor(const Progress&)>& embed, const Layers& layers,
    const Progress& progress);
  std::vector<double> trunk(const Progress& progress);
  std::vector<double> branches(const Group& group, const Progress& progress);

  const LlavaModel::Impl& Model;
  const TracedSequence& Sequence;
  const std::vector<Variant>& Variants;
  ranks::Team& Team;
  Workspace Buffers;
  BranchedDecoder Decoding;
  HiddenPatches Picture;
  at::Tensor Embedded; ///< the sequence as it enters the decoder [S, D], on rank 0
};

Scoring::Scoring(const LlavaModel::Impl& model, const TracedSequence& sequence,
  const std::vector<Variant>& variants, ranks::Team& team)
  : Model(model), Sequence(sequence), Variants(variants), Team(team),
    Decoding(model, sequence.keys(), sequence.answerLength(), this->Buffers),
    Picture(sequence.picture(), { model.config.vision.gridEdge(), model.config.vision.gridEdge() })
{
}

/// The first position that is not the sequence's own any more; at the latest the first whose logits
/// are wanted.
std::int64_t Scoring::firstChange(const Variant& variant) const
{
  std::int64_t first = this->Sequence.position(0);
  if (!variant.patches.empty())
  {
    first = std::min(first,
      hidesEmbeddings(variant.fill) ? this->Sequence.imageStart() +
          *std::min_element(variant.patches.begin(), variant.patches.end())
                                    : this->Sequence.featureStart());
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

/// The tower's and the projector's: [image tokens, D]
at::Tensor Scoring::tower(const picture::RgbImage& seen, const Progress& progress)
{
  const VisionTower::LayerTap beat = [this](std::int64_t, std::int64_t, const at::Tensor&)
  {
    this->Buffers.pulse.beat();
    return at::Tensor();
  };
  return this->Model.vision.forward(this->Model.pixels(seen), this->Buffers, beat, progress);
}

at::Tensor Scoring::embed(const Progress& progress)
{
  const at::Tensor image = this->tower(this->Picture.whole(), progress);
  this->Embedded = this->Model.decoder.embed(this->Sequence.ids(this->positions())); // [S, D]
  this->Embedded.narrow(0, this->Sequence.featureStart(), image.size(0)).copy_(image);
  return this->Embedded;
}

/// The image tokens of a variant.
at::Tensor Scoring::imageOf(const Variant& variant, const Progress& progress)
{
  if (!hidesEmbeddings(variant.fill) && !variant.patches.empty())
  {
    return this->tower(this->Picture.without(variant.patches, variant.fill), progress);
  }
  at::Tensor image =
    this->Embedded.narrow(0, this->Sequence.featureStart(), this->Model.config.imageTokens())
      .clone();
  at::Tensor patches =
    image.narrow(0, this->Model.config.leadingFeatures(), this->Model.config.vision.patches());
  const at::Tensor mean = patches.mean(0); // [D]
  for (const std::int64_t patch : variant.patches)
  {
    if (variant.fill == PatchFill::ZeroEmbedding)
    {
      patches[patch].zero_();
    }
    else
    {
      patches[patch].copy_(mean);
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
    const auto share = 1 / static_cast<double>(group.end - group.begin);
    const Progress own = [&](double fraction, const std::string& text) {
      return !progress || progress(share * (static_cast<double>(i - group.begin) + fraction), text);
    };
    const std::int64_t first = group.branches[i - group.begin].first;
    at::Tensor rows = this->Embedded.clone();
    rows.narrow(0, this->Sequence.featureStart(), this->Model.config.imageTokens())
      .copy_(this->imageOf(this->Variants[i], own));
    parts.push_back(rows.narrow(0, first, this->positions() - first));
  }
  return at::cat(parts, 0);
}

std::vector<double> Scoring::logprobs(const at::Tensor& top)
{
  const std::int64_t wanted = top.size(0);
  std::vector<std::int64_t> ids;
  for (std::int64_t row = 0; row < wanted; ++row)
  {
    ids.push_back(this->Sequence.answerId(row % this->Sequence.answerLength()));
  }
  const at::Tensor answer = at::tensor(ids, at::kLong).to(top.device()).unsqueeze(1);
  const std::int64_t step =
    std::max<std::int64_t>(1, LogitBytes / (this->Model.config.text.vocabulary * 16));
  std::vector<double> result;
  for (std::int64_t first = 0; first < wanted; first += step)
  {
    this->Buffers.pulse.beat();
    const std::int64_t n = std::min(step, wanted - first);
    const at::Tensor logits = this->Model.decoder.logits(top.narrow(0, first, n), this->Buffers);
    const at::Tensor chosen = at::log_softmax(logits.to(at::kDouble), -1)
                                .gather(1, answer.narrow(0, first, n))
                                .to(at::kCPU)
                                .contiguous(); // [n, 1]
    result.insert(result.end(), chosen.data_ptr<double>(), chosen.data_ptr<double>() + n);
  }
  return result;
}

std::vector<double> Scoring::pass(const std::vector<Branch>& branches,
  const std::function<at::Tensor(const Progress&)>& embed, const Layers& layers,
  const Progress& progress)
{
  const Decoder& decoder = this->Model.decoder;
  const auto workers =
    static_cast<int>(std::min<std::int64_t>(this->Team.size(), decoder.layers()));
  // The tower takes about this share where it runs at all.
  const auto part = [](const Progress& all, double from, double size)
  {
    return Progress([&all, from, size](double fraction, const std::string& text)
      { return !all || all(from + size * fraction, text); });
  };
  const ranks::Message all = this->Team.pass(
    ranks::Direction::Forwards, workers,
    [&](ranks::Message given, const Progress& own)
    {
      const Pulse::Scope scope(this->Buffers.pulse, own);
      return translated(
        [&]
        {
          at::Tensor hidden = decoder.hasFirst()
            ? embed(part(scope.progress(), 0, 0.3))
            : received(given.tensors.at(0),
                { this->Decoding.rows(branches), decoder.config().hidden },
                at::TensorOptions(this->Model.weights.type()).device(this->Model.weights.device()));
          hidden = layers(hidden, part(scope.progress(), 0.3, 0.7));
          ranks::Message handed;
          if (decoder.hasLast())
          {
            handed = ranks::messageOf(this->logprobs(hidden));
          }
          else
          {
            handed.tensors.push_back(fromTorch(hidden));
          }
          this->Model.checkpoint->requireIntact();
          return handed;
        });
    },
    progress);
  std::vector<double> values = ranks::listOf<double>(all);
  for (const double value : values)
  {
    if (!std::isfinite(value))
    {
      fail(this->Model.directory,
        ": a log-probability is not finite: the weights are damaged, or the model overflows");
    }
  }
  return values;
}

std::vector<double> Scoring::trunk(const Progress& progress)
{
  static const std::vector<AttentionCut> nothing;
  return this->pass(
    { { 0, &nothing } }, [this](const Progress& own) { return this->embed(own); },
    [this](at::Tensor hidden, const Progress& own)
    { return this->Decoding.trunk(std::move(hidden), own, "Reading prompt and answer"); },
    progress);
}

std::vector<double> Scoring::branches(const Group& group, const Progress& progress)
{
  const std::string what = "Variants " + std::to_string(group.begin + 1) + " to " +
    std::to_string(group.end) + " of " + std::to_string(this->Variants.size());
  return this->pass(
    group.branches,
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
  const double share = 1 / static_cast<double>(groups.size() + 1);
  const auto part = [&](std::size_t index)
  {
    return Progress([&progress, share, index](double fraction, const std::string& text)
      { return !progress || progress(share * (static_cast<double>(index) + fraction), text); });
  };
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

/// Throws Error for too little memory, before any is taken.
void checkMemory(const LlavaModel::Impl& model, std::int64_t S)
{
  const checkpoint::TextConfig& text = model.config.text;
  const checkpoint::VisionConfig& vision = model.config.vision;
  const auto element = static_cast<std::int64_t>(c10::elementSize(model.weights.type()));
  const std::int64_t rows = std::max(S, GroupRows), D = text.hidden;
  // Of all rows: input, norm, queries, keys, values, what was seen and its map; the feed-forward
  // part's halves; a copy of keys and values for one branch at a time.
  const std::int64_t row =
    6 * D + (2 * text.heads + 4 * text.keyValueHeads) * text.headSize + 2 * text.intermediate;
  const std::int64_t tower =
    model.decoder.hasFirst() ? vision.tokens() * (7 * vision.hidden + 3 * vision.intermediate) : 0;
  const std::int64_t weights = element == 8
    ? D * (2 * text.heads + 2 * text.keyValueHeads) * text.headSize + 3 * D * text.intermediate +
      (model.decoder.hasLast() ? text.vocabulary * D : 0)
    : 0;
  const std::size_t needed = model.decoder.cacheBytes(S) +
    static_cast<std::size_t>(element * (rows * row + tower + weights + S * D) +
      productScratch(rows, D, element) + productScratch(rows, text.intermediate, element) +
      LogitBytes);
  const auto sharing = static_cast<std::size_t>(model.options.ranks > 1 ? ranksOnHost() : 1);
  if (const std::size_t available = availableMemory() / sharing; needed > available)
  {
    fail("an intervention over ", S, " positions needs about ", byteText(needed), " of memory, ",
      byteText(available), " are available");
  }
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
      if (impl.options.rank != team.rank() || impl.options.ranks != team.size())
      {
        fail(impl.directory, ": opened as rank ", impl.options.rank, " of ", impl.options.ranks,
          ", an intervention asked for on rank ", team.rank(), " of ", team.size());
      }
      sequence = std::make_unique<TracedSequence>(impl, trace);
      for (const Variant& variant : variants)
      {
        checkVariant(variant, impl, sequence->keys());
      }
      checkMemory(impl, sequence->keys());
      translated([&] { scoring = std::make_unique<Scoring>(impl, *sequence, variants, team); });
    });
  return translated([&] { return scoring->run(progress); });
}

} // namespace lvlm::llava
