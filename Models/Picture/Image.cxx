// SPDX-License-Identifier: Apache-2.0
#include "Image.h"

#include "Decoders.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <string_view>

namespace lvlm::picture
{

namespace
{
using Decoder = RgbImage (*)(const Bytes&, std::int64_t);

/// By the first bytes of the file; null for a format that is not known.
Decoder decoderOf(const Bytes& file)
{
  using namespace std::string_view_literals;
  const std::string_view head(
    reinterpret_cast<const char*>(file.data), std::min<std::size_t>(file.size, 12));
  const auto begins = [head](std::string_view magic)
  { return head.substr(0, magic.size()) == magic; };
  if (begins("\x89PNG\r\n\x1a\n"sv))
  {
    return decodePng;
  }
  if (begins("\xff\xd8\xff"sv))
  {
    return decodeJpeg;
  }
  // Classic and big TIFF, of either byte order.
  if (begins("II*\0"sv) || begins("MM\0*"sv) || begins("II+\0"sv) || begins("MM\0+"sv))
  {
    return decodeTiff;
  }
  if (begins("RIFF"sv) && head.size() == 12 && head.substr(8) == "WEBP"sv)
  {
    return decodeWebp;
  }
  if (begins("GIF87a"sv) || begins("GIF89a"sv))
  {
    return decodeGif;
  }
  if (begins("BM"sv))
  {
    return decodeBmp;
  }
  const bool pnm = head.size() > 2 && head[0] == 'P' && head[1] >= '1' && head[1] <= '6' &&
    std::isspace(static_cast<unsigned char>(head[2]));
  return pnm ? decodePnm : nullptr;
}

std::vector<std::uint8_t> readFile(const std::string& path, std::int64_t maximumPixels)
{
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error))
  {
    fail(path, ": no such picture file");
  }
  // Four samples of 16 bits are the most that a pixel takes, the rest is what the file tells of it.
  const std::uintmax_t largest =
    static_cast<std::uintmax_t>(maximumPixels) * 8 + (std::uintmax_t{ 64 } << 20);
  const std::uintmax_t size = std::filesystem::file_size(path, error);
  if (error || size > largest)
  {
    fail(path, ": has ", size, " bytes, a picture of ", maximumPixels, " pixels has at most ",
      largest);
  }
  std::vector<std::uint8_t> bytes(size);
  std::ifstream file(path, std::ios::binary);
  file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(size));
  bytes.resize(static_cast<std::size_t>(file.gcount()));
  return bytes;
}
}

RgbImage decodeImage(const std::uint8_t* bytes, std::size_t size, std::int64_t maximumPixels)
{
  const Bytes file{ bytes, size };
  const Decoder decode = decoderOf(file);
  if (!decode)
  {
    fail("none of the formats PNG, JPEG, TIFF, WebP, GIF, BMP, PNM");
  }
  return decode(file, maximumPixels);
}

RgbImage readImage(const std::string& path, std::int64_t maximumPixels)
{
  const std::vector<std::uint8_t> bytes = readFile(path, maximumPixels);
  try
  {
    return decodeImage(bytes.data(), bytes.size(), maximumPixels);
  }
  catch (const Error& error)
  {
    fail(path, ": cannot be decoded as a picture: ", error.what());
  }
}

void checkExtents(std::int64_t width, std::int64_t height, std::int64_t maximumPixels)
{
  if (width < 1 || height < 1)
  {
    fail("it has ", width, " x ", height, " pixels");
  }
  if (width > MaximumImageEdge || height > MaximumImageEdge)
  {
    fail(width, " x ", height, " pixels, more than the ", MaximumImageEdge,
      " an edge that are accepted");
  }
  if (width * height > maximumPixels)
  {
    fail(width, " x ", height, " pixels, more than the ", maximumPixels,
      " in all that are accepted (MaximumPixels)");
  }
}

RgbImage blankImage(std::int64_t width, std::int64_t height, std::int64_t maximumPixels)
{
  checkExtents(width, height, maximumPixels);
  RgbImage image{ width, height, {} };
  image.pixels.resize(static_cast<std::size_t>(width * height) * 3);
  return image;
}

void lookUp(
  const Palette& palette, const std::uint8_t* indices, std::int64_t count, std::uint8_t* rgb)
{
  for (std::int64_t i = 0; i < count; ++i)
  {
    std::copy_n(palette[indices[i]].data(), 3, rgb + 3 * i);
  }
}

void cmykToRgb(const std::uint8_t* cmyk, std::int64_t count, std::uint8_t* rgb)
{
  for (std::int64_t i = 0; i < count; ++i)
  {
    const int light = 255 - cmyk[4 * i + 3];
    for (int c = 0; c < 3; ++c)
    {
      const int product = cmyk[4 * i + c] * light + 128;
      // light - ink * light / 255, rounded, without a division
      rgb[3 * i + c] = static_cast<std::uint8_t>(light - (((product >> 8) + product) >> 8));
    }
  }
}

} // namespace lvlm::picture
