// SPDX-License-Identifier: Apache-2.0
#include "ModelConfig.h"

#include "Models/Trace/Error.h"
#include "Models/Trace/Json.h"

#include <cmath>
#include <filesystem>

namespace lvlm::checkpoint
{

namespace
{
using Json = nlohmann::json;

/// One JSON object with the path that errors name.
struct Section
{
  const Json& json;
  std::string where;

  const Json* find(const char* key) const
  {
    const auto found = this->json.find(key);
    return found == this->json.end() || found->is_null() ? nullptr : &*found;
  }

  std::int64_t integer(
    const char* key, std::int64_t standard, std::int64_t low, std::int64_t high) const
  {
    const Json* value = this->find(key);
    if (!value)
    {
      return standard;
    }
    if (!value->is_number_integer() || *value < low || *value > high)
    {
      fail(this->where, ": ", key, " = ", excerpt(*value), " is not a whole number in [", low, ", ",
        high, "]");
    }
    return value->get<std::int64_t>();
  }

  double number(const char* key, double standard, double low, double high) const
  {
    const Json* value = this->find(key);
    if (!value)
    {
      return standard;
    }
    const double number = value->is_number() ? value->get<double>() : std::nan("");
    if (!(number >= low && number <= high))
    {
      fail(this->where, ": ", key, " = ", excerpt(*value), " is not a number in [", low, ", ", high,
        "]");
    }
    return number;
  }

  std::string text(const char* key, const std::string& standard) const
  {
    const Json* value = this->find(key);
    if (!value)
    {
      return standard;
    }
    if (!value->is_string())
    {
      fail(this->where, ": ", key, " = ", excerpt(*value), " is not a string");
    }
    return value->get<std::string>();
  }

  bool flag(const char* key, bool standard) const
  {
    const Json* value = this->find(key);
    return value && value->is_boolean() ? value->get<bool>() : standard;
  }

  Section section(const char* key) const
  {
    static const Json nothing = Json::object();
    const Json* value = this->find(key);
    if (value && !value->is_object())
    {
      fail(this->where, ": ", key, " is not an object");
    }
    return { value ? *value : nothing, this->where + ": " + key };
  }
};

constexpr std::int64_t MaximumWidth = 1 << 17;
constexpr std::int64_t MaximumLayers = 1024;
constexpr std::int64_t MaximumVocabulary = 1 << 24;

Activation activationOf(const Section& section, const char* key, const std::string& standard)
{
  const std::string name = section.text(key, standard);
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

VisionConfig visionOf(const Section& section)
{
  const std::string type = section.text("model_type", "clip_vision_model");
  if (type != "clip_vision_model")
  {
    fail(section.where, ": vision tower '", type, "' is not supported (clip_vision_model is)");
  }
  VisionConfig vision;
  vision.hidden = section.integer("hidden_size", vision.hidden, 1, MaximumWidth);
  vision.intermediate =
    section.integer("intermediate_size", vision.intermediate, 1, MaximumWidth * 8);
  vision.layers = section.integer("num_hidden_layers", vision.layers, 1, MaximumLayers);
  vision.heads = section.integer("num_attention_heads", vision.heads, 1, MaximumWidth);
  vision.imageSize = section.integer("image_size", vision.imageSize, 1, 1 << 14);
  vision.patchSize = section.integer("patch_size", vision.patchSize, 1, 1 << 14);
  vision.layerNormEps = section.number("layer_norm_eps", vision.layerNormEps, 0, 1);
  vision.activation = activationOf(section, "hidden_act", "quick_gelu");
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

RopeScaling ropeScalingOf(const Section& text)
{
  RopeScaling scaling;
  // transformers 5 writes `rope_parameters` where 4 wrote `rope_scaling`.
  const Section section =
    text.section(text.find("rope_parameters") ? "rope_parameters" : "rope_scaling");
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
  scaling.originalPositions = section.number("original_max_position_embeddings", 8192, 1, 1e9);
  if (scaling.kind == RopeScaling::Kind::Llama3 &&
    scaling.highFrequencyFactor <= scaling.lowFrequencyFactor)
  {
    fail(section.where, ": high_freq_factor does not exceed low_freq_factor");
  }
  return scaling;
}

/// The defaults of each configuration class of Hugging Face.
TextConfig standardText(const std::string& type, const std::string& where)
{
  TextConfig text;
  text.modelType = type;
  if (type == "llama")
  {
    return text;
  }
  if (type == "mistral")
  {
    text.intermediate = 14336;
    text.keyValueHeads = 8;
    text.slidingWindow = 4096;
    text.maxPositions = 131072;
    return text;
  }
  if (type == "qwen2")
  {
    text.intermediate = 22016;
    text.vocabulary = 151936;
    text.maxPositions = 32768;
    text.queryKeyValueBias = true;
    return text;
  }
  fail(where, ": language model '", type, "' is not supported (llama, mistral, qwen2 are)");
}

std::int64_t slidingWindowOf(const Section& section, const TextConfig& text)
{
  if (text.modelType == "qwen2" && section.flag("use_sliding_window", false))
  {
    fail(section.where, ": use_sliding_window is not supported for qwen2");
  }
  if (text.modelType != "mistral")
  {
    return 0;
  }
  const auto found = section.json.find("sliding_window");
  const bool off = found != section.json.end() && found->is_null(); // an explicit null means none
  return off ? 0 : section.integer("sliding_window", text.slidingWindow, 1, 1 << 30);
}

TextConfig textOf(const Section& section)
{
  TextConfig text = standardText(section.text("model_type", "llama"), section.where);
  text.hidden = section.integer("hidden_size", text.hidden, 1, MaximumWidth);
  text.intermediate = section.integer("intermediate_size", text.intermediate, 1, MaximumWidth * 8);
  text.layers = section.integer("num_hidden_layers", text.layers, 1, MaximumLayers);
  text.heads = section.integer("num_attention_heads", text.heads, 1, MaximumWidth);
  const bool grouped = text.modelType != "llama" || section.find("num_key_value_heads");
  text.keyValueHeads = section.integer(
    "num_key_value_heads", grouped ? text.keyValueHeads : text.heads, 1, MaximumWidth);
  text.headSize = section.integer("head_dim", text.hidden / text.heads, 1, MaximumWidth);
  text.vocabulary = section.integer("vocab_size", text.vocabulary, 1, MaximumVocabulary);
  text.maxPositions = section.integer("max_position_embeddings", text.maxPositions, 1, 1 << 30);
  text.rmsNormEps = section.number("rms_norm_eps", text.rmsNormEps, 0, 1);
  const Section rope = section.section("rope_parameters");
  text.ropeTheta = section.number("rope_theta", rope.number("rope_theta", 10000, 1, 1e12), 1, 1e12);
  text.ropeScaling = ropeScalingOf(section);
  text.slidingWindow = slidingWindowOf(section, text);
  text.activation = activationOf(section, "hidden_act", "silu");
  if (text.modelType == "llama") // the others have no choice
  {
    text.queryKeyValueBias = text.outputBias = section.flag("attention_bias", false);
    text.feedForwardBias = section.flag("mlp_bias", false);
  }
  text.tiedEmbedding = section.flag("tie_word_embeddings", false);
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
  return text;
}

std::int64_t usedVisionLayers(const Section& root, std::int64_t layers)
{
  const Json* value = root.find("vision_feature_layer");
  if (value && value->is_array())
  {
    fail(root.where, ": vision_feature_layer ", excerpt(*value),
      ": a list of layers is not supported, one number is");
  }
  const std::int64_t layer = root.integer("vision_feature_layer", -2, -layers - 1, layers);
  return layer < 0 ? layers + 1 + layer : layer;
}

void addEndTokens(const Section& section, std::set<std::int64_t>& tokens)
{
  const Json* value = section.find("eos_token_id");
  if (!value)
  {
    return;
  }
  const Json list = value->is_array() ? *value : Json::array({ *value });
  for (const Json& entry : list)
  {
    if (!entry.is_number_integer() || entry < 0 || entry > MaximumVocabulary)
    {
      fail(section.where, ": eos_token_id ", excerpt(entry), " is not a token id");
    }
    tokens.insert(entry.get<std::int64_t>());
  }
}

LlavaConfig configOf(const Section& root)
{
  const std::string type = root.text("model_type", "");
  if (type != "llava")
  {
    fail(root.where, ": architecture '", type, "' is not supported (model_type \"llava\" is)");
  }
  LlavaConfig config;
  // LlavaConfig's own default tower is CLIP ViT-L/14-336, not CLIPVisionConfig's defaults.
  config.vision = visionOf(root.section("vision_config"));
  if (!root.find("vision_config"))
  {
    config.vision = VisionConfig{ 1024, 4096, 24, 16, 336, 14, 1e-5, Activation::QuickGelu };
  }
  config.text = textOf(root.section("text_config"));
  config.text.tiedEmbedding = config.text.tiedEmbedding || root.flag("tie_word_embeddings", false);
  config.imageTokenId = root.integer("image_token_index",
    root.integer("image_token_id", config.imageTokenId, 0, MaximumVocabulary), 0,
    MaximumVocabulary);
  config.visionLayersUsed = usedVisionLayers(root, config.vision.layers);
  const std::string strategy = root.text("vision_feature_select_strategy", "default");
  if (strategy != "default" && strategy != "full")
  {
    fail(root.where, ": vision_feature_select_strategy '", strategy, "' (default, full are known)");
  }
  config.dropClassToken = strategy == "default";
  config.projectorActivation = activationOf(root, "projector_hidden_act", "gelu");
  config.projectorBias = root.flag("multimodal_projector_bias", true);
  return config;
}

void requireObject(const Json& json, const std::string& source)
{
  if (!json.is_object())
  {
    fail(source, ": is not a JSON object");
  }
}
}

LlavaConfig parseLlavaConfig(
  const std::string& config, const std::string& generation, const std::string& source)
{
  const Json json = parseJson(config, source);
  requireObject(json, source);
  const Section root{ json, source };
  LlavaConfig result = configOf(root);
  if (!generation.empty())
  {
    const std::string where = source + ": generation_config.json";
    const Json generationJson = parseJson(generation, where);
    requireObject(generationJson, where);
    addEndTokens({ generationJson, where }, result.endTokens);
  }
  if (result.endTokens.empty())
  {
    addEndTokens(root, result.endTokens);
  }
  if (result.endTokens.empty())
  {
    addEndTokens(root.section("text_config"), result.endTokens);
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
