// SPDX-License-Identifier: Apache-2.0
/// @file LlavaModel.h
/// Ask a LLaVA checkpoint about a picture and get the trace of its answer. The one public header of
/// Models/Llava for that; free of Torch, so that VTK filters (and Qt) can include it.
#ifndef LVLM_LLAVA_LLAVAMODEL_H
#define LVLM_LLAVA_LLAVAMODEL_H

#include "Models/Checkpoint/ModelConfig.h"
#include "Models/Picture/ImageProcessor.h"
#include "Models/Ranks/LayerShare.h"
#include "Models/Trace/Error.h"
#include "Models/Trace/Trace.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace lvlm::ranks
{
class Team;
}

namespace lvlm::llava
{

/// The type that activations have. Weights stay in their stored type on the mapped file in any
/// case.
enum class Precision
{
  Float32,  ///< as Hugging Face with torch_dtype=float32 (the default: exact, and the fastest on
            ///< CPUs)
  BFloat16, ///< as Hugging Face with torch_dtype=bfloat16
  Float64   ///< every number, those too that Hugging Face keeps in float32: the reference of the
            ///< others
};

struct ModelOptions
{
  Precision precision = Precision::Float32;
  std::string device = "cpu"; ///< "cpu", "cuda", "cuda:1" ...
  int threads = 0;            ///< 0: standardThreads(), or 1 for a tiny model
  /// Of a parallel run: which of how many contiguous parts of the layers this process runs. Rank 0
  /// has the vision tower too, the last one with layers the output projection.
  int rank = 0;
  int ranks = 1;
};

/// Everything that decides an answer, and what to keep of its attention and hidden states.
struct Question
{
  std::vector<picture::RgbImage> images; ///< at least one; all are of one question, in their order
  std::string prompt;
  std::string system;
  std::string chatTemplate; ///< name, or free-form text; empty: the checkpoint's own
  picture::ImageMode imageMode = picture::ImageMode::Default;
  std::int64_t maxNewTokens = 64;
  double temperature = 0; ///< 0: greedy
  double topP = 1;
  std::uint64_t seed = 0;
  std::int64_t alternatives = 5; ///< k of `answer.topk_*`
  bool captureAnswer = true;     ///< `attention.answer` of all layers
  bool captureVision = false;    ///< `attention.vision` of the used layers, first picture
  bool captureLogits = false;    ///< a further tensor `answer.logits` [T, V], float32
  /// Layers of `attention.full`; negative ones count from the end; empty: none.
  std::vector<std::int64_t> fullLayers{ -1 };
  bool captureHidden = false; ///< `hidden.states` of `hiddenLayers`, bfloat16 where computed in it
  bool captureLens = false;   ///< `lens.*` of `hiddenLayers`: the `alternatives` best words
  /// 0: the embeddings, l: after l layers; negative ones count from the last, before the final
  /// norm; empty: all of them.
  std::vector<std::int64_t> hiddenLayers;
};

/// What one question costs this rank at the longest answer, in bytes, at most and within a fifth:
/// anonymous memory; mapped weights are the file cache's.
struct QuestionCost
{
  std::size_t attentionAnswer = 0;
  std::size_t attentionFull = 0;
  std::size_t attentionVision = 0;
  std::size_t hidden = 0;  ///< hidden states, kept or only looked at for the lens
  std::size_t lens = 0;    ///< its words, and what is needed beside the hidden states to find them
  std::size_t cache = 0;   ///< keys and values
  std::size_t buffers = 0; ///< a layer over the whole prompt, weights in the compute type
  std::size_t picture = 0; ///< the pictures as they were given, and resized
  std::size_t total() const
  {
    return this->attentionAnswer + this->attentionFull + this->attentionVision + this->cache +
      this->hidden + this->lens + this->buffers + this->picture;
  }
};

/// Virtual functions, so that whoever loads the library while running can call them (Library.h).
class LlavaModel
{
public:
  /// Opens a checkpoint folder; a model that is open already (same folder, precision, device, rank,
  /// unchanged files) is shared. Maps the weights and checks the shapes of those that this rank
  /// uses; reads none of them but norms and biases. Throws Error.
  static std::shared_ptr<const LlavaModel> open(
    const std::string& directory, const ModelOptions& options = ModelOptions());

  /// Throws Error, as open() does; use that, which shares models.
  LlavaModel(const std::string& directory, const ModelOptions& options);
  virtual ~LlavaModel();
  LlavaModel(const LlavaModel&) = delete;
  LlavaModel& operator=(const LlavaModel&) = delete;

  virtual const checkpoint::LlavaConfig& config() const;
  virtual const std::string& directory() const;
  virtual const ModelOptions& options() const;
  /// The decoder layers that this rank runs.
  virtual LayerSpan span() const;
  /// One line for people: layers, heads, grid, size and type of the weights.
  virtual std::string description() const;

  /// P: positions of a question's prompt, image tokens included; without pictures those of one, the
  /// largest that the model reads. Throws Error as ask() does for a bad prompt.
  virtual std::int64_t promptLength(const Question& question) const;

  /// Cost of a question whose prompt has P positions. Throws Error for layers out of range.
  virtual QuestionCost cost(const Question& question, std::int64_t promptLength) const;

  /// Runs the model. May be called from several threads. Throws Error, and Aborted when `progress`
  /// says so.
  ///
  /// In a parallel run all ranks ask the same question at the same time, over `ranks`; the pictures
  /// and `progress` are rank 0's. Each gets the whole trace but of the decoder's attention and
  /// hidden states those of its own layers, and the attention of the tower on rank 0. What one of
  /// them throws is thrown on all.
  virtual Trace ask(const Question& question, const Progress& progress = Progress()) const;
  virtual Trace ask(const Question& question, const Progress& progress, ranks::Team& team) const;

  struct Impl;
  /// The parts, for code inside Models/Llava and its tests.
  const Impl& impl() const { return *this->Self; }

private:
  std::unique_ptr<Impl> Self;
};

} // namespace lvlm::llava

#endif
