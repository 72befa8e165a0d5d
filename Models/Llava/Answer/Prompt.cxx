// SPDX-License-Identifier: Apache-2.0
#include "Prompt.h"

#include "Models/Trace/Error.h"

#include <algorithm>
#include <functional>

namespace lvlm::llava
{

namespace
{
Role roleOf(text::PromptPart::Kind kind, bool questionSeen)
{
  switch (kind)
  {
    case text::PromptPart::Kind::System:
      return Role::System;
    case text::PromptPart::Kind::Image:
      return Role::Image;
    case text::PromptPart::Kind::Question:
      return Role::Question;
    case text::PromptPart::Kind::Template:
      break;
  }
  return questionSeen ? Role::Special : Role::System;
}

using Encode = std::function<std::vector<std::int64_t>(const std::string&)>;

/// How many tokens of `whole` lie in the first part of the text: the common start with that part's
/// own tokens. A token across the border counts to what follows.
std::size_t tokensBefore(
  const std::vector<std::int64_t>& whole, const std::string& head, const Encode& encode)
{
  const std::vector<std::int64_t> ids = encode(head);
  const auto end = std::mismatch(whole.begin(), whole.end(), ids.begin(), ids.end()).first;
  return static_cast<std::size_t>(end - whole.begin());
}

/// Role of each token, special ones aside, from the part of the text that it starts in.
std::vector<Role> rolesOf(const std::vector<std::int64_t>& ids,
  const std::vector<text::PromptPart>& parts, const text::Tokenizer& tokenizer,
  const Encode& encode)
{
  std::vector<Role> roles(ids.size(), Role::Special);
  std::string head;
  std::size_t from = 0;
  bool questionSeen = false;
  for (std::size_t i = 0; i < parts.size(); ++i)
  {
    head += parts[i].text;
    const bool last = i + 1 == parts.size();
    const std::size_t to = last ? ids.size() : std::max(from, tokensBefore(ids, head, encode));
    questionSeen = questionSeen || parts[i].kind == text::PromptPart::Kind::Question;
    std::fill(roles.begin() + static_cast<std::ptrdiff_t>(from),
      roles.begin() + static_cast<std::ptrdiff_t>(to), roleOf(parts[i].kind, questionSeen));
    from = to;
  }
  for (std::size_t i = 0; i < ids.size(); ++i)
  {
    if (tokenizer.isSpecial(ids[i]))
    {
      roles[i] = Role::Special;
    }
  }
  return roles;
}
}

Prompt makePrompt(const std::vector<text::PromptPart>& parts, const text::Tokenizer& tokenizer,
  std::int64_t imageTokenId, const std::vector<picture::ImageTokens>& images,
  const std::string& beginToken)
{
  Prompt prompt;
  for (const text::PromptPart& part : parts)
  {
    prompt.text += part.text;
  }
  const bool complete = !beginToken.empty() && prompt.text.rfind(beginToken, 0) == 0;
  const Encode encode = [&tokenizer, complete](const std::string& text)
  { return tokenizer.encode(text, !complete); };
  const std::vector<std::int64_t> ids = encode(prompt.text);
  const auto found = static_cast<std::size_t>(std::count(ids.begin(), ids.end(), imageTokenId));
  if (found != images.size())
  {
    fail("the prompt has ", found, " image tokens ('", tokenizer.piece(imageTokenId),
      "'), exactly ", images.size() == 1 ? "one is" : std::to_string(images.size()) + " are",
      " needed");
  }
  const std::vector<Role> roles = rolesOf(ids, parts, tokenizer, encode);
  for (std::size_t i = 0; i < ids.size(); ++i)
  {
    const bool isImage = ids[i] == imageTokenId;
    if (isImage)
    {
      prompt.images.push_back(
        { static_cast<std::int64_t>(prompt.ids.size()), images[prompt.images.size()] });
    }
    const auto count = static_cast<std::size_t>(isImage ? prompt.images.back().tokens.count : 1);
    prompt.ids.insert(prompt.ids.end(), count, ids[i]);
    prompt.pieces.insert(prompt.pieces.end(), count, tokenizer.piece(ids[i]));
    prompt.roles.insert(prompt.roles.end(), count, isImage ? Role::Special : roles[i]);
  }
  for (const picture::PlacedImage& image : prompt.images)
  {
    for (const Region& region : image.tokens.regions)
    {
      for (std::int64_t patch = 0; patch < region.grid.count(); ++patch)
      {
        prompt.roles[static_cast<std::size_t>(image.start + region.position(patch))] = Role::Image;
      }
    }
  }
  return prompt;
}

} // namespace lvlm::llava
