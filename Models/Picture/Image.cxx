// SPDX-License-Identifier: Apache-2.0
#include "Image.h"

#include "Models/Trace/Error.h"

#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace lvlm::picture
{

namespace
{
/// Any exception of the decoder becomes an Error that names the file.
cv::Mat decode(const std::string& path)
{
  // The orientation that a camera noted is ignored, as PIL does unless it is asked.
  constexpr int flags = cv::IMREAD_ANYCOLOR | cv::IMREAD_ANYDEPTH | cv::IMREAD_IGNORE_ORIENTATION;
  try
  {
    return cv::imread(path, flags);
  }
  catch (const std::exception& error)
  {
    fail(path, ": cannot be decoded as a picture: ", error.what());
  }
}

/// Whether a JPEG file ends without its end marker: libjpeg would fill up with grey.
bool isCutJpeg(const std::string& path)
{
  constexpr std::streamoff tailLength = 1024; // some programs write behind the end
  std::ifstream file(path, std::ios::binary);
  std::array<char, 2> head{};
  if (!file.read(head.data(), head.size()) || std::string(head.data(), 2) != "\xff\xd8")
  {
    return false;
  }
  file.seekg(0, std::ios::end);
  const std::streamoff length = file.tellg();
  file.seekg(std::max<std::streamoff>(0, length - tailLength));
  const std::string tail{ std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>() };
  return tail.find("\xff\xd9") == std::string::npos;
}

/// To 8 bits as PIL does it: of colour the high byte, but grey values are clipped at 255.
cv::Mat toEightBits(const cv::Mat& picture, const std::string& path)
{
  cv::Mat bytes;
  switch (picture.depth())
  {
    case CV_8U:
      return picture;
    case CV_16U:
      if (picture.channels() == 1)
      {
        picture.convertTo(bytes, CV_8U);
        return bytes;
      }
      bytes.create(picture.size(), CV_8UC3);
      for (int y = 0; y < picture.rows; ++y)
      {
        const auto* in = picture.ptr<std::uint16_t>(y);
        auto* out = bytes.ptr<std::uint8_t>(y);
        std::transform(in, in + picture.cols * std::int64_t{ 3 }, out,
          [](std::uint16_t value) { return static_cast<std::uint8_t>(value >> 8); });
      }
      return bytes;
    default:
      fail(path, ": samples of type ", cv::typeToString(picture.type()),
        " are not supported, only unsigned 8 and 16 bit ones");
  }
}
}

RgbImage readImage(const std::string& path)
{
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored))
  {
    fail(path, ": no such picture file");
  }
  const cv::Mat decoded = decode(path);
  if (decoded.empty() || isCutJpeg(path))
  {
    fail(path, ": cannot be decoded as a picture (truncated, or of an unknown format)");
  }
  if (decoded.cols > MaximumImageEdge || decoded.rows > MaximumImageEdge)
  {
    fail(path, ": ", decoded.cols, " x ", decoded.rows, " pixels, more than the ", MaximumImageEdge,
      " an edge that are accepted");
  }
  const cv::Mat bytes = toEightBits(decoded, path);
  RgbImage image{ bytes.cols, bytes.rows, {} };
  image.pixels.resize(static_cast<std::size_t>(image.width * image.height) * 3);
  cv::Mat rgb(bytes.rows, bytes.cols, CV_8UC3, image.pixels.data());
  cv::cvtColor(bytes, rgb, bytes.channels() == 1 ? cv::COLOR_GRAY2RGB : cv::COLOR_BGR2RGB);
  return image;
}

} // namespace lvlm::picture
