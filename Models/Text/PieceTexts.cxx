// SPDX-License-Identifier: Apache-2.0
#include "PieceTexts.h"

#include "Models/Trace/Utf8.h"

#include <algorithm>

namespace lvlm::text
{

namespace
{
using Ids = std::vector<std::int64_t>;

/// A text is decoded anew for each of its pieces; parts of so many keep that linear.
constexpr std::size_t PartLength = 32;
/// Byte pieces are decoded by the run, so a part does not end inside one, unless it gets this long.
constexpr std::size_t LongestRun = 256;
/// What does not become a character until here is none.
constexpr std::size_t LongestPart = 1024;
const std::string Unfinished = "\xEF\xBF\xBD"; // U+FFFD

bool endsUnfinished(const std::string& text)
{
  return text.size() >= Unfinished.size() &&
    text.compare(text.size() - Unfinished.size(), Unfinished.size(), Unfinished) == 0;
}

bool isByte(const std::string& piece)
{
  return piece.size() == 6 && piece.compare(0, 3, "<0x") == 0;
}

/// Bytes that both texts begin with, whole characters of `text` alone.
std::size_t commonLength(const std::string& text, const std::string& other)
{
  const std::size_t least = std::min(text.size(), other.size());
  const auto end =
    std::mismatch(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(least), other.begin());
  auto length = static_cast<std::size_t>(end.first - text.begin());
  while (
    length > 0 && length < text.size() && (static_cast<unsigned char>(text[length]) & 0xC0) == 0x80)
  {
    --length;
  }
  return length;
}

/// The texts of one part of the sequence, that no character crosses. One token before it is decoded
/// too: a decoder treats the first of all differently.
class Part
{
public:
  Part(const Tokenizer& tokenizer, const Ids& ids, std::size_t begin)
    : Tokens(tokenizer), All(ids), Begin(begin), End(std::min(begin + PartLength, ids.size()))
  {
    while (this->End < ids.size() && this->isOpen())
    {
      ++this->End;
    }
  }

  std::size_t end() const { return this->End; }

  void share(std::vector<std::string>& texts) const
  {
    const std::string whole = this->upTo(this->End);
    std::size_t done = this->Begin > 0 ? commonLength(whole, this->upTo(this->Begin)) : 0;
    std::size_t owner = this->End; // of an unfinished character
    for (std::size_t at = this->Begin; at < this->End; ++at)
    {
      const std::string now = at + 1 < this->End ? this->upTo(at + 1) : whole;
      const std::size_t reached = std::max(done, commonLength(whole, now));
      std::size_t own = done;
      if (owner < this->End && reached > done)
      {
        nextCodePoint(whole, own);
        texts[owner] += whole.substr(done, own - done);
        owner = this->End;
      }
      texts[at] += whole.substr(own, reached - own);
      owner = owner == this->End && now.size() > reached ? at : owner;
      done = reached;
    }
  }

private:
  std::string upTo(std::size_t end) const
  {
    const std::size_t first = this->Begin - std::min<std::size_t>(this->Begin, 1);
    return this->Tokens.decode({ this->All.begin() + static_cast<std::ptrdiff_t>(first),
                                 this->All.begin() + static_cast<std::ptrdiff_t>(end) },
      false);
  }

  bool isOpen() const
  {
    const std::size_t length = this->End - this->Begin;
    const bool run = length < LongestRun &&
      (isByte(this->Tokens.piece(this->All[this->End - 1])) ||
        isByte(this->Tokens.piece(this->All[this->End])));
    return run || (length < LongestPart && endsUnfinished(this->upTo(this->End)));
  }

  const Tokenizer& Tokens;
  const Ids& All;
  std::size_t Begin, End;
};
}

std::vector<std::string> pieceTexts(const Tokenizer& tokenizer, const Ids& ids)
{
  std::vector<std::string> texts(ids.size());
  for (std::size_t begin = 0; begin < ids.size();)
  {
    const Part part(tokenizer, ids, begin);
    part.share(texts);
    begin = part.end();
  }
  return texts;
}

std::string textAfter(const Tokenizer& tokenizer, std::int64_t before, std::int64_t id)
{
  const std::string first = tokenizer.decode({ before }, false);
  const std::string both = tokenizer.decode({ before, id }, false);
  return both.compare(0, first.size(), first) == 0 ? both.substr(first.size())
                                                   : tokenizer.decode({ id }, false);
}

} // namespace lvlm::text
