// SPDX-License-Identifier: Apache-2.0
// Configurations: the published config.json of llava-1.5-7b-hf (its numbers spelled out as the
// checkpoint has them), Hugging Face's defaults per model type, and absurd ones.
#include "Check.h"

#include "Models/Checkpoint/ModelConfig.h"

#include <cmath>

namespace
{
using namespace lvlm;
using namespace lvlm::checkpoint;

LlavaConfig parse(const std::string& config, const std::string& generation = std::string())
{
  return parseLlavaConfig(config, generation, "config.json");
}

std::string llava(const std::string& text, const std::string& rest = std::string())
{
  return R"({"model_type":"llava","vision_config":{"hidden_size":32,"num_hidden_layers":3,"num_attention_heads":4,)"
         R"("image_size":42,"patch_size":14},"text_config":{)" +
    text + "}" + rest + "}";
}

void testLlava15()
{
  // As published: the text configuration relies on LlamaConfig's defaults.
  const LlavaConfig config = parse(R"({
    "model_type": "llava", "image_token_index": 32000, "projector_hidden_act": "gelu",
    "text_config": {"model_type": "llama", "rms_norm_eps": 1e-05, "vocab_size": 32064},
    "vision_config": {"hidden_size": 1024, "image_size": 336, "intermediate_size": 4096,
      "model_type": "clip_vision_model", "num_attention_heads": 16, "num_hidden_layers": 24,
      "patch_size": 14, "projection_dim": 768, "vocab_size": 32000},
    "vision_feature_layer": -2, "vision_feature_select_strategy": "default"})",
    R"({"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 32001})");
  CHECK(config.text.hidden == 4096 && config.text.layers == 32 && config.text.heads == 32);
  CHECK(config.text.keyValueHeads == 32 && config.text.headSize == 128);
  CHECK(config.text.intermediate == 11008 && config.text.vocabulary == 32064);
  CHECK(config.text.rmsNormEps == 1e-5 && config.text.ropeTheta == 1e4);
  CHECK(config.vision.gridEdge() == 24 && config.tileTokens() == 576);
  CHECK(config.visionLayersUsed == 23);
  CHECK(config.vision.activation == Activation::QuickGelu);
  CHECK(config.generation.endTokens == std::set<std::int64_t>{ 2 });
}

void testDefaults()
{
  CHECK(parse(llava("")).text.rmsNormEps == 1e-6); // the class default, not LLaVA's 1e-5
  const TextConfig mistral = parse(llava(R"("model_type":"mistral")")).text;
  CHECK(
    mistral.keyValueHeads == 8 && mistral.slidingWindow == 4096 && mistral.intermediate == 14336);
  CHECK(parse(llava(R"("model_type":"mistral","sliding_window":null)")).text.slidingWindow == 0);
  CHECK(parse(llava(R"("model_type":"qwen2")")).text.vocabulary == 151936);
  CHECK(parse(llava(R"("head_dim":10)")).text.headSize == 10);
  CHECK(parse(llava(R"("num_attention_heads":16)")).text.keyValueHeads == 16);
  CHECK(
    parse(llava(R"("rope_parameters":{"rope_type":"default","rope_theta":7.0})")).text.ropeTheta ==
    7);
  CHECK(parse(llava("", R"(,"vision_feature_layer":-1)")).visionLayersUsed == 3);
  CHECK(parse(llava("", R"(,"vision_feature_layer":1)")).visionLayersUsed == 1);
  CHECK(parse(llava("", R"(,"vision_feature_select_strategy":"full")")).tileTokens() == 10);
  CHECK(parse(llava("", R"(,"image_token_id":77)")).imageTokenId == 77);
  CHECK(parse(llava(""), R"({"eos_token_id":[3,4]})").generation.endTokens ==
    (std::set<std::int64_t>{ 3, 4 }));
  CHECK(parse(llava(R"("eos_token_id":9)")).generation.endTokens == std::set<std::int64_t>{ 9 });
  CHECK(parse(R"({"model_type":"llava"})").vision.gridEdge() == 24);
}

void testTowers()
{
  const auto siglip = [](const std::string& rest)
  {
    return parse(
      R"({"model_type":"llava","vision_config":{"model_type":"siglip_vision_model"})" + rest + "}");
  };
  const LlavaConfig config = siglip(R"(,"vision_feature_select_strategy":"full")");
  CHECK(config.vision.patchSize == 16 && config.vision.layerNormEps == 1e-6);
  CHECK(config.vision.activation == Activation::GeluTanh);
  CHECK(config.tileTokens() == 196 && config.vision.tokens() == 196);
  CHECK(config.leadingFeatures() == 0);
  CHECK_THROWS(siglip(""), "'default' would drop the first patch, as siglip_vision_model has no");
  const LlavaConfig joined = parse(llava("", R"(,"vision_feature_layer":[-1,0,-1])"));
  CHECK((joined.featureLayers == std::vector<std::int64_t>{ 3, 0, 3 }));
  CHECK(joined.visionLayersUsed == 3 && joined.featureWidth() == 96);
  CHECK(!joined.projectorNorm);
  const LlavaConfig vip = parse(R"({"model_type":"vipllava"})");
  CHECK((vip.featureLayers == std::vector<std::int64_t>{ 23, 20, 17, 14, 6 }));
  CHECK(vip.projectorNorm && vip.projectorNormEps == 1e-5 && vip.tileTokens() == 576);
  const LlavaConfig old = parse(R"({"model_type":"vipllava","vision_feature_layers":[-2,3]})");
  CHECK((old.featureLayers == std::vector<std::int64_t>{ 23, 3 })); // transformers before 4.52
  CHECK_THROWS(
    parse(R"({"model_type":"vipllava","vision_config":{"model_type":"siglip_vision_model"}})"),
    "would drop the first patch");
}

/// Defaults of transformers 5.24's configuration classes.
void testDecoders()
{
  const auto text = [](const std::string& rest) { return parse(llava(rest)).text; };
  const TextConfig gemma = text(R"("model_type":"gemma","hidden_act":"gelu")");
  CHECK(gemma.headSize == 256 && gemma.keyValueHeads == 16 && gemma.vocabulary == 256000);
  CHECK(gemma.normOffset && gemma.tiedEmbedding && gemma.activation == Activation::GeluTanh);
  CHECK(gemma.embeddingScale == std::sqrt(3072.0) && gemma.featureScale == 1);
  CHECK(gemma.attentionScale == 0.0625);
  const TextConfig qwen = text(R"("model_type":"qwen3","hidden_size":1024)");
  CHECK(qwen.headSize == 128 && qwen.headNorms && !qwen.queryKeyValueBias);
  const TextConfig phi = text(R"("model_type":"phi3","num_attention_heads":24)");
  CHECK(phi.joinedWeights && phi.rmsNormEps == 1e-5 && phi.slidingWindow == 0);
  CHECK(phi.keyValueHeads == 24 && phi.headSize == 128 && phi.intermediate == 8192);
  CHECK(text(R"("model_type":"phi3","sliding_window":7)").slidingWindow == 7);
  const TextConfig granite = text(R"("model_type":"granite","residual_multiplier":0.5)");
  CHECK(granite.residualScale == 0.5 && granite.attentionScale == 1);
  CHECK(granite.embeddingScale == 1 && granite.featureScale == 1);
  for (const char* type : { "gemma2", "gemma3_text", "phi", "qwen3_moe", "granitemoe", "qwen2_vl" })
  {
    CHECK_THROWS(text("\"model_type\":\"" + std::string(type) + "\""),
      "language model '" + std::string(type) + "' is not supported (gemma, granite, llama,");
  }
  CHECK_THROWS(text(R"("model_type":"qwen3","use_sliding_window":true)"), "for qwen3");
  CHECK_THROWS(text(R"("model_type":"gemma","use_bidirectional_attention":true)"), "use_bidir");
  CHECK_THROWS(text(R"("model_type":"phi3","rope_scaling":{"type":"longrope"})"), "'longrope'");
  CHECK_THROWS(text(R"("model_type":"granite","attention_multiplier":0)"), "attention_multiplier");
}

void testBiasesAndTies()
{
  const TextConfig plain = parse(llava("")).text;
  CHECK(!plain.queryKeyValueBias && !plain.outputBias && !plain.feedForwardBias);
  CHECK(!plain.tiedEmbedding);
  const TextConfig all = parse(llava(R"("attention_bias":true,"mlp_bias":true)")).text;
  CHECK(all.queryKeyValueBias && all.outputBias && all.feedForwardBias);
  // Only the LLaMA of Hugging Face looks at these.
  for (const char* type : { "mistral", "qwen2" })
  {
    const TextConfig fixed = parse(
      llava(R"("attention_bias":true,"mlp_bias":true,"model_type":")" + std::string(type) + "\""))
                               .text;
    CHECK(fixed.queryKeyValueBias == (fixed.modelType == "qwen2"));
    CHECK(!fixed.outputBias && !fixed.feedForwardBias);
  }
  CHECK(parse(llava(R"("tie_word_embeddings":true)")).text.tiedEmbedding);
  CHECK(parse(llava("", R"(,"tie_word_embeddings":true)")).text.tiedEmbedding);
  CHECK(parse(llava("")).projectorBias);
  CHECK(!parse(llava("", R"(,"multimodal_projector_bias":false)")).projectorBias);
}

/// As transformers 5.24 takes them: what stands in the section, then beside it.
void testRope()
{
  const auto rope = [](const std::string& text) { return parse(llava(text)).text; };
  CHECK(rope(R"("rope_theta":5,"rope_parameters":{"rope_theta":7.0})").ropeTheta == 7);
  CHECK(rope(R"("rope_theta":5,"rope_parameters":{"rope_type":"default"})").ropeTheta == 5);
  CHECK(
    rope(R"("rope_theta":5,"rope_scaling":null,"rope_parameters":{"rope_theta":7.0})").ropeTheta ==
    7);
  CHECK(
    rope(R"("rope_scaling":{"type":"linear","factor":2.0},"rope_parameters":{"rope_theta":7.0})")
      .ropeTheta == 10000);
  const TextConfig three =
    rope(R"("max_position_embeddings":99,"rope_parameters":{"rope_type":"llama3","factor":2.0})");
  CHECK(three.ropeScaling.kind == RopeScaling::Kind::Llama3);
  CHECK(three.ropeScaling.originalPositions == 99);
  for (const char* kind : { "yarn", "dynamic", "longrope", "su", "mrope", "proportional" })
  {
    for (const char* section : { "rope_scaling", "rope_parameters" })
    {
      CHECK_THROWS(
        rope("\"" + std::string(section) + R"(":{"factor":2.0,"rope_type":")" + kind + "\"}"),
        std::string(section) + ": rope type '" + kind + "' is not supported");
    }
  }
  CHECK_THROWS(rope(R"("rope_parameters":{"full_attention":{"rope_type":"default"}})"),
    "of the type 'full_attention' are not supported");
  CHECK_THROWS(rope(R"("partial_rotary_factor":0.5)"), "partial_rotary_factor 0.5");
  CHECK_THROWS(rope(R"("model_type":"qwen2","layer_types":["full_attention","sliding_attention"])"),
    "\"sliding_attention\"");
}

/// What is called LLaVA, too.
void testOtherForms()
{
  const auto quantized = [](const std::string& settings)
  { return parse(llava("", ",\"quantization_config\":{" + settings + "}")); };
  CHECK_THROWS(quantized(R"("quant_method":"awq","bits":4)"),
    "quantization_config: weights that are quantized by awq are not supported");
  CHECK_THROWS(quantized(R"("quant_method":"gptq")"), "quantized by gptq are");
  CHECK_THROWS(
    quantized(R"("load_in_4bit":true)"), "quantized by bitsandbytes to 4 bits are not supported");
  CHECK_THROWS(quantized(R"("quant_method":"bitsandbytes","load_in_8bit":true)"), "to 8 bits");
  CHECK_THROWS(quantized(""), "weights that are quantized are not supported");
  CHECK_THROWS(
    parse(llava(R"("quantization_config":{"quant_method":"fp8"})")), "text_config: quantization");
  CHECK(parse(llava("", R"(,"quantization_config":null)")).text.layers == 32);
  CHECK_THROWS(parse(R"({"model_type":"llava","mm_vision_tower":"openai/clip-vit-large-patch14"})"),
    "a checkpoint of the original LLaVA code is not supported");
  for (const char* type :
    { "mllama", "fast_vlm", "llava_next_video", "llava_qwen2", "pixtral", "paligemma" })
  {
    CHECK_THROWS(parse(R"({"model_type":")" + std::string(type) + "\"}"),
      "architecture '" + std::string(type) +
        "' is not supported (llava, llava_next, llava_onevision, vipllava are)");
  }
  const LlavaConfig tiled =
    parse(R"({"model_type":"llava_next"})"); // all of Hugging Face's defaults
  CHECK(tiled.readsTiles() && tiled.canvases.size() == 5 && tiled.vision.imageSize == 336);
  CHECK((tiled.canvases[3] == std::array<std::int64_t, 2>{ 1008, 336 })); // height, width
  const LlavaConfig one = parse(R"({"model_type":"llava_onevision"})");
  CHECK(one.canvases.size() == 36 && one.mostTiles == 9 && one.imageTokenId == 151646);
  CHECK((one.canvases[1] == std::array<std::int64_t, 2>{ 384, 768 }));
  CHECK(one.vision.modelType == "siglip_vision_model" && one.vision.imageSize == 384);
  CHECK(one.text.modelType == "qwen2" && !one.dropClassToken);
  CHECK(one.featureLayers == std::vector<std::int64_t>{ 26 });
  const auto bounded = [](const std::string& ratio)
  { return parse(R"({"model_type":"llava_onevision","vision_aspect_ratio":")" + ratio + "\"}"); };
  CHECK(bounded("anyres_max_4").mostTiles == 4);
  for (const char* ratio :
    { "anyres", "anyres_max_", "anyres_max_0", "anyres_max_-1", "anyres_max_99999", "pad" })
  {
    CHECK_THROWS(bounded(ratio), "vision_aspect_ratio");
  }
  const auto pinpoints = [](const std::string& list)
  { return parse(R"({"model_type":"llava_next","image_grid_pinpoints":)" + list + "}"); };
  CHECK(pinpoints("[[672,336]]").canvases.size() == 1);
  CHECK_THROWS(pinpoints("[]"), "image_grid_pinpoints is not a list");
  CHECK_THROWS(pinpoints("[336]"), "image_grid_pinpoints holds 336");
  CHECK_THROWS(pinpoints("[[336,400]]"), "no multiple of the tower's 336");
  CHECK_THROWS(pinpoints("[[336,-336]]"), "image_grid_pinpoints");
  CHECK_THROWS(pinpoints("[[336,1e300]]"), "image_grid_pinpoints");
  CHECK_THROWS(
    parse(R"({"model_type":"llava_next","vision_feature_select_strategy":"full"})"), "in tiles");
  for (const char* tower : { "pixtral", "siglip2_vision_model", "timm_wrapper", "fastvit" })
  {
    CHECK_THROWS(parse(R"({"model_type":"llava","vision_config":{"model_type":")" +
                   std::string(tower) + "\"}}"),
      "vision tower '" + std::string(tower) + "' is not supported");
  }
}

void testBad()
{
  CHECK_THROWS(parse("{"), "malformed");
  CHECK_THROWS(parse("[]"), "not a JSON object");
  CHECK_THROWS(parse("{}"), "architecture ''");
  CHECK_THROWS(parse(R"({"model_type":"blip-2"})"),
    "'blip-2' is not supported (llava, llava_next, llava_onevision, vipllava are)");
  CHECK_THROWS(parse(R"({"model_type":7})"), "model_type = 7");
  CHECK_THROWS(parse(llava(R"("model_type":"gpt2")")), "'gpt2' is not supported");
  CHECK_THROWS(
    parse(R"({"model_type":"llava","vision_config":[]})"), "vision_config is not an object");
  CHECK_THROWS(parse(llava(R"("hidden_size":-1)")), "hidden_size = -1");
  CHECK_THROWS(parse(llava(R"("hidden_size":1e300)")), "hidden_size");
  CHECK_THROWS(parse(llava(R"("hidden_size":99999999999999999999)")), "hidden_size");
  CHECK_THROWS(parse(llava(R"("num_hidden_layers":1000000000)")), "num_hidden_layers = 1000000000");
  CHECK_THROWS(parse(llava(R"("num_attention_heads":0)")), "num_attention_heads = 0");
  CHECK_THROWS(parse(llava(R"("num_key_value_heads":5)")), "not a multiple");
  CHECK_THROWS(parse(llava(R"("head_dim":7)")), "head size 7");
  CHECK_THROWS(parse(llava(R"("rms_norm_eps":"small")")), "rms_norm_eps");
  CHECK_THROWS(parse(llava(R"("rope_scaling":{"type":"dynamic","factor":2.0})")),
    "'dynamic' is not supported");
  CHECK_THROWS(parse(llava(R"("hidden_act":"mish")")), "'mish' is not supported");
  CHECK_THROWS(parse(llava("", R"(,"vision_feature_layer":9)")), "vision_feature_layer = 9");
  CHECK_THROWS(parse(llava("", R"(,"vision_feature_layer":[-2,4])")), "vision_feature_layer = 4");
  CHECK_THROWS(parse(llava("", R"(,"vision_feature_layer":[])")), "does not name 1 to 64 layers");
  CHECK_THROWS(parse(llava("", R"(,"vision_feature_layer":[[1]])")), "vision_feature_layer = [1]");
  CHECK_THROWS(parse(llava("", R"(,"vision_feature_select_strategy":"most")")), "'most'");
  CHECK_THROWS(parse(llava(""), R"({"eos_token_id":"two"})"), "eos_token_id");
  CHECK_THROWS(
    parse(R"({"model_type":"llava","vision_config":{"patch_size":400}})"), "patch_size 400");
  CHECK_THROWS(
    parse(R"({"model_type":"llava","vision_config":{"hidden_size":30,"num_attention_heads":4}})"),
    "hidden_size 30");
  CHECK_THROWS(readLlavaConfig("/nowhere/at/all"), "/nowhere/at/all");
}
}

int main()
{
  try
  {
    testLlava15();
    testDefaults();
    testTowers();
    testDecoders();
    testBiasesAndTies();
    testRope();
    testOtherForms();
    testBad();
  }
  catch (const std::exception& error)
  {
    std::cerr << "unexpected: " << error.what() << std::endl;
    return 1;
  }
  return lvlm_test::checkResult();
}
