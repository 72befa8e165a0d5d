// SPDX-License-Identifier: Apache-2.0
// PBM, PGM and PPM: P1 to P3 as text, P4 to P6 in binary.
#include "Decoders.h"

#include <algorithm>
#include <cctype>
#include <cmath>

namespace lvlm::picture
{

namespace
{
/// Numbers in text, between them white space and comments from # to the end of the line.
class TextReader
{
public:
  explicit TextReader(const Bytes& file) : File(file) {}

  /// A number of at most 10 digits, or of one digit: those of a PBM may touch.
  std::int64_t number(int digits = 10)
  {
    this->skipSpace();
    std::int64_t value = 0;
    int found = 0;
    while (found < digits && this->Offset < this->File.size && std::isdigit(this->peek()))
    {
      value = value * 10 + (this->peek() - '0');
      ++this->Offset;
      ++found;
    }
    const bool atEnd = digits == 1 || this->Offset == this->File.size ||
      std::isspace(this->peek()) || this->peek() == '#';
    if (found == 0 || !atEnd)
    {
      fail("the PNM file has something other than a number at byte ", this->Offset);
    }
    return value;
  }

  /// The binary samples begin behind the one white space that ends the header.
  std::size_t binaryOffset() const { return this->Offset + 1; }

private:
  int peek() const { return *this->File.at(this->Offset, 1); }

  void skipSpace()
  {
    while (std::isspace(this->peek()) || this->peek() == '#')
    {
      const bool comment = this->peek() == '#';
      ++this->Offset;
      while (comment && this->peek() != '\n' && this->peek() != '\r')
      {
        ++this->Offset;
      }
    }
  }

  const Bytes& File;
  std::size_t Offset = 2;
};

/// PIL stretches to 0 .. 255, but to 0 .. 65535 what is grey and has more than 8 bits, and then
/// clips it.
std::uint8_t toByte(std::int64_t value, std::int64_t largest, bool colour)
{
  const double full = largest > 255 && !colour ? 65535 : 255;
  const double share = static_cast<double>(value) / static_cast<double>(largest);
  return static_cast<std::uint8_t>(std::min(std::nearbyint(share * full), 255.0));
}
}

RgbImage decodePnm(const Bytes& file, std::int64_t maximumPixels)
{
  const int kind = *file.at(1, 1) - '0';
  const bool binary = kind > 3;
  const bool bits = kind == 1 || kind == 4; // 1 is black
  const std::int64_t channels = kind % 3 == 0 ? 3 : 1;
  TextReader text(file);
  const std::int64_t width = text.number();
  const std::int64_t height = text.number();
  const std::int64_t largest = bits ? 1 : text.number();
  if (largest < 1 || largest > 65535)
  {
    fail("PNM file with ", largest, " as the largest value");
  }
  RgbImage image = blankImage(width, height, maximumPixels);
  const std::int64_t size = largest > 255 ? 2 : 1;
  const std::int64_t stride = bits ? (width + 7) / 8 : width * channels * size;
  const std::uint8_t* samples = binary ? file.at(text.binaryOffset(), stride * height) : nullptr;
  const auto sample = [&](std::int64_t y, std::int64_t i) -> std::int64_t
  {
    if (!binary)
    {
      return text.number(bits ? 1 : 10);
    }
    const std::uint8_t* row = samples + y * stride;
    if (bits)
    {
      return row[i / 8] >> (7 - i % 8) & 1;
    }
    return size == 1 ? row[i] : row[2 * i] << 8 | row[2 * i + 1];
  };
  std::uint8_t* out = image.pixels.data();
  for (std::int64_t y = 0; y < height; ++y)
  {
    for (std::int64_t i = 0; i < width * channels; ++i)
    {
      const std::uint8_t byte = toByte(sample(y, i), largest, channels == 3);
      out = std::fill_n(out, channels == 3 ? 1 : 3, bits ? 255 - byte : byte);
    }
  }
  return image;
}

} // namespace lvlm::picture
