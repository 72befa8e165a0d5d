// SPDX-License-Identifier: Apache-2.0
/// @file ModelConfig.h
/// The numbers of a LLaVA checkpoint folder: `config.json` and `generation_config.json`, with the
/// defaults that Hugging Face fills in for each model type.
#ifndef LVLM_CHECKPOINT_MODELCONFIG_H
#define LVLM_CHECKPOINT_MODELCONFIG_H

#include "GenerationConfig.h"

#include <cstdint>
#include <string>

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

/// CLIP vision tower.
struct VisionConfig
{
  std::int64_t hidden = 768;
  std::int64_t intermediate = 3072;
  std::int64_t layers = 12;
  std::int64_t heads = 12;
  std::int64_t imageSize = 224;
  std::int64_t patchSize = 32;
  double layerNormEps = 1e-5;
  Activation activation = Activation::QuickGelu;

  std::int64_t gridEdge() const { return this->imageSize / this->patchSize; }
  /// Pixels of an edge that the patches cover: the strided convolution ignores what remains.
  std::int64_t seenEdge() const { return this->gridEdge() * this->patchSize; }
  std::int64_t patches() const { return this->gridEdge() * this->gridEdge(); }
  std::int64_t tokens() const { return this->patches() + 1; } ///< CLS first
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

/// LLaMA-family decoder (llama, mistral, qwen2).
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
  /// Vision layers that run: a feature layer of -2 uses the output of the last but one.
  std::int64_t visionLayersUsed = 0;
  bool dropClassToken = true; ///< vision_feature_select_strategy "default"
  Activation projectorActivation = Activation::Gelu;
  bool projectorBias = true;
  GenerationConfig generation;

  std::int64_t imageTokens() const
  {
    return this->dropClassToken ? this->vision.patches() : this->vision.tokens();
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
