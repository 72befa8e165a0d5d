// SPDX-License-Identifier: Apache-2.0
#include "Relevancy.h"

#include "Runtime.h"

#include "Models/Llava/Relevancy/RelevancyRun.h"

#include <algorithm>
#include <numeric>

namespace lvlm::llava
{

namespace
{
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
Values jointTokenMap(
  const TokenRelevancy& token, std::int64_t imageStart, std::int64_t position, bool normalize)
{
  const Values& v = token.vision;
  Values patches(v.size() - 1);
  double first = v[0];
  for (std::size_t i = 0; i < patches.size(); ++i)
  {
    const auto key = static_cast<std::size_t>(imageStart) + i;
    // The row of R itself: its 1 is a patch's where the image ends the prompt.
    const double w = token.decoder[key] + (key == static_cast<std::size_t>(position) ? 1 : 0);
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

}

struct Relevancy::Impl
{
  RelevancyRun run;
  std::map<std::pair<RelevancyMode, double>, RelevancyRun::Results>
    known; ///< by mode and temperature

  Impl(std::shared_ptr<const LlavaModel> model, const Trace& trace) : run(std::move(model), trace)
  {
  }

  void complete(RelevancyRun::Results& results, const std::vector<std::int64_t>& tokens,
    const RelevancyOptions& options, double temperature, ranks::RankTeam& team,
    const Progress& progress) const;
};

/// Computes what is not known yet of these tokens.
void Relevancy::Impl::complete(RelevancyRun::Results& results,
  const std::vector<std::int64_t>& tokens, const RelevancyOptions& options, double temperature,
  ranks::RankTeam& team, const Progress& progress) const
{
  const bool vision = options.vision || options.joint || options.jointToken;
  RelevancyRun::Tokens missing;
  for (const std::int64_t token : tokens)
  {
    const auto found = results.find(token);
    if (found == results.end() || (vision && found->second.vision.empty()) ||
      (options.joint && found->second.joint.empty()))
    {
      missing.push_back(token);
    }
  }
  std::sort(missing.begin(), missing.end());
  missing.erase(std::unique(missing.begin(), missing.end()), missing.end());
  if (missing.empty())
  {
    return;
  }
  auto fresh = translated(
    [&]
    {
      const at::NoGradGuard guard;
      useThreads(this->run.model().options.threads);
      return options.mode == RelevancyMode::Compatible
        ? this->run.compatible(missing, vision, options.joint, temperature, team, progress)
        : this->run.exact(missing, vision, options.joint, team, progress);
    });
  for (auto& [token, result] : fresh)
  {
    results[token] = std::move(result);
  }
}

Relevancy::Relevancy(std::shared_ptr<const LlavaModel> model, const Trace& trace)
  : Self(std::make_unique<Impl>(std::move(model), trace))
{
}

Relevancy::~Relevancy() = default;

RelevancyMaps Relevancy::compute(const std::vector<std::int64_t>& tokens,
  const RelevancyOptions& options, const Progress& progress)
{
  ranks::SingleRank alone;
  return this->compute(tokens, options, progress, alone);
}

RelevancyMaps Relevancy::compute(const std::vector<std::int64_t>& tokens,
  const RelevancyOptions& options, const Progress& progress, ranks::RankChannel& ranks)
{
  Impl& self = *this->Self;
  if (!(options.temperature >= 0 && options.temperature <= 1e6))
  {
    fail("temperature ", options.temperature, " is not in [0, 1e6]");
  }
  const bool compatible = options.mode == RelevancyMode::Compatible;
  const double temperature = compatible && options.temperature > 0 ? options.temperature : 1;
  RelevancyMaps maps;
  for (const std::int64_t token : tokens)
  {
    maps.tokens.push_back(self.run.resolve(token));
  }
  if (tokens.empty())
  {
    maps.tokens.resize(static_cast<std::size_t>(self.run.answerLength()));
    std::iota(maps.tokens.begin(), maps.tokens.end(), 0);
  }
  RelevancyRun::Results& known = self.known[{ options.mode, temperature }];
  ranks::RankTeam team(ranks);
  self.complete(known, maps.tokens, options, temperature, team, progress);
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
    auto token = maps.tokens.begin();
    maps.jointToken = stacked(found,
      [&](const TokenRelevancy& t)
      { return jointTokenMap(t, self.run.imageStart(), self.run.position(*token++), normalize); });
  }
  team.together(
    [&]
    {
      if (team.isFirst())
      {
        report(progress, 1, "Done");
      }
    });
  return maps;
}

Tensor Relevancy::attentionGradient(std::int64_t token, std::int64_t layer, bool visionTower)
{
  const RelevancyRun& run = this->Self->run;
  const std::int64_t t = run.resolve(token);
  const std::int64_t layers =
    visionTower ? run.model().vision.layers() : run.model().decoder.layers();
  if (layer < -layers || layer >= layers)
  {
    fail("layer ", layer, " is out of range: there are layers 0 to ", layers - 1);
  }
  return translated(
    [&]
    {
      const at::NoGradGuard guard;
      useThreads(run.model().options.threads);
      const at::Tensor gradient =
        run.attentionGradient(t, layer < 0 ? layer + layers : layer, visionTower);
      const Values values = valuesOf(gradient);
      return gradient.scalar_type() == at::kDouble
        ? Tensor::of(values, gradient.sizes().vec())
        : Tensor::of(std::vector<float>(values.begin(), values.end()), gradient.sizes().vec());
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

} // namespace lvlm::llava
