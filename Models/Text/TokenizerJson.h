// SPDX-License-Identifier: Apache-2.0
/// @file TokenizerJson.h
/// Checked reading of the fields of tokenizer.json.
#ifndef LVLM_TEXT_TOKENIZERJSON_H
#define LVLM_TEXT_TOKENIZERJSON_H

#include "Models/Trace/Error.h"

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace lvlm::text
{

/// The member `key` of an object. Throws Error when there is none.
inline const nlohmann::json& member(
  const nlohmann::json& object, const char* key, const std::string& source)
{
  const auto found = object.is_object() ? object.find(key) : object.end();
  if (!object.is_object() || found == object.end())
  {
    fail(source, ": \"", key, "\" is missing");
  }
  return *found;
}

/// `key` as a string; `fallback` when it is missing or null. Throws Error when it is something
/// else.
inline std::string textField(const nlohmann::json& object, const char* key,
  const std::string& fallback, const std::string& source)
{
  const auto found = object.find(key);
  if (found == object.end() || found->is_null())
  {
    return fallback;
  }
  if (!found->is_string())
  {
    fail(source, ": \"", key, "\" is not a string");
  }
  return found->get<std::string>();
}

/// `key` as a truth value; `fallback` when it is missing or null. Throws Error when it is something
/// else.
inline bool boolField(
  const nlohmann::json& object, const char* key, bool fallback, const std::string& source)
{
  const auto found = object.find(key);
  if (found == object.end() || found->is_null())
  {
    return fallback;
  }
  if (!found->is_boolean())
  {
    fail(source, ": \"", key, "\" is neither true nor false");
  }
  return found->get<bool>();
}

/// The steps of a normalizer, pre-tokenizer, decoder or post-processor: nothing for null, the
/// members of (nested) Sequences under `listKey`, else the step itself. Throws Error on more than
/// 64 steps or a step without a type.
inline void flattenSteps(const nlohmann::json& step, const char* listKey, const std::string& source,
  std::vector<nlohmann::json>& steps)
{
  constexpr std::size_t maximumSteps = 64;
  if (step.is_null())
  {
    return;
  }
  if (!step.is_object() || !step.contains("type") || !step["type"].is_string())
  {
    fail(source, ": an entry without a \"type\"");
  }
  if (step["type"] != "Sequence")
  {
    steps.push_back(step);
  }
  else if (const nlohmann::json& list = member(step, listKey, source); list.is_array())
  {
    for (const auto& inner : list)
    {
      flattenSteps(inner, listKey, source, steps); // as deep as parseJson lets JSON be
    }
  }
  else
  {
    fail(source, ": \"", listKey, "\" is not a list");
  }
  if (steps.size() > maximumSteps)
  {
    fail(source, ": a Sequence of more than ", maximumSteps, " steps");
  }
}

} // namespace lvlm::text

#endif
