// SPDX-License-Identifier: Apache-2.0
// tokenizer.json; after a zero byte, text to encode with it.
#include "FuzzInput.h"

#include "Models/Text/PieceTexts.h"
#include "Models/Text/Tokenizer.h"

#include <algorithm>

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
  const std::uint8_t* end = std::find(data, data + size, 0);
  const lvlm_fuzz::InputFile file(data, static_cast<std::size_t>(end - data));
  const std::string text = end == data + size
    ? "USER: <image>\n a\xf0\x9f\x99\x82  b1234 ASSISTANT:\xff</s>"
    : lvlm_fuzz::textOf(end + 1, static_cast<std::size_t>(data + size - end - 1));
  lvlm_fuzz::expectErrorAtMost(
    [&]
    {
      const lvlm::text::Tokenizer tokenizer(file.path());
      const auto ids = tokenizer.encode(text);
      tokenizer.decode(ids);
      tokenizer.decode(ids, false);
      lvlm_fuzz::require(lvlm::text::pieceTexts(tokenizer, ids).size() == ids.size());
      tokenizer.decode({ -1, INT64_MIN, INT64_MAX, tokenizer.size(), 0 });
      for (const std::int64_t id : { INT64_C(-1), tokenizer.size(), INT64_MAX })
      {
        lvlm_fuzz::require(!tokenizer.isSpecial(id));
      }
      for (const std::int64_t id : ids)
      {
        lvlm_fuzz::require(id >= 0 && id < tokenizer.size());
      }
    });
  return 0;
}
