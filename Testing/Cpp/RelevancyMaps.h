// SPDX-License-Identifier: Apache-2.0
/// @file RelevancyMaps.h
/// Relevancy as the filter gives it: through the cache, divided by its totals, in float32.
#ifndef LVLM_TESTING_RELEVANCYMAPS_H
#define LVLM_TESTING_RELEVANCYMAPS_H

#include "Models/Llava/Relevancy.h"
#include "Models/Ranks/Team.h"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace lvlm_test
{

struct RelevancyOptions : lvlm::llava::RelevancyOptions
{
  bool normalize = true;
};

/// The maps of n answer tokens; what was not asked for is empty.
struct RelevancyMaps
{
  std::vector<std::int64_t> tokens;                ///< [n] as asked for
  lvlm::Tensor decoder, vision, joint, jointToken; ///< f32 [n, K] and [n, rows*cols]
};

class Relevancy
{
public:
  Relevancy(std::shared_ptr<const lvlm::llava::LlavaModel> model, const lvlm::Trace& trace)
    : Model(std::move(model)), Trace(trace)
  {
  }

  RelevancyMaps compute(const std::vector<std::int64_t>& tokens, const RelevancyOptions& options,
    const lvlm::Progress& progress = {})
  {
    lvlm::ranks::Team alone;
    return this->compute(tokens, options, progress, alone);
  }

  RelevancyMaps compute(const std::vector<std::int64_t>& tokens, const RelevancyOptions& options,
    const lvlm::Progress& progress, lvlm::ranks::Team& team)
  {
    const std::int64_t T = this->Trace.answerLength();
    RelevancyMaps maps;
    for (const std::int64_t token : tokens)
    {
      maps.tokens.push_back(token < 0 && token >= -T ? token + T : token);
    }
    for (std::int64_t t = 0; tokens.empty() && t < T; ++t)
    {
      maps.tokens.push_back(t);
    }
    const std::string kind = std::to_string(static_cast<int>(options.mode)) + " " +
      std::to_string(options.temperature) + (options.tower ? " all" : " decoder");
    const lvlm::AnswerMaps found = this->Cache.get({ this->Model, kind }, maps.tokens,
      [&](const lvlm::Indices& missing)
      {
        return lvlm::llava::relevancyMaps(
          *this->Model, this->Trace, missing, options, progress, team);
      });
    maps.decoder = stacked(found, maps.tokens, "relevancy.decoder", options.normalize);
    maps.vision = stacked(found, maps.tokens, "relevancy.vision", options.normalize);
    maps.joint = stacked(found, maps.tokens, "relevancy.joint", options.normalize);
    maps.jointToken = stacked(found, maps.tokens, "relevancy.joint_token", options.normalize);
    return maps;
  }

private:
  static lvlm::Tensor stacked(const lvlm::AnswerMaps& maps, const std::vector<std::int64_t>& tokens,
    const char* name, bool normalize)
  {
    std::vector<float> all;
    for (const std::int64_t token : tokens)
    {
      if (maps.at(token).count(name) != 0)
      {
        const std::vector<float> row =
          lvlm::meanMap({ { token, maps.at(token) } }, name, normalize);
        all.insert(all.end(), row.begin(), row.end());
      }
    }
    const auto n = static_cast<std::int64_t>(tokens.size());
    return all.empty() ? lvlm::Tensor()
                       : lvlm::Tensor::of(all, { n, static_cast<std::int64_t>(all.size()) / n });
  }

  std::shared_ptr<const lvlm::llava::LlavaModel> Model;
  lvlm::Trace Trace;
  lvlm::RelevancyCache Cache;
};

} // namespace lvlm_test

#endif
