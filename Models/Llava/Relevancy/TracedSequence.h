// SPDX-License-Identifier: Apache-2.0
/// @file TracedSequence.h
/// A trace as the sequence that its model reads. Internal to Models/Llava.
#ifndef LVLM_LLAVA_TRACEDSEQUENCE_H
#define LVLM_LLAVA_TRACEDSEQUENCE_H

#include "Models/Llava/Network/LlavaModelImpl.h"

namespace lvlm::llava
{

class TracedSequence
{
public:
  /// Throws Error when the trace cannot be the model's: picture size, vocabulary, image span, grid.
  TracedSequence(const LlavaModel::Impl& model, const Trace& trace);

  std::int64_t promptLength() const { return this->P; }
  std::int64_t answerLength() const
  {
    return static_cast<std::int64_t>(this->Ids.size()) - this->P;
  }
  /// K, the positions that were ever fed to the decoder.
  std::int64_t keys() const { return static_cast<std::int64_t>(this->Ids.size()) - 1; }
  std::int64_t featureStart() const { return this->FeatureStart; } ///< first image position
  std::int64_t imageStart() const { return this->ImageStart; }     ///< first patch
  /// Of the query that predicts an answer token.
  std::int64_t position(std::int64_t token) const { return this->P - 1 + token; }
  std::int64_t answerId(std::int64_t token) const
  {
    return this->Ids[static_cast<std::size_t>(this->P + token)];
  }
  /// Of positions [0, S), 0 where the picture's features go.
  std::vector<std::int64_t> ids(std::int64_t S) const;
  const picture::RgbImage& picture() const { return this->Seen; }
  bool hasLogprobs() const { return !this->Logprob.empty(); }
  /// Throws Error when an answer token's log-probability is not the recorded one any more.
  void checkLogprob(std::int64_t token, double now) const;

private:
  void checkIds(const std::string& where) const;
  void takePicture(const std::string& where, const Trace& trace);

  const LlavaModel::Impl& Model;
  std::string TraceModel; ///< the trace's name of its model, for errors
  std::vector<std::int64_t> Ids;
  std::int64_t P;
  std::int64_t ImageStart;
  std::int64_t FeatureStart;
  picture::RgbImage Seen;
  std::vector<float> Logprob; ///< empty when the trace has none
  double LogprobTolerance;
};

} // namespace lvlm::llava

#endif
