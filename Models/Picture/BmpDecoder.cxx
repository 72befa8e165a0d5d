// SPDX-License-Identifier: Apache-2.0
// Windows bitmaps, by hand: there is no library for them but OpenCV's, which takes 5-bit colours
// for the upper bits of 8-bit ones.
#include "Decoders.h"

#include <algorithm>
#include <cstdlib>

namespace lvlm::picture
{

namespace
{
constexpr std::size_t fileHeaderSize = 14;
enum Compression : std::uint32_t
{
  Plain = 0,
  RunLength8 = 1,
  RunLength4 = 2,
  BitFields = 3
};

/// Little-endian, of 1 to 4 bytes.
std::uint32_t number(const Bytes& file, std::size_t offset, std::size_t size)
{
  const std::uint8_t* bytes = file.at(offset, size);
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < size; ++i)
  {
    value |= static_cast<std::uint32_t>(bytes[i]) << (8 * i);
  }
  return value;
}

struct Header
{
  std::int64_t width = 0;
  std::int64_t height = 0;
  bool topDown = false;
  std::uint32_t bits = 0;
  std::uint32_t compression = Plain;
  std::array<std::uint32_t, 3> masks{}; ///< of red, green and blue, above 8 bits
  std::int64_t colours = 0;             ///< in the palette, up to 8 bits
  std::size_t colourSize = 4;
  std::size_t palette = 0; ///< offsets in the file
  std::size_t pixels = 0;
};

void readExtents(const Bytes& file, std::size_t size, Header& header)
{
  if (size == 12)
  {
    header.width = number(file, 18, 2);
    header.height = number(file, 20, 2);
    header.bits = number(file, 24, 2);
    header.colourSize = 3;
    return;
  }
  constexpr std::array<std::size_t, 6> known = { 40, 52, 56, 64, 108, 124 };
  if (std::find(known.begin(), known.end(), size) == known.end())
  {
    fail("BMP header of ", size, " bytes");
  }
  header.width = number(file, 18, 4);
  header.height = static_cast<std::int32_t>(number(file, 22, 4));
  header.topDown = header.height < 0;
  header.height = std::abs(header.height);
  header.bits = number(file, 28, 2);
  header.compression = number(file, 30, 4);
  header.colours = number(file, 46, 4);
}

void chooseMasks(const Bytes& file, Header& header)
{
  if (header.compression == BitFields)
  {
    for (std::size_t c = 0; c < 3; ++c)
    {
      header.masks[c] = number(file, 54 + 4 * c, 4);
    }
  }
  if (header.masks == std::array<std::uint32_t, 3>{})
  {
    header.masks = header.bits == 16 ? std::array<std::uint32_t, 3>{ 0x7c00, 0x3e0, 0x1f }
                                     : std::array<std::uint32_t, 3>{ 0xff0000, 0xff00, 0xff };
  }
  if (header.masks[0] == 0 || header.masks[1] == 0 || header.masks[2] == 0)
  {
    fail("BMP file without bits for one of the colours");
  }
}

Header readHeader(const Bytes& file)
{
  Header header;
  const std::size_t size = number(file, fileHeaderSize, 4);
  readExtents(file, size, header);
  constexpr std::array<std::uint32_t, 6> depths = { 1, 4, 8, 16, 24, 32 };
  const bool runs = (header.compression == RunLength8 && header.bits == 8) ||
    (header.compression == RunLength4 && header.bits == 4);
  if (std::find(depths.begin(), depths.end(), header.bits) == depths.end() ||
    !(runs || header.compression == Plain || (header.compression == BitFields && header.bits > 8)))
  {
    fail("BMP file with ", header.bits, " bits a pixel and compression ", header.compression,
      " is not supported");
  }
  header.palette = fileHeaderSize + size;
  header.pixels = number(file, 10, 4);
  if (header.pixels < header.palette)
  {
    fail("BMP file whose pixels begin in its header");
  }
  if (header.bits > 8)
  {
    chooseMasks(file, header);
    return header;
  }
  if (header.colours == 0)
  {
    header.colours = std::int64_t{ 1 } << header.bits;
  }
  if (header.colours > 65536)
  {
    fail("BMP file with ", header.colours, " colours in its palette");
  }
  if (header.pixels == header.palette)
  {
    header.pixels += header.colours * header.colourSize; // some writers forget the palette
  }
  return header;
}

Palette readPalette(const Bytes& file, const Header& header)
{
  Palette palette{};
  const std::int64_t count = std::min<std::int64_t>(header.colours, 256);
  const std::uint8_t* colours = file.at(header.palette, count * header.colourSize);
  for (std::int64_t i = 0; i < count; ++i)
  {
    const std::uint8_t* bgr = colours + i * header.colourSize;
    palette[i] = { bgr[2], bgr[1], bgr[0] };
  }
  return palette;
}

/// The run-length codes of 4 or 8 bits: fills indices [height, width], the first row first in the
/// file. What is passed over keeps index 0.
class RunLengthReader
{
public:
  RunLengthReader(const Bytes& file, const Header& header)
    : File(file), Offset(header.pixels), Half(header.compression == RunLength4),
      Width(header.width), Indices(static_cast<std::size_t>(header.width * header.height))
  {
  }

  std::vector<std::uint8_t> read()
  {
    while (this->Written < this->Indices.size())
    {
      const std::uint8_t* code = this->take(2);
      if (code[0] > 0)
      {
        this->repeat(code[0], code[1]);
      }
      else if (!this->escape(code[1]))
      {
        fail("the BMP file ends before its last row");
      }
    }
    return std::move(this->Indices);
  }

private:
  const std::uint8_t* take(std::size_t count)
  {
    const std::uint8_t* bytes = this->File.at(this->Offset, count);
    this->Offset += count;
    return bytes;
  }

  void skip(std::size_t count)
  {
    this->Written += std::min(count, this->Indices.size() - this->Written);
  }

  /// Index number `i` of a run: one a byte, or two with the upper half first.
  std::uint8_t index(const std::uint8_t* bytes, std::size_t i) const
  {
    return this->Half ? (i % 2 == 0 ? bytes[i / 2] >> 4 : bytes[i / 2] & 15) : bytes[i];
  }

  /// A run never goes beyond its row.
  void repeat(std::int64_t count, std::uint8_t value)
  {
    const std::array<std::uint8_t, 2> pair = { this->Half ? this->index(&value, 0) : value,
      this->Half ? this->index(&value, 1) : value };
    count = std::clamp<std::int64_t>(this->Width - this->Column, 0, count);
    this->Column += count;
    for (std::int64_t i = 0; i < count && this->Written < this->Indices.size(); ++i)
    {
      this->Indices[this->Written++] = pair[i % 2];
    }
  }

  /// False at the end of the picture.
  bool escape(std::uint8_t code)
  {
    const auto place = static_cast<std::int64_t>(this->Written) % this->Width;
    switch (code)
    {
      case 0: // the end of the row
        this->skip(place > 0 ? this->Width - place : 0);
        this->Column = 0;
        return true;
      case 1:
        return false;
      case 2: // so many columns and rows on
      {
        const std::uint8_t* step = this->take(2);
        this->skip(step[0] + step[1] * this->Width);
        this->Column = static_cast<std::int64_t>(this->Written) % this->Width;
        return true;
      }
      default:
        this->copy(code);
        return true;
    }
  }

  void copy(std::size_t count)
  {
    const std::size_t wanted = std::min(count, this->Indices.size() - this->Written);
    const std::uint8_t* bytes = this->take(this->Half ? (wanted + 1) / 2 : wanted);
    for (std::size_t i = 0; i < wanted; ++i)
    {
      this->Indices[this->Written++] = this->index(bytes, i);
    }
    this->Column += count;
    this->Offset += this->Offset % 2;
  }

  const Bytes& File;
  std::size_t Offset;
  bool Half;
  std::int64_t Width;
  std::vector<std::uint8_t> Indices;
  std::size_t Written = 0;
  std::int64_t Column = 0;
};

/// Indices of `bits` bits each, the highest first.
void unpackIndices(const std::uint8_t* row, std::uint32_t bits, std::vector<std::uint8_t>& indices)
{
  const std::size_t perByte = 8 / bits;
  for (std::size_t x = 0; x < indices.size(); ++x)
  {
    const std::size_t shift = (perByte - 1 - x % perByte) * bits;
    indices[x] = (row[x / perByte] >> shift) & ((1U << bits) - 1);
  }
}

/// Of each mask the bits as they stand, stretched to 0 .. 255 and rounded down as PIL does it.
void unpackColours(const std::uint8_t* row, const Header& header, std::uint8_t* rgb)
{
  const std::size_t size = header.bits / 8;
  for (std::int64_t x = 0; x < header.width; ++x)
  {
    const std::uint32_t pixel = number({ row + x * size, size }, 0, size);
    for (const std::uint32_t mask : header.masks)
    {
      *rgb++ = static_cast<std::uint8_t>((pixel & mask) * std::uint64_t{ 255 } / mask);
    }
  }
}
}

RgbImage decodeBmp(const Bytes& file, std::int64_t maximumPixels)
{
  const Header header = readHeader(file);
  RgbImage image = blankImage(header.width, header.height, maximumPixels);
  const Palette palette = header.bits > 8 ? Palette{} : readPalette(file, header);
  const bool runs = header.compression == RunLength8 || header.compression == RunLength4;
  const std::vector<std::uint8_t> decoded =
    runs ? RunLengthReader(file, header).read() : std::vector<std::uint8_t>{};
  const std::size_t stride = (header.width * header.bits + 31) / 32 * 4;
  std::vector<std::uint8_t> indices(header.width);
  for (std::int64_t y = 0; y < header.height; ++y)
  {
    const std::int64_t target = header.topDown ? y : header.height - 1 - y;
    std::uint8_t* rgb = image.pixels.data() + target * header.width * 3;
    if (runs)
    {
      lookUp(palette, decoded.data() + y * header.width, header.width, rgb);
      continue;
    }
    const std::uint8_t* row = file.at(header.pixels + y * stride, stride);
    if (header.bits > 8)
    {
      unpackColours(row, header, rgb);
      continue;
    }
    unpackIndices(row, header.bits, indices);
    lookUp(palette, indices.data(), header.width, rgb);
  }
  return image;
}

} // namespace lvlm::picture
