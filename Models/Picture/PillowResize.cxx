// SPDX-License-Identifier: Apache-2.0
#include "PillowResize.h"

#include "Models/Trace/Error.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

namespace lvlm::picture
{

Canvas::Canvas(const RgbImage& image) : Image(&image), Width(image.width), Height(image.height) {}

Canvas Canvas::square(const RgbImage& image, const std::array<std::uint8_t, 3>& colour)
{
  Canvas canvas(image);
  const std::int64_t edge = std::max(image.width, image.height);
  canvas.Width = edge;
  canvas.Height = edge;
  canvas.Left = (edge - image.width) / 2;
  canvas.Top = (edge - image.height) / 2;
  canvas.Colour = colour;
  return canvas;
}

const std::uint8_t* Canvas::row(std::int64_t y, std::vector<std::uint8_t>& scratch) const
{
  const std::int64_t line = y - this->Top;
  const bool inside = line >= 0 && line < this->Image->height;
  const std::size_t bytes = static_cast<std::size_t>(this->Image->width) * 3;
  const std::uint8_t* source = inside ? this->Image->pixels.data() + line * bytes : nullptr;
  if (inside && this->Width == this->Image->width)
  {
    return source;
  }
  scratch.resize(static_cast<std::size_t>(this->Width) * 3);
  for (std::size_t i = 0; i < scratch.size(); i += 3)
  {
    std::copy(this->Colour.begin(), this->Colour.end(), scratch.begin() + i);
  }
  if (inside)
  {
    std::copy(source, source + bytes, scratch.begin() + this->Left * 3);
  }
  return scratch.data();
}

namespace
{
constexpr double Pi = 3.14159265358979323846;

/// Fraction bits of Pillow's fixed-point weights: 8 bits of 32 hold the result, 2 catch overflow.
constexpr int FractionBits = 32 - 8 - 2;
constexpr std::int32_t Half = 1 << (FractionBits - 1);

/// A filter's half-width in source pixels (before scaling).
double supportOf(Resample resample)
{
  switch (resample)
  {
    case Resample::Box:
      return 0.5;
    case Resample::Bilinear:
    case Resample::Hamming:
      return 1.0;
    case Resample::Bicubic:
      return 2.0;
    case Resample::Lanczos:
      return 3.0;
    case Resample::Nearest:
      break;
  }
  fail("resampling filter ", static_cast<int>(resample), " has no kernel");
}

double sinc(double x)
{
  return x == 0.0 ? 1.0 : std::sin(x * Pi) / (x * Pi);
}

/// Order of operations as in Pillow: the result must be equal to the last bit.
double bicubic(double x)
{
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1.0)
  {
    return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
  }
  return x < 2.0 ? (((x - 5) * x + 8) * x - 4) * a : 0.0;
}

double hamming(double x)
{
  x = std::abs(x);
  if (x == 0.0 || x >= 1.0)
  {
    return x == 0.0 ? 1.0 : 0.0;
  }
  // Pillow's two constants are floats.
  return std::sin(x * Pi) / (x * Pi) * (0.54F + 0.46F * std::cos(x * Pi));
}

double kernel(Resample resample, double x)
{
  switch (resample)
  {
    case Resample::Box:
      return x > -0.5 && x <= 0.5 ? 1.0 : 0.0;
    case Resample::Bilinear:
      return std::max(0.0, 1.0 - std::abs(x));
    case Resample::Hamming:
      return hamming(x);
    case Resample::Bicubic:
      return bicubic(x);
    case Resample::Lanczos:
      return x >= -3.0 && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0;
    case Resample::Nearest:
      break;
  }
  return 0.0;
}

/// How each output pixel of one axis (window only) is made: source pixels [first, first + count)
/// with the weights at [i * stride, ...).
struct AxisWeights
{
  std::vector<std::int64_t> first;
  std::vector<std::int64_t> count;
  std::vector<std::int32_t> weight; ///< fixed point, FractionBits
  std::int64_t stride = 0;

  const std::int32_t* weights(std::int64_t i) const { return this->weight.data() + i * stride; }
  std::int64_t end(std::int64_t i) const { return this->first[i] + this->count[i]; }
};

std::int32_t fixedPoint(double weight)
{
  return static_cast<std::int32_t>((weight < 0 ? -0.5 : 0.5) + weight * (1 << FractionBits));
}

AxisWeights identityWeights(std::int64_t begin, std::int64_t size)
{
  AxisWeights axis;
  axis.stride = 1;
  axis.count.assign(size, 1);
  axis.weight.assign(size, 1 << FractionBits);
  for (std::int64_t i = 0; i < size; ++i)
  {
    axis.first.push_back(begin + i);
  }
  return axis;
}

/// Weights of output pixels [begin, begin + size) when `in` pixels become `out`.
AxisWeights axisWeights(
  std::int64_t in, std::int64_t out, Resample resample, std::int64_t begin, std::int64_t size)
{
  if (in == out)
  {
    return identityWeights(begin, size); // Pillow skips the pass
  }
  const double scale = static_cast<double>(in) / static_cast<double>(out);
  const double filterScale = std::max(scale, 1.0);
  const double support = supportOf(resample) * filterScale;
  const double inverse = 1.0 / filterScale;

  AxisWeights axis;
  axis.stride = std::min<std::int64_t>(static_cast<std::int64_t>(std::ceil(support)) * 2 + 1, in);
  axis.weight.assign(static_cast<std::size_t>(size * axis.stride), 0);
  std::vector<double> exact;
  for (std::int64_t i = 0; i < size; ++i)
  {
    const double centre = (static_cast<double>(begin + i) + 0.5) * scale;
    // NOLINTBEGIN(bugprone-incorrect-roundings): rounded as Pillow rounds, towards zero.
    const auto first = std::max<std::int64_t>(static_cast<std::int64_t>(centre - support + 0.5), 0);
    const auto end = std::min<std::int64_t>(static_cast<std::int64_t>(centre + support + 0.5), in);
    // NOLINTEND(bugprone-incorrect-roundings)
    exact.clear();
    double sum = 0.0;
    for (std::int64_t x = first; x < end; ++x)
    {
      const double offset = static_cast<double>(x) - centre + 0.5;
      exact.push_back(kernel(resample, offset * inverse));
      sum += exact.back();
    }
    for (std::size_t k = 0; k < exact.size(); ++k)
    {
      const double weight = sum != 0.0 ? exact[k] / sum : exact[k];
      axis.weight[i * axis.stride + k] = fixedPoint(weight);
    }
    axis.first.push_back(first);
    axis.count.push_back(end - first);
  }
  return axis;
}

std::uint8_t toByte(std::int32_t value)
{
  return static_cast<std::uint8_t>(std::clamp(value >> FractionBits, 0, 255));
}

/// Adds a row of bytes times its weight: the vertical pass.
void addRow(const std::uint8_t* row, std::int32_t weight, std::vector<std::int32_t>& sum)
{
  for (std::size_t i = 0; i < sum.size(); ++i)
  {
    sum[i] += row[i] * weight;
  }
}

/// One row through the horizontal pass: [canvas width, 3] to [window width, 3].
void resampleRow(const std::uint8_t* in, const AxisWeights& axis, std::uint8_t* out)
{
  const auto size = static_cast<std::int64_t>(axis.first.size());
  for (std::int64_t i = 0; i < size; ++i)
  {
    const std::uint8_t* pixel = in + axis.first[i] * 3;
    const std::int32_t* weight = axis.weights(i);
    std::int32_t sum[3] = { Half, Half, Half };
    for (std::int64_t k = 0; k < axis.count[i]; ++k, pixel += 3)
    {
      sum[0] += pixel[0] * weight[k];
      sum[1] += pixel[1] * weight[k];
      sum[2] += pixel[2] * weight[k];
    }
    *out++ = toByte(sum[0]);
    *out++ = toByte(sum[1]);
    *out++ = toByte(sum[2]);
  }
}

RgbImage blankImage(const AxisWeights& across, const AxisWeights& down)
{
  const auto width = static_cast<std::int64_t>(across.first.size());
  const auto height = static_cast<std::int64_t>(down.first.size());
  return { width, height, std::vector<std::uint8_t>(static_cast<std::size_t>(width * height) * 3) };
}

/// The two passes. Horizontally finished rows stay in a ring that holds as many as one output row
/// needs; rows are asked for in rising order, so each is made once.
RgbImage acrossThenDown(const Canvas& canvas, const AxisWeights& across, const AxisWeights& down)
{
  RgbImage out = blankImage(across, down);
  const std::int64_t bytes = out.width * 3;
  std::vector<std::uint8_t> scratch;
  std::vector<std::uint8_t> ring(static_cast<std::size_t>(bytes * down.stride));
  std::vector<std::int32_t> sum;
  std::int64_t ready = 0; // rows below this one have been through the horizontal pass
  for (std::int64_t j = 0; j < out.height; ++j)
  {
    for (std::int64_t y = std::max(ready, down.first[j]); y < down.end(j); ++y)
    {
      resampleRow(canvas.row(y, scratch), across, ring.data() + (y % down.stride) * bytes);
    }
    ready = std::max(ready, down.end(j));

    sum.assign(static_cast<std::size_t>(bytes), Half);
    for (std::int64_t k = 0; k < down.count[j]; ++k)
    {
      addRow(ring.data() + ((down.first[j] + k) % down.stride) * bytes, down.weights(j)[k], sum);
    }
    std::transform(sum.begin(), sum.end(), out.pixels.begin() + j * bytes, toByte);
  }
  return out;
}

/// The two passes the other way round: only one vertically finished row exists at a time.
RgbImage downThenAcross(const Canvas& canvas, AxisWeights across, const AxisWeights& down)
{
  RgbImage out = blankImage(across, down);
  const std::int64_t left = across.first.front();
  const std::int64_t bytes = (across.end(out.width - 1) - left) * 3; // of the columns looked at
  for (std::int64_t& first : across.first)
  {
    first -= left;
  }
  std::vector<std::uint8_t> scratch;
  std::vector<std::uint8_t> row(static_cast<std::size_t>(bytes));
  std::vector<std::int32_t> sum;
  for (std::int64_t j = 0; j < out.height; ++j)
  {
    sum.assign(static_cast<std::size_t>(bytes), Half);
    for (std::int64_t k = 0; k < down.count[j]; ++k)
    {
      addRow(canvas.row(down.first[j] + k, scratch) + left * 3, down.weights(j)[k], sum);
    }
    std::transform(sum.begin(), sum.end(), row.begin(), toByte);
    resampleRow(row.data(), across, out.pixels.data() + j * out.width * 3);
  }
  return out;
}

/// Source pixel of each output pixel in [begin, begin + size); -1 where Pillow's running sum has
/// left the picture. It adds the step pixel by pixel, so rounding accumulates: so must this.
std::vector<std::int64_t> nearestPositions(
  std::int64_t in, std::int64_t out, std::int64_t begin, std::int64_t size)
{
  const double step = static_cast<double>(in) / static_cast<double>(out);
  double position = step * 0.5;
  std::vector<std::int64_t> positions;
  for (std::int64_t i = 0; i < begin + size; ++i)
  {
    if (i >= begin)
    {
      const auto source = static_cast<std::int64_t>(position);
      positions.push_back(source < in ? source : -1);
    }
    position += step;
  }
  return positions;
}

RgbImage pickNearest(const Canvas& canvas, const std::vector<std::int64_t>& columns,
  const std::vector<std::int64_t>& rows)
{
  const auto width = static_cast<std::int64_t>(columns.size());
  const auto height = static_cast<std::int64_t>(rows.size());
  RgbImage out{ width, height,
    std::vector<std::uint8_t>(static_cast<std::size_t>(width * height * 3)) };
  std::vector<std::uint8_t> scratch;
  for (std::int64_t j = 0; j < height; ++j)
  {
    const std::uint8_t* row = rows[j] < 0 ? nullptr : canvas.row(rows[j], scratch);
    for (std::int64_t i = 0; row && i < width; ++i)
    {
      if (columns[i] >= 0)
      {
        std::memcpy(&out.pixels[(j * width + i) * 3], row + columns[i] * 3, 3);
      }
    }
  }
  return out;
}

void checkWindow(std::int64_t width, std::int64_t height, const PixelWindow& window)
{
  if (width <= 0 || height <= 0 || window.width <= 0 || window.height <= 0 || window.left < 0 ||
    window.top < 0 || window.left > width - window.width || window.top > height - window.height)
  {
    fail("cannot resize a picture to ", width, " x ", height, " pixels and keep ", window.width,
      " x ", window.height, " from column ", window.left, ", row ", window.top);
  }
}
}

RgbImage resizeWindow(const Canvas& canvas, std::int64_t width, std::int64_t height,
  Resample resample, const PixelWindow& window)
{
  checkWindow(width, height, window);
  if (resample == Resample::Nearest)
  {
    return pickNearest(canvas, nearestPositions(canvas.width(), width, window.left, window.width),
      nearestPositions(canvas.height(), height, window.top, window.height));
  }
  AxisWeights across = axisWeights(canvas.width(), width, resample, window.left, window.width);
  const AxisWeights down =
    axisWeights(canvas.height(), height, resample, window.top, window.height);
  // Since Pillow 13: rows first when that saves much. The order shows where the 8 bits between the
  // passes round or clip.
  const std::int64_t lostRows = canvas.height() - height;
  return lostRows > 0 && lostRows > 2 * (canvas.width() - width)
    ? downThenAcross(canvas, std::move(across), down)
    : acrossThenDown(canvas, across, down);
}

} // namespace lvlm::picture
