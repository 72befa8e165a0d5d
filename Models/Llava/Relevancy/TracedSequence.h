// SPDX-License-Identifier: Apache-2.0
/// @file TracedSequence.h
/// A trace as the sequence that its model reads. Internal to Models/Llava.
#ifndef LVLM_LLAVA_TRACEDSEQUENCE_H
#define LVLM_LLAVA_TRACEDSEQUENCE_H

#include "Models/Llava/Network/LlavaModelImpl.h"

namespace lvlm::llava
{

/// The log-probabilities of a trace's answer, against those that its model gives now.
class RecordedLogprobs
{
public:
  RecordedLogprobs(const LlavaModel::Impl& model, const Trace& trace);

  bool empty() const { return this->Values.empty(); }
  /// Throws Error when an answer token's log-probability is not the recorded one any more.
  void check(std::int64_t token, double now) const;

private:
  std::string Folder, Name; ///< of the model, and the trace's name of it
  std::vector<float> Values;
  double Tolerance;
};

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
  /// First patch of the map's region.
  std::int64_t imageStart() const { return this->ImageStart; }
  /// Of the query that predicts an answer token.
  std::int64_t position(std::int64_t token) const { return this->P - 1 + token; }
  std::int64_t answerId(std::int64_t token) const
  {
    return this->Ids[static_cast<std::size_t>(this->P + token)];
  }
  /// Of positions [0, S), 0 where the picture's features go.
  std::vector<std::int64_t> ids(std::int64_t S) const;
  const picture::SeenPicture& picture() const { return this->Seen; }
  /// Of the picture as it was given, where the model reads it in tiles.
  const picture::PictureSize& pictureSize() const { return this->Given; }
  std::int64_t imageTokens() const { return this->Seen.tokens.count; }
  const RecordedLogprobs& logprobs() const { return this->Logprobs; }

private:
  void checkIds(const std::string& where) const;
  void checkRegions(const std::string& where, const Trace& trace) const;
  void takePicture(const std::string& where, const Trace& trace);

  const LlavaModel::Impl& Model;
  std::vector<std::int64_t> Ids;
  std::int64_t P;
  std::int64_t ImageStart;
  std::int64_t FeatureStart;
  picture::SeenPicture Seen;
  picture::PictureSize Given;
  RecordedLogprobs Logprobs;
};

} // namespace lvlm::llava

#endif
