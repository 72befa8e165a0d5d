// SPDX-License-Identifier: Apache-2.0
// config.json; after a zero byte, generation_config.json.
#include "FuzzInput.h"

#include "Models/Checkpoint/ModelConfig.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
  const std::string text = lvlm_fuzz::textOf(data, size);
  const std::size_t end = text.find('\0');
  const std::string generation = end == std::string::npos ? "" : text.substr(end + 1);
  lvlm_fuzz::expectErrorAtMost(
    [&]
    {
      const lvlm::checkpoint::LlavaConfig config =
        lvlm::checkpoint::parseLlavaConfig(text.substr(0, end), generation, "config.json");
      lvlm_fuzz::require(config.tileTokens() > 0 && config.vision.headSize() > 0);
      lvlm_fuzz::require(config.text.headSize > 0 && config.text.keyValueHeads > 0 &&
        config.text.heads % config.text.keyValueHeads == 0);
      lvlm_fuzz::require(
        config.visionLayersUsed >= 0 && config.visionLayersUsed <= config.vision.layers);
    });
  return 0;
}
