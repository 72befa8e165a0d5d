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
  /// Throws Error when the trace cannot be the model's: picture sizes, vocabulary, image spans,
  /// grids.
  TracedSequence(const LlavaModel::Impl& model, const Trace& trace);

  std::int64_t promptLength() const { return this->P; }
  std::int64_t answerLength() const
  {
    return static_cast<std::int64_t>(this->Ids.size()) - this->P;
  }
  /// K, the positions that were ever fed to the decoder.
  std::int64_t keys() const { return static_cast<std::int64_t>(this->Ids.size()) - 1; }
  /// First patch of the map's region.
  std::int64_t imageStart() const { return this->ImageStart; }
  /// Of the query that predicts an answer token.
  std::int64_t position(std::int64_t token) const { return this->P - 1 + token; }
  std::int64_t answerId(std::int64_t token) const
  {
    return this->Ids[static_cast<std::size_t>(this->P + token)];
  }
  /// Of positions [0, S), 0 where the pictures' features go.
  std::vector<std::int64_t> ids(std::int64_t S) const;
  /// Where the pictures are; at least one.
  const std::vector<picture::PlacedImage>& images() const { return this->Images; }
  /// What the model sees of them.
  const std::vector<picture::SeenPicture>& pictures() const { return this->Seen; }
  /// Of the pictures as they were given, where the model reads them in tiles.
  const std::vector<picture::PictureSize>& pictureSizes() const { return this->Given; }
  const RecordedLogprobs& logprobs() const { return this->Logprobs; }

private:
  void takePictures(const std::string& where, const Trace& trace);
  void checkTiles(
    const std::string& where, const Tensor& tiles, const picture::ImageTokens& tokens) const;
  void placeImages(const std::string& where);
  void checkIds(const std::string& where) const;
  void checkRegions(const std::string& where, const Trace& trace) const;

  const LlavaModel::Impl& Model;
  std::vector<std::int64_t> Ids;
  std::int64_t P;
  std::int64_t ImageStart;
  std::vector<picture::PlacedImage> Images;
  std::vector<picture::SeenPicture> Seen;
  std::vector<picture::PictureSize> Given;
  RecordedLogprobs Logprobs;
};

} // namespace lvlm::llava

#endif
