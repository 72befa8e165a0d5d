// SPDX-License-Identifier: Apache-2.0
// Which gradients each mode needs, and which maps they become.
#include "Models/Llava/Relevancy.h"

#include "RelevancySweep.h"

#include "Models/Llava/Runtime.h"
#include "Models/Ranks/MessageHead.h"

#include <algorithm>
#include <numeric>
#include <tuple>

namespace lvlm::llava
{

namespace
{
namespace tn = tensor_name;
using Values = std::vector<double>;

Values valuesOf(const at::Tensor& tensor)
{
  const at::Tensor flat = tensor.to(at::kCPU, at::kDouble).contiguous().view({ -1 });
  const double* data = flat.data_ptr<double>();
  return Values(data, data + flat.numel());
}

double sumOf(const Values& values)
{
  return std::accumulate(values.begin(), values.end(), 0.0);
}

/// From a row of R.
RelevancyMap decoderMap(Values row, std::int64_t position, std::int64_t keys)
{
  row[static_cast<std::size_t>(position)] -= 1;
  row.resize(static_cast<std::size_t>(keys), 0.0);
  const double total = sumOf(row);
  return { std::move(row), total };
}

/// Row CLS of the tower's product times a start matrix: what it has at CLS and at the patches.
RelevancyMap towerMap(double first, Values patches)
{
  const double total = first - 1 + sumOf(patches);
  return { std::move(patches), total };
}

/// The product through decoder and tower, of a tower without CLS: what the token's row of R has at
/// the image, led on from patch to patch. `position` is the token's own in the image span, where
/// the identity is, if the picture ends the prompt.
RelevancyMap joinedMap(Values patches, std::int64_t position)
{
  if (position >= 0 && position < static_cast<std::int64_t>(patches.size()))
  {
    patches[static_cast<std::size_t>(position)] -= 1;
  }
  const double total = sumOf(patches);
  return { std::move(patches), total };
}

/// LVLM-Interpret's `all_v2`: the tower's product times (I + w in row and column CLS). `w` is the
/// image span of a row of R: with the identity, which is a patch's where the image ends the prompt.
RelevancyMap jointTokenMap(double first, const Values& patches, const Values& w)
{
  Values both(patches.size());
  for (std::size_t i = 0; i < patches.size(); ++i)
  {
    both[i] = patches[i] + first * w[i];
  }
  return towerMap(
    first + std::inner_product(patches.begin(), patches.end(), w.begin(), 0.0), std::move(both));
}

/// Answer tokens as numbers from 0 on, each once.
Indices ascending(const Indices& tokens, std::int64_t T)
{
  for (const std::int64_t token : tokens)
  {
    if (token < -T || token >= T)
    {
      fail("answer token ", token, " is out of range: the answer has tokens 0 to ", T - 1);
    }
  }
  Indices all = resolveIndices(tokens, T, "answer tokens");
  std::sort(all.begin(), all.end());
  return all;
}

/// Some of the tokens with the share of the progress that is theirs; the forward pass took the
/// first tenth.
struct Group
{
  Indices tokens;
  double begin, size;
};

std::vector<Group> groupsOf(const Indices& tokens, std::size_t largest)
{
  std::vector<Group> groups;
  const double share = 0.9 / static_cast<double>(tokens.size());
  for (std::size_t from = 0; from < tokens.size(); from += largest)
  {
    const std::size_t to = std::min(tokens.size(), from + largest);
    groups.push_back({ Indices(tokens.begin() + static_cast<std::ptrdiff_t>(from),
                         tokens.begin() + static_cast<std::ptrdiff_t>(to)),
      0.1 + share * static_cast<double>(from), share * static_cast<double>(to - from) });
  }
  return groups;
}

/// Of a group's time the decoder takes about this much, the tower the rest.
constexpr double DecoderShare = 0.6;

/// The maps of some tokens of one sequence, by the sweeps of a mode.
class MapMaker
{
public:
  /// `tokens` ascend, each once.
  MapMaker(const LlavaModel::Impl& model, const TracedSequence& sequence, const Indices& tokens,
    const RelevancyOptions& options, ranks::Team& team, const Progress& progress)
    : Model(model), Sequence(sequence), Tokens(tokens),
      Tower(options.tower && !model.config.readsTiles()), Report(progress),
      Sweep(
        model, sequence, tokens.back(), team, part(progress, 0, 0.1), {}, options.roundedGradients)
  {
  }

  void exact();
  void compatible(double factor); ///< of the logits
  /// What was made, on all ranks, which call it together.
  AnswerMaps spread();

private:
  using Product = std::shared_ptr<LayerProduct>;

  /// What the decoder gave for a token.
  struct TokenRows
  {
    at::Tensor row;   ///< [1, S] of R
    at::Tensor block; ///< [patches, patches] of R; undefined where no row CLS goes on with it
  };

  std::int64_t patches() const { return this->Model.config.vision.patches(); }
  /// Whether the tower's maps are those of its row CLS.
  bool fromClassToken() const { return this->Tower && this->Model.config.vision.classToken; }
  at::TensorOptions options() const;
  std::size_t groupSize(bool squares) const;
  Product unitRows(const Indices& positions, std::int64_t width) const;
  Product imageBlock() const;
  /// The decoder's part of the group, then what rank 0 makes of it.
  void sweep(const Group& group, std::vector<GradientJob>& jobs, const std::function<void()>& work);
  std::vector<GradientJob> compatibleJobs(const Product& rows, const Product& block, double factor);
  at::Tensor imageSpan(const TokenRows& rows) const;
  void addMaps(const Group& group, const std::vector<TokenRows>& rows,
    std::vector<GradientJob>& seen, std::int64_t skippedFrom);
  void addTowerMaps(
    TokenMaps& maps, std::int64_t token, const TokenRows& rows, const at::Tensor& row) const;

  const LlavaModel::Impl& Model;
  const TracedSequence& Sequence;
  const Indices& Tokens;
  bool Tower;
  const Progress& Report;
  RelevancySweep Sweep;
  AnswerMaps Maps; ///< on rank 0
};

at::TensorOptions MapMaker::options() const
{
  return at::TensorOptions(gradientType(this->Model.weights.type()))
    .device(this->Model.weights.device());
}

std::size_t MapMaker::groupSize(bool squares) const
{
  const std::int64_t S = this->Sequence.position(this->Tokens.back()) + 1;
  const std::int64_t numbers =
    S * this->Model.config.text.hidden + (squares ? 2 * this->patches() * this->patches() : 0);
  const std::int64_t bytes =
    numbers * static_cast<std::int64_t>(this->options().dtype().itemsize());
  return static_cast<std::size_t>(
    std::max<std::int64_t>(1, RelevancyGroupBytes / std::max<std::int64_t>(1, bytes)));
}

MapMaker::Product MapMaker::unitRows(const Indices& positions, std::int64_t width) const
{
  // float64: the identity must not swallow the digits of a small relevancy.
  at::Tensor rows = at::zeros(
    { static_cast<std::int64_t>(positions.size()), width }, this->options().dtype(at::kDouble));
  for (std::size_t i = 0; i < positions.size(); ++i)
  {
    rows[static_cast<std::int64_t>(i)][positions[i]] = 1;
  }
  return std::make_shared<LayerProduct>(rows, 0);
}

MapMaker::Product MapMaker::imageBlock() const
{
  // Attention is causal and the image one span, so paths between patches never leave it.
  return std::make_shared<LayerProduct>(
    at::eye(this->patches(), this->options()), this->Sequence.imageStart());
}

void MapMaker::sweep(
  const Group& group, std::vector<GradientJob>& jobs, const std::function<void()>& work)
{
  this->Sweep.decoder(jobs, this->Tower,
    part(this->Report, group.begin, group.size * (this->Tower ? DecoderShare : 1)));
  this->Sweep.team().fromFirst(
    [&work]
    {
      translated(work);
      return ranks::Message();
    });
}

/// What the token's row of R has at the patches: [1, patches]
at::Tensor MapMaker::imageSpan(const TokenRows& rows) const
{
  return rows.row.narrow(1, this->Sequence.imageStart(), this->patches());
}

/// `row` [1, Nv]: what started at row CLS, or without CLS at the patches, after the tower's layers.
void MapMaker::addTowerMaps(
  TokenMaps& maps, std::int64_t token, const TokenRows& rows, const at::Tensor& row) const
{
  if (!this->fromClassToken())
  {
    maps[tn::RelevancyJoint] =
      joinedMap(valuesOf(row), this->Sequence.position(token) - this->Sequence.imageStart());
    return;
  }
  const double first = row[0][0].item<double>();
  const at::Tensor patches = row.narrow(1, 1, this->patches());
  maps[tn::RelevancyVision] = towerMap(first, valuesOf(patches));
  maps[tn::RelevancyJoint] =
    towerMap(first, valuesOf(at::matmul(patches, rows.block.to(patches.scalar_type()))));
  maps[tn::RelevancyJointToken] =
    jointTokenMap(first, valuesOf(patches), valuesOf(this->imageSpan(rows)));
}

/// From the decoder's rows and, with the tower, the gradients of the image tokens that `seen` has.
void MapMaker::addMaps(const Group& group, const std::vector<TokenRows>& rows,
  std::vector<GradientJob>& seen, std::int64_t skippedFrom)
{
  for (std::size_t i = 0; i < rows.size(); ++i)
  {
    const std::int64_t token = group.tokens[i];
    this->Maps[token][tn::RelevancyDecoder] =
      decoderMap(valuesOf(rows[i].row), this->Sequence.position(token), this->Sequence.keys());
  }
  if (!this->Tower)
  {
    return;
  }
  for (std::size_t i = 0; i < seen.size(); ++i)
  {
    seen[i].products = { this->fromClassToken()
        ? this->unitRows({ 0 }, this->Model.config.vision.tokens())
        : std::make_shared<LayerProduct>(this->imageSpan(rows[i]).clone(), 0) };
  }
  this->Sweep.vision(seen, skippedFrom,
    part(this->Report, group.begin + group.size * DecoderShare, group.size * (1 - DecoderShare)));
  for (std::size_t i = 0; i < rows.size(); ++i)
  {
    const std::int64_t token = group.tokens[i];
    this->addTowerMaps(this->Maps[token], token, rows[i], seen[i].products[0]->rows());
  }
}

void MapMaker::exact()
{
  const std::int64_t S = this->Sequence.position(this->Tokens.back()) + 1;
  for (const Group& group : groupsOf(this->Tokens, this->groupSize(this->fromClassToken())))
  {
    std::vector<GradientJob> jobs;
    for (const std::int64_t t : group.tokens)
    {
      jobs.push_back(this->Sweep.logits(t, t, 1));
      jobs.back().products = { this->unitRows({ this->Sequence.position(t) }, S) };
      if (this->fromClassToken())
      {
        jobs.back().products.push_back(this->imageBlock());
      }
    }
    this->sweep(group, jobs,
      [&]
      {
        std::vector<TokenRows> rows;
        for (const GradientJob& job : jobs)
        {
          rows.push_back({ job.products[0]->rows(),
            this->fromClassToken() ? job.products[1]->rows() : at::Tensor() });
        }
        this->addMaps(group, rows, jobs, this->Model.vision.layers());
      });
  }
}

/// All tokens have the same C: rows of the prompt from token 0, each later row from its own token.
std::vector<GradientJob> MapMaker::compatibleJobs(
  const Product& rows, const Product& block, double factor)
{
  std::vector<GradientJob> jobs{ this->Sweep.logits(0, 0, factor) };
  jobs[0].products = { rows };
  if (block)
  {
    jobs[0].products.push_back(block);
  }
  if (this->Tokens.back() > 0)
  {
    jobs.push_back(this->Sweep.logits(1, this->Tokens.back(), factor));
    jobs.back().ownOnly = true;
    jobs.back().products = { rows };
  }
  return jobs;
}

void MapMaker::compatible(double factor)
{
  Indices positions;
  for (const std::int64_t t : this->Tokens)
  {
    positions.push_back(this->Sequence.position(t));
  }
  const Product rows = this->unitRows(positions, positions.back() + 1);
  const Product block = this->fromClassToken() ? this->imageBlock() : nullptr;
  std::vector<GradientJob> jobs = this->compatibleJobs(rows, block, factor);
  // The picture's gradient is summed over tokens 0..t: token 0's is that of the first job, and one
  // more job leads from each wanted token to the next.
  at::Tensor sum; // [patches, Dt], on rank 0
  std::int64_t summed = 0, done = 0;
  for (const Group& group :
    groupsOf(this->Tokens, this->Tower ? this->groupSize(false) : this->Tokens.size()))
  {
    std::size_t next = jobs.size();
    for (const std::int64_t t : group.tokens)
    {
      if (this->Tower && t > 0)
      {
        jobs.push_back(this->Sweep.logits(summed + 1, t, factor));
        summed = t;
      }
    }
    this->sweep(group, jobs,
      [&]
      {
        sum = sum.defined() ? sum : jobs[0].gradient;
        std::vector<TokenRows> found;
        std::vector<GradientJob> seen;
        for (const std::int64_t t : group.tokens)
        {
          const at::Tensor row = rows->rows().narrow(0, done++, 1); // [1, S]
          found.push_back({ row, block ? block->rows() : at::Tensor() });
          sum = this->Tower && t > 0 ? sum + jobs[next++].gradient : sum;
          seen.emplace_back();
          seen.back().name = "answer token " + std::to_string(t);
          seen.back().gradient = sum;
        }
        this->addMaps(group, found, seen, this->Model.config.vision.layers - 1);
      });
    jobs.clear();
  }
}

AnswerMaps MapMaker::spread()
{
  const ranks::Message all = this->Sweep.team().fromFirst(
    [this]
    {
      ranks::Message own;
      nlohmann::json names = nlohmann::json::array();
      for (const auto& [token, maps] : this->Maps)
      {
        for (const auto& [name, map] : maps)
        {
          names.push_back({ token, name, map.total });
          own.tensors.push_back(Tensor::of(map.row, { static_cast<std::int64_t>(map.row.size()) }));
        }
      }
      own.head = ranks::packed(names);
      return own;
    });
  AnswerMaps result;
  const nlohmann::json names = ranks::unpacked(all.head);
  for (std::size_t i = 0; i < names.size(); ++i)
  {
    const auto [token, name, total] = names[i].get<std::tuple<std::int64_t, std::string, double>>();
    result[token][name] = { ranks::listOf<double>(all, i), total };
  }
  return result;
}
}

AnswerMaps relevancyMaps(const LlavaModel& model, const Trace& trace, const Indices& tokens,
  const RelevancyOptions& options, const Progress& progress, ranks::Team& team)
{
  std::unique_ptr<TracedSequence> sequence;
  Indices wanted;
  team.together(
    [&]
    {
      if (!(options.temperature >= 0 && options.temperature <= 1e6))
      {
        fail("temperature ", options.temperature, " is not in [0, 1e6]");
      }
      sequence = std::make_unique<TracedSequence>(model.impl(), trace);
      wanted = ascending(tokens, sequence->answerLength());
    });
  return translated(
    [&]
    {
      const at::NoGradGuard guard;
      useThreads(model.options().threads);
      MapMaker maker(model.impl(), *sequence, wanted, options, team, progress);
      if (options.mode == RelevancyMode::Exact)
      {
        maker.exact();
      }
      else
      {
        maker.compatible(options.temperature > 0 ? 1 / options.temperature : 1);
      }
      return maker.spread();
    });
}

} // namespace lvlm::llava
