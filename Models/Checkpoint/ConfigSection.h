// SPDX-License-Identifier: Apache-2.0
/// @file ConfigSection.h
/// Checked reading of the JSON objects that a model folder's configuration consists of. Internal to
/// Models/Checkpoint.
#ifndef LVLM_CHECKPOINT_CONFIGSECTION_H
#define LVLM_CHECKPOINT_CONFIGSECTION_H

#include "Models/Trace/Error.h"
#include "Models/Trace/Json.h"

#include <cmath>
#include <cstdint>
#include <string>

namespace lvlm::checkpoint
{

constexpr std::int64_t MaximumVocabulary = 1 << 24;

/// One JSON object with the path that errors name.
struct ConfigSection
{
  const nlohmann::json& json;
  std::string where;

  const nlohmann::json* find(const char* key) const
  {
    const auto found = this->json.find(key);
    return found == this->json.end() || found->is_null() ? nullptr : &*found;
  }

  std::int64_t integer(
    const char* key, std::int64_t standard, std::int64_t low, std::int64_t high) const
  {
    const nlohmann::json* value = this->find(key);
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
    const nlohmann::json* value = this->find(key);
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
    const nlohmann::json* value = this->find(key);
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
    const nlohmann::json* value = this->find(key);
    return value && value->is_boolean() ? value->get<bool>() : standard;
  }

  ConfigSection section(const char* key) const
  {
    static const nlohmann::json nothing = nlohmann::json::object();
    const nlohmann::json* value = this->find(key);
    if (value && !value->is_object())
    {
      fail(this->where, ": ", key, " is not an object");
    }
    return { value ? *value : nothing, this->where + ": " + key };
  }
};

} // namespace lvlm::checkpoint

#endif
