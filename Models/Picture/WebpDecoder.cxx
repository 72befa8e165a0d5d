// SPDX-License-Identifier: Apache-2.0
#include "Decoders.h"

#include <webp/decode.h>
#include <webp/demux.h>

#include <memory>

namespace lvlm::picture
{

RgbImage decodeWebp(const Bytes& file, std::int64_t maximumPixels)
{
  const WebPData data{ file.data, file.size };
  const std::unique_ptr<WebPDemuxer, decltype(&WebPDemuxDelete)> demuxer(
    WebPDemux(&data), &WebPDemuxDelete);
  WebPIterator frame{};
  // A still picture is a single frame; it belongs to the demuxer.
  if (!demuxer || !WebPDemuxGetFrame(demuxer.get(), 1, &frame))
  {
    fail("the WebP file is truncated or damaged");
  }
  const std::int64_t width = WebPDemuxGetI(demuxer.get(), WEBP_FF_CANVAS_WIDTH);
  const std::int64_t height = WebPDemuxGetI(demuxer.get(), WEBP_FF_CANVAS_HEIGHT);
  RgbImage image = blankImage(width, height, maximumPixels);
  if (frame.x_offset < 0 || frame.y_offset < 0 || frame.x_offset + frame.width > width ||
    frame.y_offset + frame.height > height)
  {
    fail("the first frame of the WebP file reaches beyond the picture");
  }
  const std::int64_t begin = (frame.y_offset * width + frame.x_offset) * 3;
  if (!WebPDecodeRGBInto(frame.fragment.bytes, frame.fragment.size, image.pixels.data() + begin,
        image.pixels.size() - begin, static_cast<int>(width * 3)))
  {
    fail("the WebP file is truncated or damaged");
  }
  return image;
}

} // namespace lvlm::picture
