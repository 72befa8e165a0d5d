// SPDX-License-Identifier: Apache-2.0
// A chat template, rendered for a conversation whose content is a text and one whose content is a
// list of parts.
#include "FuzzInput.h"

#include "Models/Text/Jinja/Template.h"

namespace
{
using lvlm::text::jinja::Map;
using lvlm::text::jinja::Value;

Map mapOf(std::initializer_list<std::pair<const char*, Value>> entries)
{
  Map map;
  for (const auto& [name, value] : entries)
  {
    map.set(name, value);
  }
  return map;
}

Map conversation(const Value& content)
{
  return mapOf({ { "messages",
                   Value::list({ mapOf({ { "role", "system" }, { "content", "Be brief." } }),
                     mapOf({ { "role", "user" }, { "content", content } }) }) },
    { "bos_token", "<s>" }, { "tools", nullptr }, { "add_generation_prompt", true } });
}
}

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
  const Value parts = Value::list({ mapOf({ { "type", "image" } }),
    mapOf({ { "type", "text" }, { "text", " na\xC3\xAFve \xE4\xBD\xA0?\n" } }) });
  for (const Value& content : { Value("<image>\nWhy?"), parts })
  {
    lvlm_fuzz::expectErrorAtMost(
      [&]
      {
        const lvlm::text::jinja::Template program(lvlm_fuzz::textOf(data, size));
        program.render(conversation(content));
      });
  }
  return 0;
}
