// SPDX-License-Identifier: Apache-2.0
#include "Relevancy.h"

#include "RelevancySweep.h"
#include "Runtime.h"

#include <algorithm>
#include <deque>
#include <numeric>

namespace lvlm
{

namespace
{
/// Gradients that are on their way together.
constexpr std::int64_t GroupBytes = 256 << 20;

using Values = std::vector<double>;

/// What one token's maps are made of, before normalization. `vision` and `joint` may not have been
/// computed.
struct TokenRelevancy
{
  Values decoder; ///< [K] row of R - I
  Values vision;  ///< [Nv] row CLS of the tower's product, identity included
  Values joint;   ///< [rows*cols] that row times the decoder's image block
};

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

/// Equations 8-9: divided by the row's sum, where that is not 0.
void scaleRow(Values& values, double total)
{
  for (double& value : values)
  {
    value = total == 0 ? value : value / total;
  }
}

/// Row CLS of R_vision times a start matrix whose row CLS is `first` and whose patches give
/// `patches`.
Values visionMap(Values patches, double first, bool normalize)
{
  if (normalize)
  {
    const double total = first - 1 + sumOf(patches);
    scaleRow(patches, total);
  }
  return patches;
}

/// LVLM-Interpret's `all_v2`: the tower's product times (I + w in row and column CLS).
Values jointTokenMap(const TokenRelevancy& token, std::int64_t imageStart, bool normalize)
{
  const Values& v = token.vision;
  Values patches(v.size() - 1);
  double first = v[0];
  for (std::size_t i = 0; i < patches.size(); ++i)
  {
    const double w = token.decoder[static_cast<std::size_t>(imageStart) + i];
    patches[i] = v[i + 1] + v[0] * w;
    first += v[i + 1] * w;
  }
  return visionMap(std::move(patches), first, normalize);
}

Values visionOnly(const TokenRelevancy& token, bool normalize)
{
  return visionMap(
    Values(token.vision.begin() + 1, token.vision.end()), token.vision[0], normalize);
}

Values decoderMap(const TokenRelevancy& token, bool normalize)
{
  Values row = token.decoder;
  if (normalize)
  {
    scaleRow(row, sumOf(row));
  }
  return row;
}

/// One map a token, stacked to f32 [n, width].
template <typename Map>
Tensor stacked(const std::vector<const TokenRelevancy*>& tokens, Map&& map)
{
  std::vector<float> all;
  std::int64_t width = 0;
  for (const TokenRelevancy* token : tokens)
  {
    const Values row = map(*token);
    width = static_cast<std::int64_t>(row.size());
    all.insert(all.end(), row.begin(), row.end());
  }
  return Tensor::of(all, { static_cast<std::int64_t>(tokens.size()), width });
}

Progress part(const Progress& progress, double from, double size)
{
  return [&progress, from, size](double fraction, const std::string& text)
  { return !progress || progress(from + size * fraction, text); };
}

std::string tokenName(std::int64_t token)
{
  return "answer token " + std::to_string(token);
}
}

struct Relevancy::Impl
{
  std::shared_ptr<const LlavaModel> Owner;
  const LlavaModel::Impl& Model;
  std::string TraceModel; ///< the trace's name of its model, for errors
  std::vector<std::int64_t> Ids;
  std::vector<float> Logprob; ///< empty when the trace has none
  RgbImage Seen;
  std::int64_t P, T, FeatureStart, ImageStart;
  double LogprobTolerance;
  std::map<std::pair<RelevancyMode, double>, std::map<std::int64_t, TokenRelevancy>> Known;

  Impl(std::shared_ptr<const LlavaModel> model, const Trace& trace);

  std::int64_t patches() const { return this->Model.config.vision.patches(); }
  at::ScalarType type() const { return gradientType(this->Model.weights.type()); }
  at::TensorOptions options() const
  {
    return at::TensorOptions(this->type()).device(this->Model.weights.device());
  }
  std::int64_t resolve(std::int64_t token) const;
  void checkMemory(std::int64_t S) const;
  std::unique_ptr<RelevancySweep> forward(std::int64_t lastToken, const Progress& progress) const;
  std::size_t groupSize(std::int64_t S, bool squares) const;

  using Tokens = std::vector<std::int64_t>; // sorted, each once
  using Results = std::map<std::int64_t, TokenRelevancy>;
  Results exact(const Tokens& tokens, bool vision, bool joint, const Progress& progress) const;
  Results compatible(const Tokens& tokens, bool vision, bool joint, double temperature,
    const Progress& progress) const;

  at::Tensor unitRow(std::int64_t width, std::int64_t at) const;
  RelevancyRows imageBlock() const;
  GradientJob logitJob(
    RelevancySweep& sweep, std::int64_t from, std::int64_t to, double factor) const;
  void finishVision(RelevancySweep& sweep, std::vector<GradientJob>& jobs,
    const std::vector<const RelevancyRows*>& blocks, const std::vector<std::int64_t>& tokens,
    std::int64_t skippedFrom, Results& results, const Progress& progress) const;
};

Relevancy::Impl::Impl(std::shared_ptr<const LlavaModel> model, const Trace& trace)
  : Owner(std::move(model)), Model(this->Owner->impl()), TraceModel(trace.model),
    P(trace.promptLength), T(trace.answerLength()), ImageStart(trace.imageStart)
{
  namespace tn = tensor_name;
  trace.validate();
  const LlavaConfig& config = this->Model.config;
  const std::string where =
    "the trace of model '" + trace.model + "' does not fit " + this->Model.directory + ": ";
  if (this->P < 1 || this->T < 1)
  {
    fail(where, "a prompt of ", this->P, " positions and an answer of ", this->T, " tokens");
  }
  const Tensor& ids = trace.tensor(tn::TokenId);
  this->Ids.assign(ids.as<std::int64_t>(), ids.as<std::int64_t>() + ids.count());
  for (const std::int64_t id : this->Ids)
  {
    if (id != config.imageTokenId && (id < 0 || id >= config.text.vocabulary))
    {
      fail(where, "token id ", id, " is outside its vocabulary of ", config.text.vocabulary);
    }
  }
  const auto first = std::find(this->Ids.begin(), this->Ids.begin() + this->P, config.imageTokenId);
  this->FeatureStart = first - this->Ids.begin();
  const std::int64_t images =
    std::count(this->Ids.begin(), this->Ids.begin() + this->P, config.imageTokenId);
  const std::int64_t wanted = config.imageTokens();
  if (images != wanted || this->FeatureStart + wanted > this->P ||
    !std::all_of(
      first, first + wanted, [&](std::int64_t id) { return id == config.imageTokenId; }) ||
    this->ImageStart != this->FeatureStart + (config.dropClassToken ? 0 : 1))
  {
    fail(where, images, " positions of image token ", config.imageTokenId, " from position ",
      this->FeatureStart, ", image_start ", this->ImageStart, "; the model needs ", wanted,
      " in one piece");
  }
  const std::int64_t edge = config.vision.gridEdge();
  if (trace.grid.rows != edge || trace.grid.cols != edge)
  {
    fail(where, "a grid of ", trace.grid.rows, " x ", trace.grid.cols, " patches, the model has ",
      edge, " x ", edge);
  }
  const Tensor& image = trace.tensor(tn::Image);
  const std::int64_t size = config.vision.imageSize;
  if (image.shape != std::vector<std::int64_t>{ size, size, 3 })
  {
    fail(
      where, "a picture of shape ", shapeText(image.shape), ", the model sees ", size, " x ", size);
  }
  this->Seen.width = this->Seen.height = size;
  this->Seen.pixels.assign(image.as<std::uint8_t>(), image.as<std::uint8_t>() + image.count());
  if (trace.has(tn::AnswerLogprob))
  {
    this->Logprob.resize(static_cast<std::size_t>(this->T));
    trace.tensor(tn::AnswerLogprob).toFloat(0, this->T, this->Logprob.data());
  }
  // float32 reproduces itself on other machines to 1e-3 in the logits; bfloat16 has 8 bits.
  const auto recorded = trace.extra.find("precision");
  const bool coarse = this->Model.options.precision == Precision::BFloat16 ||
    (recorded != trace.extra.end() && recorded->second == "BFloat16");
  this->LogprobTolerance = coarse ? 0.5 : 0.01;
}

std::int64_t Relevancy::Impl::resolve(std::int64_t token) const
{
  if (token < -this->T || token >= this->T)
  {
    fail("answer token ", token, " is out of range: the answer has tokens 0 to ", this->T - 1);
  }
  return token < 0 ? token + this->T : token;
}

void Relevancy::Impl::checkMemory(std::int64_t S) const
{
  const TextConfig& text = this->Model.config.text;
  const VisionConfig& vision = this->Model.config.vision;
  const auto element = static_cast<std::int64_t>(c10::elementSize(this->type()));
  const std::int64_t inputs = (text.layers + 1) * S * text.hidden +
    (this->Model.config.visionLayersUsed + 1) * vision.tokens() * vision.hidden;
  const std::int64_t layer = S * (16 * text.hidden + 6 * text.intermediate) +
    text.hidden * (2 * text.heads + 2 * text.keyValueHeads) * text.headSize +
    3 * text.hidden * text.intermediate;
  const auto needed = static_cast<std::size_t>((inputs + layer) * element + 2 * GroupBytes);
  if (const std::size_t available = availableMemory(); needed > available)
  {
    fail("relevancy over ", S, " positions needs about ", byteText(needed), " of memory, ",
      byteText(available), " are available");
  }
}

std::unique_ptr<RelevancySweep> Relevancy::Impl::forward(
  std::int64_t lastToken, const Progress& progress) const
{
  SweepInput input;
  const std::int64_t S = this->P + lastToken;
  this->checkMemory(S);
  input.ids.assign(this->Ids.begin(), this->Ids.begin() + S);
  const auto first = input.ids.begin() + this->FeatureStart;
  std::fill(
    first, first + this->Model.config.imageTokens(), 0); // the image token itself may have no row
  input.featureStart = this->FeatureStart;
  input.pixels = this->Model.pixels(this->Seen);
  auto sweep = std::make_unique<RelevancySweep>(this->Model, std::move(input));
  sweep->forward(progress);
  const LogitGradient logits(this->Model.decoder, sweep->top(this->P - 1), sweep->workspace());
  for (std::int64_t t = 0; t <= lastToken && !this->Logprob.empty(); ++t)
  {
    const double recorded = this->Logprob[static_cast<std::size_t>(t)];
    const double now = logits.logprob(t, this->Ids[static_cast<std::size_t>(this->P + t)]);
    if (!(std::abs(recorded - now) <= this->LogprobTolerance * (1 + 0.1 * std::abs(recorded))))
    {
      fail("the trace was not made by the model in ", this->Model.directory,
        " as it is now: ", tokenName(t), " has log-probability ", recorded,
        " in the trace of model '", this->TraceModel, "' and ", now, " here");
    }
  }
  return sweep;
}

std::size_t Relevancy::Impl::groupSize(std::int64_t S, bool squares) const
{
  const std::int64_t numbers =
    S * this->Model.config.text.hidden + (squares ? 2 * this->patches() * this->patches() : 0);
  const std::int64_t bytes = numbers * static_cast<std::int64_t>(c10::elementSize(this->type()));
  return static_cast<std::size_t>(
    std::max<std::int64_t>(1, GroupBytes / std::max<std::int64_t>(1, bytes)));
}

at::Tensor Relevancy::Impl::unitRow(std::int64_t width, std::int64_t at) const
{
  // float64: the identity must not swallow the digits of a small relevancy.
  at::Tensor row = at::zeros({ 1, width }, this->options().dtype(at::kDouble));
  row[0][at] = 1;
  return row;
}

RelevancyRows Relevancy::Impl::imageBlock() const
{
  // Attention is causal and the image one span, so paths between patches never leave it.
  return { at::eye(this->patches(), this->options()), this->ImageStart };
}

GradientJob Relevancy::Impl::logitJob(
  RelevancySweep& sweep, std::int64_t from, std::int64_t to, double factor) const
{
  const LogitGradient logits(this->Model.decoder, sweep.top(this->P - 1), sweep.workspace());
  std::vector<at::Tensor> rows;
  for (std::int64_t t = from; t <= to; ++t)
  {
    rows.push_back(logits.back(t, this->Ids[static_cast<std::size_t>(this->P + t)]) * factor);
  }
  GradientJob job;
  job.name = tokenName(to);
  job.gradient = at::cat(rows, 0); // [to - from + 1, D]
  job.first = this->P - 1 + from;
  return job;
}

void Relevancy::Impl::finishVision(RelevancySweep& sweep, std::vector<GradientJob>& jobs,
  const std::vector<const RelevancyRows*>& blocks, const std::vector<std::int64_t>& tokens,
  std::int64_t skippedFrom, Results& results, const Progress& progress) const
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

namespace
{
/// Row of R - I, padded to the keys of the whole answer.
Values decoderRow(const at::Tensor& row, std::int64_t position, std::int64_t keys)
{
  Values values = valuesOf(row);
  values[static_cast<std::size_t>(position)] -= 1;
  values.resize(static_cast<std::size_t>(keys), 0.0);
  return values;
}
}

Relevancy::Impl::Results Relevancy::Impl::exact(
  const Tokens& tokens, bool vision, bool joint, const Progress& progress) const
{
  Results results;
  const auto sweep = this->forward(tokens.back(), part(progress, 0, 0.1));
  const std::int64_t S = this->P + tokens.back();
  const std::size_t group = this->groupSize(S, joint);
  for (std::size_t from = 0; from < tokens.size(); from += group)
  {
    const Tokens some(tokens.begin() + static_cast<std::ptrdiff_t>(from),
      tokens.begin() + static_cast<std::ptrdiff_t>(std::min(tokens.size(), from + group)));
    std::vector<GradientJob> jobs;
    std::deque<RelevancyRows> rows, blocks;
    std::vector<RelevancyRows*> commit;
    std::vector<const RelevancyRows*> blockOf;
    for (const std::int64_t t : some)
    {
      jobs.push_back(this->logitJob(*sweep, t, t, 1));
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
    const double begin = 0.1 + 0.9 * static_cast<double>(from) / static_cast<double>(tokens.size());
    const double size = 0.9 * static_cast<double>(some.size()) / static_cast<double>(tokens.size());
    sweep->decoder(jobs, commit, vision, part(progress, begin, size * (vision ? 0.6 : 1)));
    for (std::size_t i = 0; i < some.size(); ++i)
    {
      results[some[i]].decoder =
        decoderRow(rows[i].rows(), this->P - 1 + some[i], this->P + this->T - 1);
    }
    if (vision)
    {
      this->finishVision(*sweep, jobs, blockOf, some, this->Model.vision.layers(), results,
        part(progress, begin + size * 0.6, size * 0.4));
    }
  }
  return results;
}

Relevancy::Impl::Results Relevancy::Impl::compatible(
  const Tokens& tokens, bool vision, bool joint, double temperature, const Progress& progress) const
{
  const double factor = 1 / temperature;
  const std::int64_t last = tokens.back(), S = this->P + last;
  const auto sweep = this->forward(last, part(progress, 0, 0.1));
  // All tokens have the same C: rows of the prompt from token 0, each later row from its own token.
  std::vector<at::Tensor> units;
  for (const std::int64_t t : tokens)
  {
    units.push_back(this->unitRow(S, this->P - 1 + t));
  }
  RelevancyRows rows(at::cat(units, 0), 0); // [n, S]
  RelevancyRows block = joint ? this->imageBlock() : RelevancyRows();
  std::vector<RelevancyRows*> commit{ &rows };
  std::vector<GradientJob> jobs;
  jobs.push_back(this->logitJob(*sweep, 0, 0, factor));
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
  // The picture's gradient summed over tokens 0..t: token 0's, and one sweep for each step from one
  // wanted token to the next.
  Results results;
  at::Tensor sum; // [patches, Dt]
  const std::size_t group = this->groupSize(S, false);
  for (std::size_t from = 0; from < tokens.size(); from += group)
  {
    const std::size_t to = vision ? std::min(tokens.size(), from + group) : tokens.size();
    const std::size_t shared = jobs.size(); // token 0 and the own rows, in the first group
    for (std::size_t i = from; vision && i < to; ++i)
    {
      const std::int64_t before = i == 0 ? 0 : tokens[i - 1];
      if (tokens[i] > before)
      {
        jobs.push_back(this->logitJob(*sweep, before + 1, tokens[i], factor));
      }
    }
    const double begin = 0.1 + 0.9 * static_cast<double>(from) / static_cast<double>(tokens.size());
    const double size = 0.9 * static_cast<double>(to - from) / static_cast<double>(tokens.size());
    sweep->decoder(jobs, commit, vision, part(progress, begin, size * (vision ? 0.6 : 1)));
    commit.clear();
    for (std::size_t i = 0; from == 0 && i < tokens.size(); ++i)
    {
      results[tokens[i]].decoder =
        decoderRow(rows.rows().narrow(0, static_cast<std::int64_t>(i), 1), this->P - 1 + tokens[i],
          this->P + this->T - 1);
    }
    if (!vision)
    {
      break;
    }
    sum = from == 0 ? jobs[0].gradient : sum;
    std::vector<GradientJob> seen;
    std::size_t next = shared;
    for (std::size_t i = from; i < to; ++i)
    {
      sum = tokens[i] > (i == 0 ? 0 : tokens[i - 1]) ? sum + jobs[next++].gradient : sum;
      seen.emplace_back();
      seen.back().name = tokenName(tokens[i]);
      seen.back().gradient = sum;
    }
    jobs.clear();
    const Tokens some(tokens.begin() + static_cast<std::ptrdiff_t>(from),
      tokens.begin() + static_cast<std::ptrdiff_t>(to));
    this->finishVision(*sweep, seen,
      std::vector<const RelevancyRows*>(some.size(), joint ? &block : nullptr), some,
      this->Model.config.vision.layers - 1, results,
      part(progress, begin + size * 0.6, size * 0.4));
  }
  return results;
}

Relevancy::Relevancy(std::shared_ptr<const LlavaModel> model, const Trace& trace)
  : Self(std::make_unique<Impl>(std::move(model), trace))
{
}

Relevancy::~Relevancy() = default;

RelevancyMaps Relevancy::compute(const std::vector<std::int64_t>& tokens,
  const RelevancyOptions& options, const Progress& progress)
{
  Impl& self = *this->Self;
  if (!(options.temperature >= 0 && options.temperature <= 1e6))
  {
    fail("temperature ", options.temperature, " is not in [0, 1e6]");
  }
  const bool compatible = options.mode == RelevancyMode::Compatible;
  const double temperature = compatible && options.temperature > 0 ? options.temperature : 1;
  const bool vision = options.vision || options.joint || options.jointToken;
  RelevancyMaps maps;
  for (const std::int64_t token : tokens)
  {
    maps.tokens.push_back(self.resolve(token));
  }
  if (tokens.empty())
  {
    maps.tokens.resize(static_cast<std::size_t>(self.T));
    std::iota(maps.tokens.begin(), maps.tokens.end(), 0);
  }
  auto& known = self.Known[{ options.mode, temperature }];
  std::vector<std::int64_t> missing;
  for (const std::int64_t token : maps.tokens)
  {
    const auto found = known.find(token);
    if (found == known.end() || (vision && found->second.vision.empty()) ||
      (options.joint && found->second.joint.empty()))
    {
      missing.push_back(token);
    }
  }
  std::sort(missing.begin(), missing.end());
  missing.erase(std::unique(missing.begin(), missing.end()), missing.end());
  if (!missing.empty())
  {
    auto results = translated(
      [&]
      {
        const at::NoGradGuard guard;
        useThreads(self.Model.options.threads);
        return compatible ? self.compatible(missing, vision, options.joint, temperature, progress)
                          : self.exact(missing, vision, options.joint, progress);
      });
    for (auto& [token, result] : results)
    {
      known[token] = std::move(result);
    }
  }
  std::vector<const TokenRelevancy*> found;
  for (const std::int64_t token : maps.tokens)
  {
    found.push_back(&known.at(token));
  }
  const bool normalize = options.normalize;
  if (options.decoder)
  {
    maps.decoder =
      stacked(found, [&](const TokenRelevancy& t) { return decoderMap(t, normalize); });
  }
  if (options.vision)
  {
    maps.vision = stacked(found, [&](const TokenRelevancy& t) { return visionOnly(t, normalize); });
  }
  if (options.joint)
  {
    maps.joint = stacked(
      found, [&](const TokenRelevancy& t) { return visionMap(t.joint, t.vision[0], normalize); });
  }
  if (options.jointToken)
  {
    maps.jointToken = stacked(
      found, [&](const TokenRelevancy& t) { return jointTokenMap(t, self.ImageStart, normalize); });
  }
  report(progress, 1, "Done");
  return maps;
}

Tensor Relevancy::attentionGradient(std::int64_t token, std::int64_t layer, bool visionTower)
{
  const Impl& self = *this->Self;
  const std::int64_t t = self.resolve(token);
  const std::int64_t layers =
    visionTower ? self.Model.vision.layers() : self.Model.decoder.layers();
  if (layer < -layers || layer >= layers)
  {
    fail("layer ", layer, " is out of range: there are layers 0 to ", layers - 1);
  }
  const std::int64_t wanted = layer < 0 ? layer + layers : layer;
  return translated(
    [&]
    {
      const at::NoGradGuard guard;
      useThreads(self.Model.options.threads);
      const auto sweep = self.forward(t, Progress());
      const std::int64_t S = visionTower ? self.Model.config.vision.tokens() : self.P + t;
      const std::int64_t heads =
        visionTower ? self.Model.config.vision.heads : self.Model.config.text.heads;
      at::Tensor all = at::zeros({ heads, S, S }, self.options());
      const auto tap = [&](std::int64_t at, std::int64_t first, const at::Tensor& gradient)
      {
        if (at == wanted)
        {
          all.narrow(1, first, gradient.size(1)).narrow(2, 0, gradient.size(2)).copy_(gradient);
        }
      };
      std::vector<GradientJob> jobs{ self.logitJob(*sweep, t, t, 1) };
      jobs[0].tap = visionTower ? decltype(jobs[0].tap)() : tap;
      sweep->decoder(jobs, {}, visionTower, Progress());
      if (visionTower)
      {
        jobs[0].tap = tap;
        sweep->vision(jobs, {}, 0, Progress());
      }
      const Values values = valuesOf(all);
      return self.type() == at::kDouble
        ? Tensor::of(values, { heads, S, S })
        : Tensor::of(std::vector<float>(values.begin(), values.end()), { heads, S, S });
    });
}

void storeRelevancy(Trace& trace, const RelevancyMaps& maps)
{
  std::vector<std::int64_t> all(static_cast<std::size_t>(trace.answerLength()));
  std::iota(all.begin(), all.end(), 0);
  if (maps.tokens != all)
  {
    fail("a trace takes the relevancy of all ", all.size(), " answer tokens in order, not of ",
      maps.tokens.size());
  }
  const auto put = [&](const char* name, const Tensor& tensor)
  {
    if (!tensor.empty())
    {
      trace.tensors[name] = tensor;
    }
  };
  put(tensor_name::RelevancyDecoder, maps.decoder);
  put(tensor_name::RelevancyVision, maps.vision);
  put(tensor_name::RelevancyJoint, maps.joint);
  put(tensor_name::RelevancyJointToken, maps.jointToken);
}

} // namespace lvlm
