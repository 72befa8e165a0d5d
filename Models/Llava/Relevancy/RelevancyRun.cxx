// SPDX-License-Identifier: Apache-2.0
// RelevancyRun: which gradients each mode needs, and what they become.
#include "RelevancyRun.h"

#include <algorithm>
#include <deque>

namespace lvlm::llava
{

Values valuesOf(const at::Tensor& tensor)
{
  const at::Tensor flat = tensor.to(at::kCPU, at::kDouble).contiguous().view({ -1 });
  const double* data = flat.data_ptr<double>();
  return Values(data, data + flat.numel());
}

namespace
{
Progress part(const Progress& progress, double from, double size)
{
  return [&progress, from, size](double fraction, const std::string& text)
  { return !progress || progress(from + size * fraction, text); };
}

std::string tokenName(std::int64_t token)
{
  return "answer token " + std::to_string(token);
}

/// Row of R - I, padded to the keys of the whole answer.
Values decoderRow(const at::Tensor& row, std::int64_t position, std::int64_t keys)
{
  Values values = valuesOf(row);
  values[static_cast<std::size_t>(position)] -= 1;
  values.resize(static_cast<std::size_t>(keys), 0.0);
  return values;
}

/// tokens[from, to) with the share of the progress that is theirs; the forward pass took the first
/// tenth.
struct Group
{
  RelevancyRun::Tokens tokens;
  double begin, size;
};

std::vector<Group> groupsOf(const RelevancyRun::Tokens& tokens, std::size_t largest)
{
  std::vector<Group> groups;
  const double share = 0.9 / static_cast<double>(tokens.size());
  for (std::size_t from = 0; from < tokens.size(); from += largest)
  {
    const std::size_t to = std::min(tokens.size(), from + largest);
    groups.push_back({ RelevancyRun::Tokens(tokens.begin() + static_cast<std::ptrdiff_t>(from),
                         tokens.begin() + static_cast<std::ptrdiff_t>(to)),
      0.1 + share * static_cast<double>(from), share * static_cast<double>(to - from) });
  }
  return groups;
}

/// Of a group's time the decoder takes about this much, the tower the rest.
constexpr double DecoderShare = 0.6;
}

std::size_t RelevancyRun::groupSize(std::int64_t S, bool squares) const
{
  const std::int64_t numbers =
    S * this->Model.config.text.hidden + (squares ? 2 * this->patches() * this->patches() : 0);
  const std::int64_t bytes =
    numbers * static_cast<std::int64_t>(this->options().dtype().itemsize());
  return static_cast<std::size_t>(
    std::max<std::int64_t>(1, RelevancyGroupBytes / std::max<std::int64_t>(1, bytes)));
}

at::Tensor RelevancyRun::unitRow(std::int64_t width, std::int64_t at) const
{
  // float64: the identity must not swallow the digits of a small relevancy.
  at::Tensor row = at::zeros({ 1, width }, this->options().dtype(at::kDouble));
  row[0][at] = 1;
  return row;
}

RelevancyRows RelevancyRun::imageBlock() const
{
  // Attention is causal and the image one span, so paths between patches never leave it.
  return { at::eye(this->patches(), this->options()), this->ImageStart };
}

/// The gradient is the last rank's, which has the output projection.
GradientJob RelevancyRun::logitJob(
  RelevancySweep& sweep, std::int64_t from, std::int64_t to, double factor) const
{
  GradientJob job;
  job.name = tokenName(to);
  job.first = this->P - 1 + from;
  const auto start = [&]
  {
    const LogitGradient logits(this->Model.decoder, sweep.top(this->P - 1), sweep.workspace());
    std::vector<at::Tensor> rows;
    for (std::int64_t t = from; t <= to; ++t)
    {
      rows.push_back(logits.back(t, this->Ids[static_cast<std::size_t>(this->P + t)]) * factor);
    }
    job.gradient = at::cat(rows, 0); // [to - from + 1, D]
  };
  sweep.team().together(
    [&]
    {
      if (this->Model.decoder.hasLast())
      {
        translated(start);
      }
    });
  return job;
}

/// `work` completes the results of some tokens on rank 0; all ranks get them.
void RelevancyRun::fromFirst(ranks::Team& team, const Tokens& tokens, Results& results,
  const std::function<void()>& work) const
{
  const ranks::Message all = team.fromFirst(
    [&]
    {
      translated(work);
      ranks::Message own;
      for (const std::int64_t t : tokens)
      {
        for (const Values& values : { results[t].decoder, results[t].vision, results[t].joint })
        {
          own.tensors.push_back(Tensor::of(values, { static_cast<std::int64_t>(values.size()) }));
        }
      }
      return own;
    });
  std::size_t next = 0;
  for (const std::int64_t t : tokens)
  {
    for (Values TokenRelevancy::*values :
      { &TokenRelevancy::decoder, &TokenRelevancy::vision, &TokenRelevancy::joint })
    {
      results[t].*values = ranks::listOf<double>(all, next++);
    }
  }
}

void RelevancyRun::finishVision(RelevancySweep& sweep, std::vector<GradientJob>& jobs,
  const std::vector<const RelevancyRows*>& blocks, const Tokens& tokens, std::int64_t skippedFrom,
  Results& results, const Progress& progress) const
{
  std::deque<RelevancyRows> rows;
  std::vector<RelevancyRows*> commit;
  for (GradientJob& job : jobs)
  {
    rows.emplace_back(this->unitRow(this->Model.config.vision.tokens(), 0), 0);
    commit.push_back(&rows.back());
    job.targets = { commit.back() };
  }
  sweep.vision(jobs, commit, skippedFrom, progress);
  for (std::size_t i = 0; i < jobs.size(); ++i)
  {
    TokenRelevancy& result = results[tokens[i]];
    const at::Tensor& row = rows[i].rows(); // [1, Nv]
    result.vision = valuesOf(row);
    if (blocks[i])
    {
      result.joint = valuesOf(
        at::matmul(row.narrow(1, 1, this->patches()), blocks[i]->rows().to(row.scalar_type())));
    }
  }
}

RelevancyRun::Results RelevancyRun::exact(
  const Tokens& tokens, bool vision, bool joint, ranks::Team& team, const Progress& progress) const
{
  Results results;
  const std::int64_t S = this->P + tokens.back();
  const auto sweep = this->forward(tokens.back(), team, part(progress, 0, 0.1));
  for (const Group& group : groupsOf(tokens, this->groupSize(S, joint)))
  {
    this->exactGroup(
      *sweep, group.tokens, S, vision, joint, results, part(progress, group.begin, group.size));
  }
  return results;
}

void RelevancyRun::exactGroup(RelevancySweep& sweep, const Tokens& tokens, std::int64_t S,
  bool vision, bool joint, Results& results, const Progress& progress) const
{
  std::vector<GradientJob> jobs;
  std::deque<RelevancyRows> rows, blocks; // deques: the jobs point to their elements
  std::vector<RelevancyRows*> commit;
  std::vector<const RelevancyRows*> blockOf;
  for (const std::int64_t t : tokens)
  {
    jobs.push_back(this->logitJob(sweep, t, t, 1));
    rows.emplace_back(this->unitRow(S, this->P - 1 + t), 0);
    jobs.back().targets = { &rows.back() };
    if (joint)
    {
      blocks.push_back(this->imageBlock());
      jobs.back().targets.push_back(&blocks.back());
    }
    commit.insert(commit.end(), jobs.back().targets.begin(), jobs.back().targets.end());
    blockOf.push_back(joint ? &blocks.back() : nullptr);
  }
  sweep.decoder(jobs, commit, vision, part(progress, 0, vision ? DecoderShare : 1));
  this->fromFirst(sweep.team(), tokens, results,
    [&]
    {
      for (std::size_t i = 0; i < tokens.size(); ++i)
      {
        results[tokens[i]].decoder =
          decoderRow(rows[i].rows(), this->P - 1 + tokens[i], this->P + this->T - 1);
      }
      if (vision)
      {
        this->finishVision(sweep, jobs, blockOf, tokens, this->Model.vision.layers(), results,
          part(progress, DecoderShare, 1 - DecoderShare));
      }
    });
}

RelevancyRun::Results RelevancyRun::compatible(const Tokens& tokens, bool vision, bool joint,
  double temperature, ranks::Team& team, const Progress& progress) const
{
  const double factor = 1 / temperature;
  const std::int64_t last = tokens.back(), S = this->P + last;
  const auto sweep = this->forward(last, team, part(progress, 0, 0.1));
  // All tokens have the same C: rows of the prompt from token 0, each later row from its own token.
  std::vector<at::Tensor> units;
  for (const std::int64_t t : tokens)
  {
    units.push_back(this->unitRow(S, this->P - 1 + t));
  }
  RelevancyRows rows(at::cat(units, 0), 0); // [n, S]
  RelevancyRows block = joint ? this->imageBlock() : RelevancyRows();
  std::vector<RelevancyRows*> commit{ &rows };
  std::vector<GradientJob> jobs{ this->logitJob(*sweep, 0, 0, factor) };
  jobs[0].targets = { &rows };
  if (joint)
  {
    jobs[0].targets.push_back(&block);
    commit.push_back(&block);
  }
  if (last > 0)
  {
    jobs.push_back(this->logitJob(*sweep, 1, last, factor));
    jobs.back().ownOnly = true;
    jobs.back().targets = { &rows };
  }
  Results results;
  if (vision)
  {
    this->summedVision(
      *sweep, tokens, std::move(jobs), commit, joint ? &block : nullptr, factor, results, progress);
  }
  else
  {
    sweep->decoder(jobs, commit, false, part(progress, 0.1, 0.9));
  }
  this->fromFirst(team, tokens, results,
    [&]
    {
      for (std::size_t i = 0; i < tokens.size(); ++i)
      {
        results[tokens[i]].decoder =
          decoderRow(rows.rows().narrow(0, static_cast<std::int64_t>(i), 1),
            this->P - 1 + tokens[i], this->P + this->T - 1);
      }
    });
  return results;
}

/// The picture's gradient summed over tokens 0..t: token 0's is jobs[0], and one more job leads
/// from each wanted token to the next. The jobs that are given go with the first group.
void RelevancyRun::summedVision(RelevancySweep& sweep, const Tokens& tokens,
  std::vector<GradientJob> jobs, std::vector<RelevancyRows*> commit, const RelevancyRows* block,
  double factor, Results& results, const Progress& progress) const
{
  at::Tensor sum; // [patches, Dt], on rank 0
  std::int64_t summed = 0;
  for (const Group& group : groupsOf(tokens, this->groupSize(this->P + tokens.back(), false)))
  {
    std::size_t next = jobs.size();
    std::int64_t before = summed;
    for (const std::int64_t t : group.tokens)
    {
      if (t > before)
      {
        jobs.push_back(this->logitJob(sweep, before + 1, t, factor));
      }
      before = t;
    }
    sweep.decoder(jobs, commit, true, part(progress, group.begin, group.size * DecoderShare));
    this->fromFirst(sweep.team(), group.tokens, results,
      [&]
      {
        sum = sum.defined() ? sum : jobs[0].gradient;
        std::vector<GradientJob> seen;
        for (const std::int64_t t : group.tokens)
        {
          sum = t > summed ? sum + jobs[next++].gradient : sum;
          summed = t;
          seen.emplace_back();
          seen.back().name = tokenName(t);
          seen.back().gradient = sum;
        }
        this->finishVision(sweep, seen, std::vector<const RelevancyRows*>(seen.size(), block),
          group.tokens, this->Model.config.vision.layers - 1, results,
          part(progress, group.begin + group.size * DecoderShare, group.size * (1 - DecoderShare)));
      });
    summed = group.tokens.back();
    jobs.clear();
    commit.clear();
  }
}

at::Tensor RelevancyRun::attentionGradient(
  std::int64_t token, std::int64_t layer, bool visionTower) const
{
  const checkpoint::LlavaConfig& config = this->Model.config;
  ranks::Team team;
  const auto sweep = this->forward(token, team, Progress());
  const std::int64_t S = visionTower ? config.vision.tokens() : this->P + token;
  const std::int64_t heads = visionTower ? config.vision.heads : config.text.heads;
  at::Tensor all = at::zeros({ heads, S, S }, this->options());
  const auto tap = [&](std::int64_t at, std::int64_t first, const at::Tensor& gradient)
  {
    if (at == layer)
    {
      all.narrow(1, first, gradient.size(1)).narrow(2, 0, gradient.size(2)).copy_(gradient);
    }
  };
  std::vector<GradientJob> jobs{ this->logitJob(*sweep, token, token, 1) };
  if (visionTower)
  {
    sweep->decoder(jobs, {}, true, Progress());
    jobs[0].tap = tap;
    sweep->vision(jobs, {}, 0, Progress());
  }
  else
  {
    jobs[0].tap = tap;
    sweep->decoder(jobs, {}, false, Progress());
  }
  return all;
}

} // namespace lvlm::llava
