// SPDX-License-Identifier: Apache-2.0
#include "HeatMap.h"

#include "Models/Trace/Error.h"

#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>

#include <algorithm>
#include <cmath>

namespace lvlm
{

namespace
{
/// The map stretched to [0, 1].
cv::Mat normalized(const std::vector<float>& heat, const PatchGrid& grid)
{
  float low = INFINITY;
  float high = -INFINITY;
  for (const float value : heat)
  {
    if (std::isfinite(value))
    {
      low = std::min(low, value);
      high = std::max(high, value);
    }
  }
  const float scale = high > low ? 1.0f / (high - low) : 0.0f;
  cv::Mat result(static_cast<int>(grid.rows), static_cast<int>(grid.cols), CV_32F);
  for (std::size_t i = 0; i < heat.size(); ++i)
  {
    result.ptr<float>()[i] = std::isfinite(heat[i]) ? (heat[i] - low) * scale : 0.0f;
  }
  return result;
}

cv::Rect pixelsOf(const Box& box, const cv::Size& size)
{
  const auto pixel = [](double edge, int most)
  { return static_cast<int>(std::lround(std::clamp(edge, 0.0, static_cast<double>(most)))); };
  const cv::Point from(pixel(box[0], size.width), pixel(box[1], size.height));
  return { from, cv::Point(pixel(box[2], size.width), pixel(box[3], size.height)) };
}
}

picture::RgbImage blendHeat(const picture::RgbImage& picture, const std::vector<float>& heat,
  const PatchGrid& grid, const Box& box, const HeatStyle& style)
{
  if (picture.width < 1 || picture.height < 1 || picture.width > INT32_MAX ||
    picture.height > INT32_MAX ||
    picture.pixels.size() != static_cast<std::size_t>(picture.width * picture.height * 3) ||
    heat.size() != static_cast<std::size_t>(grid.count()) || heat.empty())
  {
    fail("a map of ", grid.rows, " x ", grid.cols, " patches cannot be laid over a picture of ",
      picture.width, " x ", picture.height, " pixels");
  }
  const cv::Size size(static_cast<int>(picture.width), static_cast<int>(picture.height));
  const cv::Rect part = pixelsOf(box, size);
  if (part.width < 1 || part.height < 1)
  {
    fail("a map that lies beside its picture");
  }
  try
  {
    cv::Mat large; // [h, w] of the part
    cv::resize(normalized(heat, grid), large, part.size(), 0, 0,
      style.smooth ? cv::INTER_CUBIC : cv::INTER_NEAREST);
    cv::Mat bytes;
    large.convertTo(bytes, CV_8U, 255.0); // saturates where the cubic overshoots
    cv::Mat colours;
    cv::applyColorMap(bytes, colours, style.colorMap);
    cv::cvtColor(colours, colours, cv::COLOR_BGR2RGB);
    const cv::Mat below(size, CV_8UC3, const_cast<std::uint8_t*>(picture.pixels.data()));
    picture::RgbImage result = picture;
    cv::Mat blended = cv::Mat(size, CV_8UC3, result.pixels.data())(part);
    cv::addWeighted(colours, style.opacity, below(part), 1.0 - style.opacity, 0.0, blended);
    return result;
  }
  catch (const cv::Exception& error)
  {
    fail("OpenCV: ", error.what());
  }
}

} // namespace lvlm
