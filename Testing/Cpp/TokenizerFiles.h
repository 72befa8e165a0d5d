// SPDX-License-Identifier: Apache-2.0
/// @file TokenizerFiles.h
/// Shared by the tokenizer's tests: tokenizer folders written on the fly.
#ifndef LVLM_TESTING_TOKENIZERFILES_H
#define LVLM_TESTING_TOKENIZERFILES_H

#include "TempFolder.h"

#include "Models/Text/Tokenizer.h"

#include <nlohmann/json.hpp>

#include <fstream>
#include <string>

namespace lvlm_test
{

inline nlohmann::json readJson(const std::string& path)
{
  std::ifstream file(path, std::ios::binary);
  return nlohmann::json::parse(file);
}

inline nlohmann::json testData(const std::string& name)
{
  return readJson(std::string(LVLM_TEST_DATA) + "/tokenizer/" + name);
}

inline lvlm::text::Tokenizer tokenizerOf(const nlohmann::json& content)
{
  const TempFolder folder;
  return lvlm::text::Tokenizer(folder.write("tokenizer.json", content.dump()));
}

} // namespace lvlm_test

#endif
