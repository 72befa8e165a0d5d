// SPDX-License-Identifier: Apache-2.0
#include "Decoders.h"

#include <gif_lib.h>

#include <algorithm>
#include <memory>

namespace lvlm::picture
{

namespace
{
struct CloseGif
{
  void operator()(GifFileType* gif) const { DGifCloseFile(gif, nullptr); }
};
using GifPointer = std::unique_ptr<GifFileType, CloseGif>;

int onRead(GifFileType* gif, GifByteType* out, int count)
{
  Bytes& rest = *static_cast<Bytes*>(gif->UserData);
  const auto taken = static_cast<int>(std::min<std::size_t>(count, rest.size));
  std::copy_n(rest.data, taken, out);
  rest = { rest.data + taken, rest.size - taken };
  return taken;
}

void check(int result, const GifPointer& gif)
{
  if (result == GIF_ERROR)
  {
    const char* message = GifErrorString(gif->Error);
    fail("damaged GIF file: ", message ? message : "unknown error");
  }
}

/// Reads on to the first picture. Returns its transparent colour, 0 if it has none.
std::uint8_t findPicture(const GifPointer& gif)
{
  std::uint8_t transparent = 0;
  while (true)
  {
    GifRecordType type = UNDEFINED_RECORD_TYPE;
    check(DGifGetRecordType(gif.get(), &type), gif);
    if (type == IMAGE_DESC_RECORD_TYPE)
    {
      check(DGifGetImageDesc(gif.get()), gif);
      return transparent;
    }
    if (type != EXTENSION_RECORD_TYPE)
    {
      fail("GIF file without a picture");
    }
    int code = 0;
    GifByteType* block = nullptr; // its length comes first
    check(DGifGetExtension(gif.get(), &code, &block), gif);
    if (code == GRAPHICS_EXT_FUNC_CODE && block && block[0] >= 4 && (block[1] & 1) != 0)
    {
      transparent = block[4];
    }
    while (block)
    {
      check(DGifGetExtensionNext(gif.get(), &block), gif);
    }
  }
}

/// Without any palette the indices are grey values.
Palette paletteOf(const GifFileType& gif)
{
  Palette palette{};
  const ColorMapObject* map = gif.Image.ColorMap ? gif.Image.ColorMap : gif.SColorMap;
  for (int i = 0; i < (map ? std::min(map->ColorCount, 256) : 256); ++i)
  {
    const auto grey = static_cast<std::uint8_t>(i);
    palette[i] = map
      ? std::array<std::uint8_t, 3>{ map->Colors[i].Red, map->Colors[i].Green, map->Colors[i].Blue }
      : std::array<std::uint8_t, 3>{ grey, grey, grey };
  }
  return palette;
}
}

RgbImage decodeGif(const Bytes& file, std::int64_t maximumPixels)
{
  Bytes rest = file;
  int error = 0;
  const GifPointer gif(DGifOpen(&rest, onRead, &error));
  if (!gif)
  {
    fail("damaged GIF file: the header is incomplete");
  }
  const std::uint8_t transparent = findPicture(gif);
  const GifImageDesc& part = gif->Image;
  checkExtents(part.Width, part.Height, maximumPixels);
  // PIL lets a picture that is larger than the screen enlarge it.
  RgbImage image = blankImage(std::max<std::int64_t>(gif->SWidth, part.Left + part.Width),
    std::max<std::int64_t>(gif->SHeight, part.Top + part.Height), maximumPixels);
  const Palette palette = paletteOf(*gif);
  for (std::size_t i = 0; i < image.pixels.size(); i += 3)
  {
    std::copy_n(palette[transparent].data(), 3, image.pixels.data() + i);
  }
  std::vector<std::uint8_t> indices(part.Width);
  const auto readRows = [&](int first, int step)
  {
    for (int y = first; y < part.Height; y += step)
    {
      check(DGifGetLine(gif.get(), indices.data(), part.Width), gif);
      lookUp(palette, indices.data(), part.Width,
        image.pixels.data() + ((part.Top + y) * image.width + part.Left) * 3);
    }
  };
  if (!part.Interlace)
  {
    readRows(0, 1);
    return image;
  }
  readRows(0, 8);
  readRows(4, 8);
  readRows(2, 4);
  readRows(1, 2);
  return image;
}

} // namespace lvlm::picture
