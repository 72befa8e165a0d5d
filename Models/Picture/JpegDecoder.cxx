// SPDX-License-Identifier: Apache-2.0
#include "Decoders.h"

#include <cstdio> // before jpeglib.h, which wants FILE

#include <jerror.h>
#include <jpeglib.h>

#include <algorithm>

namespace lvlm::picture
{

namespace
{
struct JpegFile
{
  jpeg_decompress_struct jpeg{};
  jpeg_error_mgr errors{};
  jpeg_progress_mgr progress{};
  std::jmp_buf back{};
  char message[JMSG_LENGTH_MAX] = "";

  ~JpegFile() { jpeg_destroy_decompress(&this->jpeg); }
};

[[noreturn]] void onError(j_common_ptr jpeg)
{
  auto* file = static_cast<JpegFile*>(jpeg->client_data);
  jpeg->err->format_message(jpeg, file->message);
  std::longjmp(file->back, 1);
}

/// libjpeg would fill up a truncated picture with grey. Other warnings are passed over, as by PIL.
void onMessage(j_common_ptr jpeg, int level)
{
  if (level < 0 && jpeg->err->msg_code == JWRN_JPEG_EOF)
  {
    onError(jpeg);
  }
}

/// Thousands of empty scans fit into a small file, each as much work as the whole picture.
void onProgress(j_common_ptr jpeg)
{
  constexpr int mostScans = 500;
  if (reinterpret_cast<j_decompress_ptr>(jpeg)->input_scan_number > mostScans)
  {
    ERREXIT(jpeg, JERR_BAD_PROGRESSION);
  }
}

void readHeader(JpegFile& file, const Bytes& bytes)
{
  file.jpeg.err = jpeg_std_error(&file.errors);
  file.errors.error_exit = onError;
  file.errors.emit_message = onMessage;
  file.progress.progress_monitor = onProgress;
  file.jpeg.client_data = &file;
  runStep(file.back, file.message,
    [&]
    {
      jpeg_create_decompress(&file.jpeg);
      file.jpeg.progress = &file.progress;
      jpeg_mem_src(&file.jpeg, bytes.data, bytes.size);
      jpeg_read_header(&file.jpeg, TRUE);
    });
}
}

RgbImage decodeJpeg(const Bytes& bytes, std::int64_t maximumPixels)
{
  JpegFile file;
  jpeg_decompress_struct& jpeg = file.jpeg;
  readHeader(file, bytes);
  const int channels = jpeg.num_components;
  if (channels != 1 && channels != 3 && channels != 4)
  {
    fail("JPEG with ", channels, " channels");
  }
  RgbImage image = blankImage(jpeg.image_width, jpeg.image_height, maximumPixels);
  const std::int64_t stride = image.width * 3;
  std::vector<std::uint8_t> inks(channels == 4 ? image.width * 4 : 0);
  runStep(file.back, file.message,
    [&]
    {
      jpeg.out_color_space = channels == 4 ? JCS_CMYK : JCS_RGB;
      jpeg_start_decompress(&jpeg);
      while (jpeg.output_scanline < jpeg.output_height)
      {
        std::uint8_t* out = image.pixels.data() + jpeg.output_scanline * stride;
        std::uint8_t* row = channels == 4 ? inks.data() : out;
        jpeg_read_scanlines(&jpeg, &row, 1);
        if (channels == 4)
        {
          // Four channels are taken for Adobe's, who write ink upside down.
          std::transform(inks.begin(), inks.end(), inks.begin(),
            [](std::uint8_t ink) { return static_cast<std::uint8_t>(255 - ink); });
          cmykToRgb(inks.data(), image.width, out);
        }
      }
      jpeg_finish_decompress(&jpeg);
    });
  return image;
}

} // namespace lvlm::picture
