// SPDX-License-Identifier: Apache-2.0
/// @file ModelConfig.h
/// The numbers of a LLaVA checkpoint folder: `config.json` and `generation_config.json`, with the
/// defaults that Hugging Face fills in for each model type.
#ifndef LVLM_CHECKPOINT_MODELCONFIG_H
#define LVLM_CHECKPOINT_MODELCONFIG_H

#include "GenerationConfig.h"

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace lvlm::checkpoint
{

/// Activation functions as Hugging Face's ACT2FN names them.
enum class Activation
{
  Gelu,      ///< exact, with erf
  GeluTanh,  ///< "gelu_new", "gelu_pytorch_tanh"
  QuickGelu, ///< x * sigmoid(1.702 x)
  Silu,
  Relu
};

/// CLIP or SigLIP vision tower.
struct VisionConfig
{
  std::string modelType = "clip_vision_model";
  std::int64_t hidden = 768;
  std::int64_t intermediate = 3072;
  std::int64_t layers = 12;
  std::int64_t heads = 12;
  std::int64_t imageSize = 224;
  std::int64_t patchSize = 32;
  double layerNormEps = 1e-5;
  Activation activation = Activation::QuickGelu;
  /// What CLIP has before its first layer: a CLS token ahead of the patches and a norm of all;
  /// SigLIP has neither, but a bias of the patches' convolution.
  bool classToken = true;
  bool preNorm = true;
  bool patchBias = false;

  std::int64_t gridEdge() const { return this->imageSize / this->patchSize; }
  /// Pixels of an edge that the patches cover: the strided convolution ignores what remains.
  std::int64_t seenEdge() const { return this->gridEdge() * this->patchSize; }
  std::int64_t patches() const { return this->gridEdge() * this->gridEdge(); }
  /// CLS first, where the tower has one.
  std::int64_t tokens() const { return this->patches() + (this->classToken ? 1 : 0); }
  std::int64_t headSize() const { return this->hidden / this->heads; }
};

/// How RoPE's inverse frequencies are scaled.
struct RopeScaling
{
  enum class Kind
  {
    None,
    Linear, ///< frequencies / factor
    Llama3  ///< by wavelength, as LLaMA 3.1
  };
  Kind kind = Kind::None;
  double factor = 1;
  double lowFrequencyFactor = 1;
  double highFrequencyFactor = 4;
  double originalPositions = 8192;
};

/// LLaMA-family decoder (gemma, granite, llama, mistral, phi3, qwen2, qwen3): what they differ in
/// is numbers and flags.
struct TextConfig
{
  std::string modelType = "llama";
  std::int64_t hidden = 4096;
  std::int64_t intermediate = 11008;
  std::int64_t layers = 32;
  std::int64_t heads = 32;
  std::int64_t keyValueHeads = 32;
  std::int64_t headSize = 128;
  std::int64_t vocabulary = 32000;
  std::int64_t slidingWindow = 0; ///< keys a query may see; 0: all
  /// Positions that it was trained for. Rotary embedding goes on beyond them, as Hugging Face does
  /// with a warning.
  std::int64_t maxPositions = 2048;
  double rmsNormEps = 1e-6;
  double ropeTheta = 10000;
  RopeScaling ropeScaling;
  Activation activation = Activation::Silu;
  bool normOffset = false;    ///< RMSNorm multiplies by 1 + weight, and rounds after that
  bool headNorms = false;     ///< RMSNorm of each head's queries and keys
  bool joinedWeights = false; ///< the file has qkv_proj and gate_up_proj in place of five maps
  double attentionScale = 0;  ///< of the scores; 1 / sqrt(headSize) but for granite
  double residualScale = 1;   ///< of what attention and feed-forward add
  double embeddingScale = 1;  ///< of rows of the embedding matrix ...
  bool roundsEmbeddingScale = false; ///< ... rounded to the compute type first
  double featureScale = 1;           ///< of the image tokens
  /// Which linear maps have a bias. One in the file that is not asked for here is not used.
  bool queryKeyValueBias = false;
  bool outputBias = false;
  bool feedForwardBias = false;
  /// The output projection is the embedding matrix, unless the file has one of its own.
  bool tiedEmbedding = false;
};

struct LlavaConfig
{
  VisionConfig vision;
  TextConfig text;
  std::int64_t imageTokenId = 32000;
  /// What the projector reads, side by side: 0 is what enters the tower's first layer, n the output
  /// of the n-th. A vision_feature_layer of -2 is the output of the last but one.
  std::vector<std::int64_t> featureLayers;
  std::int64_t visionLayersUsed = 0; ///< layers that run, up to the last that is read
  bool dropClassToken = true;        ///< vision_feature_select_strategy "default"
  Activation projectorActivation = Activation::Gelu;
  bool projectorBias = true;
  /// llava_next, llava_onevision: the picture is read in tiles, which are cut from a canvas of one
  /// of these sizes (height, width in pixels); empty: in one piece.
  std::vector<std::array<std::int64_t, 2>> canvases;
  std::int64_t mostTiles = 0; ///< above it their patches are shrunk; 0: never
  /// llava_onevision: pictures that share a question are each read in one piece.
  bool tilesOnlyAlone = false;
  bool projectorNorm = false; ///< a LayerNorm of what the projector reads, as vipllava has it
  double projectorNormEps = 1e-5;
  GenerationConfig generation;

  /// Whether a picture is read in tiles, of so many in one question.
  bool readsTiles(std::size_t pictures = 1) const
  {
    return !this->canvases.empty() && !(this->tilesOnlyAlone && pictures > 1);
  }
  /// Of what the tower makes of one picture or tile.
  std::int64_t tileTokens() const { return this->vision.patches() + this->leadingFeatures(); }
  /// Image tokens ahead of the first patch's: CLS, where it is there and kept.
  std::int64_t leadingFeatures() const
  {
    return this->vision.classToken && !this->dropClassToken ? 1 : 0;
  }
  /// Numbers of a patch that the projector reads.
  std::int64_t featureWidth() const
  {
    return this->vision.hidden * static_cast<std::int64_t>(this->featureLayers.size());
  }
};

/// Reads `config.json` (required) and `generation_config.json` (optional) of a checkpoint folder.
/// Throws Error that names the file and the value: unsupported architecture (which, and what is
/// supported), numbers that are absurd or contradict each other.
LlavaConfig readLlavaConfig(const std::string& directory);

/// The same from JSON texts; `generation` may be empty. `source` is named in errors.
LlavaConfig parseLlavaConfig(
  const std::string& config, const std::string& generation, const std::string& source);

} // namespace lvlm::checkpoint

#endif
