// SPDX-License-Identifier: Apache-2.0
#include "Decoders.h"

#include <png.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace lvlm::picture
{

namespace
{
struct PngFile
{
  Bytes rest; ///< what libpng has not read yet
  png_structp png = nullptr;
  png_infop info = nullptr;
  std::jmp_buf back{};
  char message[128] = "";

  ~PngFile() { png_destroy_read_struct(&this->png, &this->info, nullptr); }
};

[[noreturn]] void onError(png_structp png, png_const_charp message)
{
  auto* file = static_cast<PngFile*>(png_get_error_ptr(png));
  std::snprintf(file->message, sizeof(file->message), "%s", message);
  std::longjmp(file->back, 1);
}

void onWarning(png_structp, png_const_charp) {}

void onRead(png_structp png, png_bytep out, std::size_t count)
{
  Bytes& rest = static_cast<PngFile*>(png_get_io_ptr(png))->rest;
  if (count > rest.size)
  {
    png_error(png, "the file is truncated");
  }
  std::memcpy(out, rest.data, count);
  rest = { rest.data + count, rest.size - count };
}

void readHeader(PngFile& file)
{
  file.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &file, onError, onWarning);
  file.info = file.png ? png_create_info_struct(file.png) : nullptr;
  if (!file.info)
  {
    fail("libpng cannot be started");
  }
  runStep(file.back, file.message,
    [&file]
    {
      png_set_read_fn(file.png, &file, onRead);
      // Texts and colour profiles are of no use here: they are passed over, not unpacked.
      png_set_keep_unknown_chunks(file.png, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
      png_read_info(file.png, file.info);
    });
}

/// Asks for 8-bit RGB; of 16-bit grey the samples are left as they are.
void chooseTransforms(PngFile& file, bool deepGrey)
{
  png_set_palette_to_rgb(file.png);
  png_set_expand_gray_1_2_4_to_8(file.png);
  png_set_strip_alpha(file.png);
  if (!deepGrey)
  {
    png_set_strip_16(file.png); // the high byte
    png_set_gray_to_rgb(file.png);
  }
  png_set_interlace_handling(file.png);
}

/// 16-bit samples [width] at the row's start to RGB in place, clipped at 255.
void spreadDeepGrey(std::uint8_t* row, std::int64_t width)
{
  for (std::int64_t x = width - 1; x >= 0; --x)
  {
    const std::uint8_t value = row[2 * x] > 0 ? 255 : row[2 * x + 1];
    std::fill_n(row + 3 * x, 3, value);
  }
}
}

RgbImage decodePng(const Bytes& bytes, std::int64_t maximumPixels)
{
  PngFile file{ bytes };
  readHeader(file);
  RgbImage image = blankImage(png_get_image_width(file.png, file.info),
    png_get_image_height(file.png, file.info), maximumPixels);
  const bool deepGrey = png_get_color_type(file.png, file.info) == PNG_COLOR_TYPE_GRAY &&
    png_get_bit_depth(file.png, file.info) == 16;
  std::vector<png_bytep> rows(static_cast<std::size_t>(image.height));
  for (std::size_t y = 0; y < rows.size(); ++y)
  {
    rows[y] = image.pixels.data() + y * image.width * 3;
  }
  runStep(file.back, file.message,
    [&]
    {
      chooseTransforms(file, deepGrey);
      png_read_image(file.png, rows.data());
      png_read_end(file.png, nullptr);
    });
  if (deepGrey)
  {
    std::for_each(
      rows.begin(), rows.end(), [&](png_bytep row) { spreadDeepGrey(row, image.width); });
  }
  return image;
}

} // namespace lvlm::picture
