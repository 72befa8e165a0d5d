// SPDX-License-Identifier: Apache-2.0
#include "ModelConfig.h"

#include "ConfigSection.h"

#include "Models/Trace/Utf8.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

namespace lvlm::checkpoint
{

namespace
{
using Json = nlohmann::json;

constexpr std::int64_t MaximumWidth = 1 << 17;
constexpr std::int64_t MaximumLayers = 1024;
constexpr std::size_t MaximumFeatures = 64;

Activation activationOf(const ConfigSection& section, const char* key, Activation standard)
{
  if (!section.find(key))
  {
    return standard;
  }
  const std::string name = section.text(key, "");
  if (name == "gelu")
  {
    return Activation::Gelu;
  }
  if (name == "gelu_new" || name == "gelu_pytorch_tanh")
  {
    return Activation::GeluTanh;
  }
  if (name == "quick_gelu")
  {
    return Activation::QuickGelu;
  }
  if (name == "silu" || name == "swish")
  {
    return Activation::Silu;
  }
  if (name == "relu")
  {
    return Activation::Relu;
  }
  fail(section.where, ": ", key, " '", name,
    "' is not supported (gelu, gelu_new, gelu_pytorch_tanh, quick_gelu, silu, relu are)");
}

/// The defaults of each configuration class of Hugging Face.
VisionConfig standardVision(const std::string& type, const std::string& where)
{
  VisionConfig vision;
  vision.modelType = type;
  if (type == "clip_vision_model")
  {
    return vision;
  }
  if (type == "siglip_vision_model")
  {
    vision.patchSize = 16;
    vision.layerNormEps = 1e-6;
    vision.activation = Activation::GeluTanh;
    vision.classToken = vision.preNorm = false;
    vision.patchBias = true;
    return vision;
  }
  fail(where, ": vision tower '", type,
    "' is not supported (clip_vision_model, siglip_vision_model are)");
}

VisionConfig visionOf(const ConfigSection& section, const char* standardType)
{
  VisionConfig vision = standardVision(section.text("model_type", standardType), section.where);
  vision.hidden = section.integer("hidden_size", vision.hidden, 1, MaximumWidth);
  vision.intermediate =
    section.integer("intermediate_size", vision.intermediate, 1, MaximumWidth * 8);
  vision.layers = section.integer("num_hidden_layers", vision.layers, 1, MaximumLayers);
  vision.heads = section.integer("num_attention_heads", vision.heads, 1, MaximumWidth);
  vision.imageSize = section.integer("image_size", vision.imageSize, 1, 1 << 14);
  vision.patchSize = section.integer("patch_size", vision.patchSize, 1, 1 << 14);
  vision.layerNormEps = section.number("layer_norm_eps", vision.layerNormEps, 0, 1);
  vision.activation = activationOf(section, "hidden_act", vision.activation);
  if (vision.hidden % vision.heads != 0)
  {
    fail(section.where, ": hidden_size ", vision.hidden,
      " is not a multiple of num_attention_heads ", vision.heads);
  }
  if (vision.patchSize > vision.imageSize)
  {
    fail(
      section.where, ": patch_size ", vision.patchSize, " exceeds image_size ", vision.imageSize);
  }
  if (section.integer("num_channels", 3, 1, 1024) != 3)
  {
    fail(section.where, ": num_channels is not 3");
  }
  return vision;
}

/// Where the numbers of rotary embedding stand: transformers 5 writes `rope_parameters` where 4
/// wrote `rope_scaling`, and reads an old one first.
ConfigSection ropeOf(const ConfigSection& text)
{
  const Json* old = text.find("rope_scaling");
  const bool used = old && !(old->is_object() && old->empty());
  return text.section(used ? "rope_scaling" : "rope_parameters");
}

RopeScaling ropeScalingOf(const ConfigSection& text)
{
  RopeScaling scaling;
  const ConfigSection section = ropeOf(text);
  for (const auto& [key, value] : section.json.items())
  {
    if (value.is_object())
    {
      fail(section.where, ": rotary embeddings of their own for layers of the type '", key,
        "' are not supported");
    }
  }
  if (const double part = section.number(
        "partial_rotary_factor", text.number("partial_rotary_factor", 1, 0, 1e6), 0, 1e6);
      part != 1)
  {
    fail(section.where, ": partial_rotary_factor ", part, " is not supported (1 is)");
  }
  const std::string kind = section.text("rope_type", section.text("type", "default"));
  if (kind == "default")
  {
    return scaling;
  }
  if (kind != "linear" && kind != "llama3")
  {
    fail(section.where, ": rope type '", kind, "' is not supported (default, linear, llama3 are)");
  }
  scaling.kind = kind == "linear" ? RopeScaling::Kind::Linear : RopeScaling::Kind::Llama3;
  scaling.factor = section.number("factor", 1, 1e-3, 1e6);
  scaling.lowFrequencyFactor = section.number("low_freq_factor", 1, 1e-3, 1e6);
  scaling.highFrequencyFactor = section.number("high_freq_factor", 4, 1e-3, 1e6);
  scaling.originalPositions = section.number("original_max_position_embeddings",
    text.number("max_position_embeddings", 2048, 1, 1e9), 1, 1e9);
  if (scaling.kind == RopeScaling::Kind::Llama3 &&
    scaling.highFrequencyFactor <= scaling.lowFrequencyFactor)
  {
    fail(section.where, ": high_freq_factor does not exceed low_freq_factor");
  }
  return scaling;
}

/// The defaults of each configuration class of Hugging Face. Heads of 0: as many, or as large, as
/// hidden_size and num_attention_heads say.
TextConfig standardText(const std::string& type, const std::string& where)
{
  TextConfig text;
  text.modelType = type;
  text.keyValueHeads = text.headSize = 0;
  if (type == "mistral")
  {
    text.intermediate = 14336;
    text.keyValueHeads = 8;
    text.slidingWindow = 4096;
    text.maxPositions = 131072;
  }
  else if (type == "qwen2" || type == "qwen3")
  {
    text.intermediate = 22016;
    text.vocabulary = 151936;
    text.maxPositions = 32768;
    text.keyValueHeads = 32;
    text.queryKeyValueBias = type == "qwen2";
    text.headNorms = type == "qwen3";
    text.headSize = type == "qwen3" ? 128 : 0;
  }
  else if (type == "gemma")
  {
    text.hidden = 3072;
    text.intermediate = 24576;
    text.layers = 28;
    text.heads = text.keyValueHeads = 16;
    text.headSize = 256;
    text.vocabulary = 256000;
    text.maxPositions = 8192;
    text.activation = Activation::GeluTanh;
    text.normOffset = text.roundsEmbeddingScale = text.tiedEmbedding = true;
  }
  else if (type == "phi3")
  {
    text.hidden = 3072;
    text.intermediate = 8192;
    text.vocabulary = 32064;
    text.maxPositions = 4096;
    text.rmsNormEps = 1e-5;
    text.joinedWeights = true;
  }
  else if (type != "llama" && type != "granite")
  {
    fail(where, ": language model '", type,
      "' is not supported (gemma, granite, llama, mistral, phi3, qwen2, qwen3 are)");
  }
  return text;
}

std::int64_t slidingWindowOf(const ConfigSection& section, const TextConfig& text)
{
  const bool qwen = text.modelType == "qwen2" || text.modelType == "qwen3";
  if (qwen && section.flag("use_sliding_window", false))
  {
    fail(section.where, ": use_sliding_window is not supported for ", text.modelType);
  }
  if (const Json* types = section.find("layer_types"); types && qwen)
  {
    for (const Json& type : *types)
    {
      if (type != "full_attention")
      {
        fail(section.where, ": layer_types holds ", excerpt(type), ", which is not supported for ",
          text.modelType, " (full_attention is)");
      }
    }
  }
  if (text.modelType != "mistral" && text.modelType != "phi3")
  {
    return 0;
  }
  const auto found = section.json.find("sliding_window");
  const bool off = found != section.json.end() && found->is_null(); // an explicit null means none
  return off ? 0 : section.integer("sliding_window", text.slidingWindow, 1, 1 << 30);
}

/// Which linear maps have a bias: not every type has the choice.
void readBiases(const ConfigSection& section, TextConfig& text)
{
  const std::string& type = text.modelType;
  const bool whole = type == "llama" || type == "granite";
  if (whole || type == "gemma" || type == "qwen3")
  {
    text.queryKeyValueBias = text.outputBias = section.flag("attention_bias", false);
  }
  text.feedForwardBias = whole && section.flag("mlp_bias", false);
}

/// Factors that other types do not have. `logits_scaling` is not among them: Hugging Face's LLaVA
/// does not look at it.
void readScales(const ConfigSection& section, TextConfig& text)
{
  text.attentionScale = 1.0 / std::sqrt(static_cast<double>(text.headSize));
  if (text.modelType == "gemma")
  {
    text.embeddingScale = std::sqrt(static_cast<double>(text.hidden));
  }
  if (text.modelType == "granite")
  {
    const auto factor = [&](const char* key) { return section.number(key, 1, 1e-6, 1e6); };
    text.attentionScale = factor("attention_multiplier");
    text.residualScale = factor("residual_multiplier");
    text.embeddingScale = text.featureScale = factor("embedding_multiplier");
  }
}

void checkText(const ConfigSection& section, const TextConfig& text)
{
  if (section.flag("use_bidirectional_attention", false))
  {
    fail(section.where, ": use_bidirectional_attention is not supported");
  }
  if (text.heads % text.keyValueHeads != 0)
  {
    fail(section.where, ": num_attention_heads ", text.heads,
      " is not a multiple of num_key_value_heads ", text.keyValueHeads);
  }
  if (text.headSize < 2 || text.headSize % 2 != 0)
  {
    fail(section.where, ": head size ", text.headSize,
      " is not a positive even number, which rotary embedding needs");
  }
}

TextConfig textOf(const ConfigSection& section, const char* standardType)
{
  TextConfig text = standardText(section.text("model_type", standardType), section.where);
  text.hidden = section.integer("hidden_size", text.hidden, 1, MaximumWidth);
  text.intermediate = section.integer("intermediate_size", text.intermediate, 1, MaximumWidth * 8);
  text.layers = section.integer("num_hidden_layers", text.layers, 1, MaximumLayers);
  text.heads = section.integer("num_attention_heads", text.heads, 1, MaximumWidth);
  text.keyValueHeads = section.integer("num_key_value_heads",
    text.keyValueHeads > 0 ? text.keyValueHeads : text.heads, 1, MaximumWidth);
  text.headSize = section.integer(
    "head_dim", text.headSize > 0 ? text.headSize : text.hidden / text.heads, 1, MaximumWidth);
  text.vocabulary = section.integer("vocab_size", text.vocabulary, 1, MaximumVocabulary);
  text.maxPositions = section.integer("max_position_embeddings", text.maxPositions, 1, 1 << 30);
  text.rmsNormEps = section.number("rms_norm_eps", text.rmsNormEps, 0, 1);
  text.ropeTheta =
    ropeOf(section).number("rope_theta", section.number("rope_theta", 10000, 1, 1e12), 1, 1e12);
  text.ropeScaling = ropeScalingOf(section);
  text.slidingWindow = slidingWindowOf(section, text);
  text.activation = activationOf(section, "hidden_act", text.activation);
  if (text.modelType == "gemma" && text.activation == Activation::Gelu)
  {
    text.activation = Activation::GeluTanh; // what its first releases meant
  }
  readBiases(section, text);
  readScales(section, text);
  text.tiedEmbedding = section.flag("tie_word_embeddings", text.tiedEmbedding);
  checkText(section, text);
  return text;
}

/// The key `key`, a number or a list of them, as indices of what leaves the tower's layers.
std::vector<std::int64_t> featureLayersOf(
  const ConfigSection& root, const char* key, const Json& standard, std::int64_t layers)
{
  const Json* value = root.find(key);
  const Json chosen = value ? *value : standard;
  const Json list = chosen.is_array() ? chosen : Json::array({ chosen });
  if (list.empty() || list.size() > MaximumFeatures)
  {
    fail(root.where, ": ", key, " ", excerpt(chosen), " does not name 1 to ", MaximumFeatures,
      " layers");
  }
  std::vector<std::int64_t> all;
  for (const Json& one : list)
  {
    const Json named = { { key, one } };
    const std::int64_t layer =
      ConfigSection{ named, root.where }.integer(key, -2, -layers - 1, layers);
    all.push_back(layer < 0 ? layers + 1 + layer : layer);
  }
  return all;
}

/// Whether the first of the tower's tokens is left out: CLS, where it has one.
bool dropsClassToken(const ConfigSection& root, const VisionConfig& vision)
{
  const bool oneVision = root.text("model_type", "") == "llava_onevision";
  const std::string strategy =
    root.text("vision_feature_select_strategy", oneVision ? "full" : "default");
  if (strategy != "default" && strategy != "full")
  {
    fail(root.where, ": vision_feature_select_strategy '", strategy, "' (default, full are known)");
  }
  if (strategy == "default" && !vision.classToken)
  {
    fail(root.where, ": vision_feature_select_strategy 'default' would drop the first patch, as ",
      vision.modelType, " has no class token ('full' is supported)");
  }
  return strategy == "default";
}

/// What the projector reads, and how.
void readProjector(const ConfigSection& root, LlavaConfig& config)
{
  const std::int64_t layers = config.vision.layers;
  config.projectorActivation = activationOf(root, "projector_hidden_act", Activation::Gelu);
  if (root.text("model_type", "") == "vipllava") // which always drops CLS
  {
    const Json standard = { -2, -5, -8, -11, 6 };
    const char* key =
      root.find("vision_feature_layer") ? "vision_feature_layer" : "vision_feature_layers";
    config.featureLayers = featureLayersOf(root, key, standard, layers);
    const Json nothing = Json::object();
    config.dropClassToken = dropsClassToken({ nothing, root.where }, config.vision);
    config.projectorNorm = true;
    config.projectorNormEps = root.number("projector_layernorm_eps", config.projectorNormEps, 0, 1);
  }
  else
  {
    const bool oneVision = root.text("model_type", "") == "llava_onevision";
    config.featureLayers =
      featureLayersOf(root, "vision_feature_layer", oneVision ? -1 : -2, layers);
    config.dropClassToken = dropsClassToken(root, config.vision);
    config.projectorBias = root.flag("multimodal_projector_bias", true);
  }
  config.visionLayersUsed =
    *std::max_element(config.featureLayers.begin(), config.featureLayers.end());
}

/// The number in "anyres_max_9".
std::int64_t mostTilesOf(const ConfigSection& root)
{
  const std::string text = root.text("vision_aspect_ratio", "anyres_max_9");
  const std::string prefix = "anyres_max_";
  const std::string number =
    text.compare(0, prefix.size(), prefix) == 0 ? text.substr(prefix.size()) : std::string();
  if (number.empty() || number.size() > 4 ||
    number.find_first_not_of("0123456789") != std::string::npos || std::stoi(number) < 1)
  {
    fail(root.where, ": vision_aspect_ratio '", toValidUtf8(text.substr(0, 40)),
      "' is not supported (anyres_max_9 and other numbers are)");
  }
  return std::stoi(number);
}

/// Hugging Face's defaults of image_grid_pinpoints.
Json standardCanvases(bool oneVision)
{
  if (!oneVision)
  {
    return Json::parse("[[336,672],[672,336],[672,672],[1008,336],[336,1008]]");
  }
  constexpr int edge = 384, most = 6;
  Json all = Json::array();
  for (int rows = 1; rows <= most; ++rows)
  {
    for (int cols = 1; cols <= most; ++cols)
    {
      all.push_back({ rows * edge, cols * edge });
    }
  }
  return all;
}

/// Sizes that a picture in tiles may be brought to.
void readCanvases(const ConfigSection& root, LlavaConfig& config)
{
  constexpr const char* key = "image_grid_pinpoints";
  constexpr std::size_t most = 1024;
  const bool oneVision = root.text("model_type", "") == "llava_onevision";
  config.mostTiles = oneVision ? mostTilesOf(root) : 0;
  config.tilesOnlyAlone = oneVision;
  const Json standard = standardCanvases(oneVision);
  const Json* value = root.find(key);
  const Json& list = value ? *value : standard;
  if (!list.is_array() || list.empty() || list.size() > most)
  {
    fail(root.where, ": ", key, " is not a list of 1 to ", most, " sizes");
  }
  for (const Json& size : list)
  {
    if (!size.is_array() || size.size() != 2)
    {
      fail(root.where, ": ", key, " holds ", excerpt(size), ", which is not [height, width]");
    }
    std::array<std::int64_t, 2> edges{};
    for (std::size_t i = 0; i < edges.size(); ++i)
    {
      const Json named = { { key, size[i] } };
      edges[i] = ConfigSection{ named, root.where }.integer(key, 0, 1, 1 << 14);
      if (edges[i] % config.vision.imageSize != 0)
      {
        fail(root.where, ": ", key, " holds ", excerpt(size),
          ", which is no multiple of the tower's ", config.vision.imageSize, " pixels");
      }
    }
    config.canvases.push_back(edges);
  }
  if (config.leadingFeatures() > 0)
  {
    fail(root.where,
      ": vision_feature_select_strategy 'full' of a tower with a class token is not "
      "supported for pictures in tiles ('default' is)");
  }
}

/// What people have under the name of LLaVA that is not a plain checkpoint of Hugging Face's class.
void refuseOtherForms(const ConfigSection& root)
{
  for (const ConfigSection& section : { root, root.section("text_config") })
  {
    for (const char* key : { "quantization_config", "compression_config" })
    {
      if (!section.find(key))
      {
        continue;
      }
      const ConfigSection quantized = section.section(key);
      const bool eight = quantized.flag("load_in_8bit", false);
      const bool four = quantized.flag("load_in_4bit", false);
      const std::string method =
        quantized.text("quant_method", eight || four ? "bitsandbytes" : "");
      fail(quantized.where, ": weights that are quantized", method.empty() ? "" : " by " + method,
        four      ? " to 4 bits"
          : eight ? " to 8 bits"
                  : "",
        " are not supported: take the checkpoint that they were made from");
    }
  }
  if (root.find("mm_vision_tower"))
  {
    fail(root.where, ": mm_vision_tower = ", excerpt(*root.find("mm_vision_tower"), 80),
      ": a checkpoint of the original LLaVA code is not supported, one in Hugging Face's format is "
      "(such as those of llava-hf)");
  }
}

/// The towers that stand in for a missing vision_config: not those of the towers' own classes.
void readMissingTower(bool oneVision, VisionConfig& vision)
{
  vision.hidden = oneVision ? 1152 : 1024;
  vision.intermediate = oneVision ? 4304 : 4096;
  vision.layers = oneVision ? 26 : 24;
  vision.heads = 16;
  vision.imageSize = oneVision ? 384 : 336;
  vision.patchSize = 14;
}

LlavaConfig configOf(const ConfigSection& root)
{
  refuseOtherForms(root);
  const std::string type = root.text("model_type", "");
  const bool oneVision = type == "llava_onevision";
  if (type != "llava" && type != "vipllava" && type != "llava_next" && !oneVision)
  {
    fail(root.where, ": architecture '", type,
      "' is not supported (llava, llava_next, llava_onevision, vipllava are)");
  }
  LlavaConfig config;
  config.vision = visionOf(
    root.section("vision_config"), oneVision ? "siglip_vision_model" : "clip_vision_model");
  if (!root.find("vision_config"))
  {
    readMissingTower(oneVision, config.vision);
  }
  config.text = textOf(root.section("text_config"), oneVision ? "qwen2" : "llama");
  config.text.tiedEmbedding = config.text.tiedEmbedding || root.flag("tie_word_embeddings", false);
  config.imageTokenId = oneVision ? 151646 : config.imageTokenId;
  config.imageTokenId = root.integer("image_token_index",
    root.integer("image_token_id", config.imageTokenId, 0, MaximumVocabulary), 0,
    MaximumVocabulary);
  readProjector(root, config);
  if (type == "llava_next" || oneVision)
  {
    readCanvases(root, config);
  }
  return config;
}

/// What stands in for a missing generation_config.json: config.json's own keys, and for those that
/// it lacks its text_config's, where old releases wrote them.
Json generationIn(const ConfigSection& root)
{
  Json merged = root.section("text_config").json;
  for (const auto& [key, value] : root.json.items())
  {
    if (!value.is_null())
    {
      merged[key] = value;
    }
  }
  return merged;
}
}

LlavaConfig parseLlavaConfig(
  const std::string& config, const std::string& generation, const std::string& source)
{
  const Json json = parseJson(config, source);
  if (!json.is_object())
  {
    fail(source, ": is not a JSON object");
  }
  const ConfigSection root{ json, source };
  LlavaConfig result = configOf(root);
  if (!generation.empty())
  {
    const std::string where = source + ": generation_config.json";
    const Json parsed = parseJson(generation, where);
    result.generation = parseGenerationConfig({ parsed, where });
  }
  else
  {
    const Json own = generationIn(root);
    result.generation = parseGenerationConfig({ own, source });
  }
  return result;
}

LlavaConfig readLlavaConfig(const std::string& directory)
{
  namespace fs = std::filesystem;
  std::error_code ignored;
  if (!fs::is_directory(directory, ignored))
  {
    fail(directory, ": there is no such model folder");
  }
  const std::string path = directory + "/config.json";
  const std::string generation = directory + "/generation_config.json";
  const bool hasGeneration = fs::exists(generation, ignored);
  return parseLlavaConfig(readJsonFile(path, 16u << 20).dump(),
    hasGeneration ? readJsonFile(generation, 16u << 20).dump() : std::string(), path);
}

} // namespace lvlm::checkpoint
