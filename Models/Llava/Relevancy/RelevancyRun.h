// SPDX-License-Identifier: Apache-2.0
/// @file RelevancyRun.h
/// One trace on its model: that they belong together, and the sweeps of the two modes. Internal to
/// Models/Llava.
#ifndef LVLM_LLAVA_RELEVANCYRUN_H
#define LVLM_LLAVA_RELEVANCYRUN_H

#include "RelevancySweep.h"

#include "Models/Llava/Relevancy.h"

#include <functional>
#include <map>

namespace lvlm::llava
{

/// Gradients that are on their way together.
inline constexpr std::int64_t RelevancyGroupBytes = 256 << 20;

using Values = std::vector<double>;

Values valuesOf(const at::Tensor& tensor);

/// What one token's maps are made of, before normalization. `vision` and `joint` may not have been
/// computed.
struct TokenRelevancy
{
  Values decoder; ///< [K] row of R - I
  Values vision;  ///< [Nv] row CLS of the tower's product, identity included
  Values joint;   ///< [rows*cols] that row times the decoder's image block
};

class RelevancyRun
{
public:
  using Tokens = std::vector<std::int64_t>; ///< sorted, each once
  using Results = std::map<std::int64_t, TokenRelevancy>;

  /// Throws Error when the trace cannot be the model's.
  RelevancyRun(std::shared_ptr<const LlavaModel> model, const Trace& trace);

  const LlavaModel::Impl& model() const { return this->Model; }
  std::int64_t answerLength() const { return this->T; }
  std::int64_t imageStart() const { return this->ImageStart; }
  /// Of the query that predicts an answer token.
  std::int64_t position(std::int64_t token) const { return this->P - 1 + token; }
  /// A token as a number from 0 on. Throws Error when it is out of range.
  std::int64_t resolve(std::int64_t token) const;

  /// All ranks of the team together; all get the results.
  Results exact(const Tokens& tokens, bool vision, bool joint, ranks::RankTeam& team,
    const Progress& progress) const;
  Results compatible(const Tokens& tokens, bool vision, bool joint, double temperature,
    ranks::RankTeam& team, const Progress& progress) const;
  /// dz/dA of one layer: [heads, S, S]. On one rank alone.
  at::Tensor attentionGradient(std::int64_t token, std::int64_t layer, bool visionTower) const;

private:
  void checkIds(const std::string& where, const Trace& trace);
  void checkPicture(const std::string& where, const Trace& trace);
  void checkTeam(const ranks::RankTeam& team) const;
  void checkMemory(std::int64_t S) const;
  void checkLogprobs(RelevancySweep& sweep, std::int64_t lastToken) const;
  std::int64_t patches() const { return this->Model.config.vision.patches(); }
  at::TensorOptions options() const;
  SweepInput sweepInput(std::int64_t lastToken) const;
  std::unique_ptr<RelevancySweep> forward(
    std::int64_t lastToken, ranks::RankTeam& team, const Progress& progress) const;
  std::size_t groupSize(std::int64_t S, bool squares) const;
  at::Tensor unitRow(std::int64_t width, std::int64_t at) const;
  RelevancyRows imageBlock() const;
  GradientJob logitJob(
    RelevancySweep& sweep, std::int64_t from, std::int64_t to, double factor) const;
  void exactGroup(RelevancySweep& sweep, const Tokens& tokens, std::int64_t S, bool vision,
    bool joint, Results& results, const Progress& progress) const;
  void fromFirst(ranks::RankTeam& team, const Tokens& tokens, Results& results,
    const std::function<void()>& work) const;
  void summedVision(RelevancySweep& sweep, const Tokens& tokens, std::vector<GradientJob> jobs,
    std::vector<RelevancyRows*> commit, const RelevancyRows* block, double factor, Results& results,
    const Progress& progress) const;
  void finishVision(RelevancySweep& sweep, std::vector<GradientJob>& jobs,
    const std::vector<const RelevancyRows*>& blocks, const Tokens& tokens, std::int64_t skippedFrom,
    Results& results, const Progress& progress) const;

  std::shared_ptr<const LlavaModel> Owner;
  const LlavaModel::Impl& Model;
  std::string TraceModel; ///< the trace's name of its model, for errors
  std::vector<std::int64_t> Ids;
  std::vector<float> Logprob; ///< empty when the trace has none
  picture::RgbImage Seen;
  std::int64_t P, T;
  std::int64_t FeatureStart = 0; ///< first image position
  std::int64_t ImageStart;       ///< first patch
  double LogprobTolerance = 0;
};

} // namespace lvlm::llava

#endif
