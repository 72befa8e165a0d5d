// SPDX-License-Identifier: Apache-2.0
#include "PictureEdit.h"

#include "Models/Trace/Error.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <sstream>
#include <utility>

namespace lvlm::picture
{

namespace
{
constexpr std::size_t LongestQuote = 60; // letters of an edit in a message
constexpr std::pair<const char*, EditFill> Fills[] = { { "mean", EditFill::Mean },
  { "surrounding", EditFill::Surrounding }, { "blur", EditFill::Blur },
  { "noise", EditFill::Noise }, { "black", EditFill::Black }, { "white", EditFill::White } };

std::string quoted(const std::string& text)
{
  return "the edit '" + (text.size() > LongestQuote ? text.substr(0, LongestQuote) + "..." : text) +
    "'";
}

/// Words of an edit, the fill at its end taken away.
struct Words
{
  std::vector<std::string> words;
  bool saysFill = false;
  EditFill fill = EditFill::Mean;
};

Words wordsOf(const std::string& text)
{
  Words result;
  std::istringstream stream(text);
  for (std::string word; stream >> word;)
  {
    result.words.push_back(word);
  }
  for (const auto& [name, fill] : Fills)
  {
    if (!result.words.empty() && result.words.back() == name)
    {
      result.saysFill = true;
      result.fill = fill;
      result.words.pop_back();
      break;
    }
  }
  return result;
}

double numberOf(const std::string& word, const std::string& text)
{
  double value = 0;
  const char* const end = word.data() + word.size();
  const auto [stop, error] = std::from_chars(word.data(), end, value);
  if (error != std::errc() || stop != end || !std::isfinite(value) ||
    std::abs(value) > 2.0 * MaximumImageEdge)
  {
    fail(quoted(text), ": '", word.substr(0, LongestQuote),
      "' is neither a place in a picture nor one of mean, "
      "surrounding, blur, noise, black, white");
  }
  return value;
}

void readCorners(const std::vector<std::string>& words, const std::string& text, PictureEdit& edit)
{
  if (words.size() != 5)
  {
    fail(quoted(text), ": ", words[0], " needs four numbers, x0 y0 x1 y1, not ", words.size() - 1);
  }
  for (std::size_t i = 0; i < 4; ++i)
  {
    const double value = numberOf(words[i + 1], text);
    if (value != std::floor(value))
    {
      fail(quoted(text), ": ", words[i + 1], " is no whole number");
    }
    edit.corners[i] = static_cast<std::int64_t>(value);
  }
}

void readPath(const std::vector<std::string>& words, const std::string& text, PictureEdit& edit)
{
  if (words.size() < 4 || words.size() % 2 != 0)
  {
    fail(quoted(text), ": brush needs a radius and points, x y each");
  }
  if (words.size() / 2 - 1 > MostBrushPoints)
  {
    fail(
      quoted(text), ": ", words.size() / 2 - 1, " points, at most ", MostBrushPoints, " are taken");
  }
  edit.radius = numberOf(words[1], text);
  if (edit.radius <= 0)
  {
    fail(quoted(text), ": the brush's radius ", words[1], " is not above 0");
  }
  for (std::size_t i = 2; i < words.size(); i += 2)
  {
    edit.path.push_back({ numberOf(words[i], text), numberOf(words[i + 1], text) });
  }
}

/// Some pixels of a picture: a box, rows from the top, and which of its pixels count.
struct Part
{
  PixelBox box;
  std::vector<std::uint8_t> inside; ///< [rows, columns], 1 or 0

  std::int64_t width() const { return this->box.right - this->box.left; }
  std::int64_t height() const { return this->box.bottom - this->box.top; }
};

/// Throws Error where corners are not inside the picture, or the wrong way round.
PixelBox boxOf(const PictureEdit& edit, std::int64_t width, std::int64_t height)
{
  const auto& [x0, y0, x1, y1] = edit.corners;
  const auto check = [](const char* axis, std::int64_t low, std::int64_t high, std::int64_t count)
  {
    if (low < 0 || low > high || high >= count)
    {
      fail("an edit reaches from ", axis, " = ", low, " to ", high,
        ": the picture has the pixels 0 to ", count - 1);
    }
  };
  check("x", x0, x1, width);
  check("y", y0, y1, height);
  return { x0, x1 + 1, height - 1 - y1, height - y0 };
}

double squaredDistance(
  double x, double y, const std::array<double, 2>& from, const std::array<double, 2>& to)
{
  const double dx = to[0] - from[0], dy = to[1] - from[1];
  const double length = dx * dx + dy * dy;
  const double along = length > 0 ? ((x - from[0]) * dx + (y - from[1]) * dy) / length : 0;
  const double t = std::clamp(along, 0.0, 1.0);
  const double ex = x - from[0] - t * dx, ey = y - from[1] - t * dy;
  return ex * ex + ey * ey;
}

/// The pixels that lie in a box around two points, `reach` wide; y counts from the top.
PixelBox boxAround(const std::array<double, 2>& a, const std::array<double, 2>& b, double reach,
  std::int64_t width, std::int64_t height)
{
  const auto first = [](double value) { return static_cast<std::int64_t>(std::ceil(value)); };
  const auto past = [](double value) { return static_cast<std::int64_t>(std::floor(value)) + 1; };
  return { std::clamp<std::int64_t>(first(std::min(a[0], b[0]) - reach), 0, width),
    std::clamp<std::int64_t>(past(std::max(a[0], b[0]) + reach), 0, width),
    std::clamp<std::int64_t>(first(std::min(a[1], b[1]) - reach), 0, height),
    std::clamp<std::int64_t>(past(std::max(a[1], b[1]) + reach), 0, height) };
}

Part brushed(const PictureEdit& edit, std::int64_t width, std::int64_t height)
{
  std::vector<std::array<double, 2>> path = edit.path;
  PixelBox box{ width, 0, height, 0 };
  for (std::array<double, 2>& point : path)
  {
    point[1] = static_cast<double>(height - 1) - point[1];
    const PixelBox own = boxAround(point, point, edit.radius, width, height);
    box = { std::min(box.left, own.left), std::max(box.right, own.right),
      std::min(box.top, own.top), std::max(box.bottom, own.bottom) };
  }
  Part part{ box, {} };
  part.inside.resize(static_cast<std::size_t>(
    std::max<std::int64_t>(0, part.width()) * std::max<std::int64_t>(0, part.height())));
  bool touches = false;
  for (std::size_t i = 0; i < path.size(); ++i)
  {
    const auto& from = path[i == 0 ? 0 : i - 1];
    const PixelBox near = boxAround(from, path[i], edit.radius, width, height);
    for (std::int64_t y = near.top; y < near.bottom; ++y)
    {
      for (std::int64_t x = near.left; x < near.right; ++x)
      {
        if (squaredDistance(static_cast<double>(x), static_cast<double>(y), from, path[i]) <=
          edit.radius * edit.radius)
        {
          part.inside[static_cast<std::size_t>((y - box.top) * part.width() + x - box.left)] = 1;
          touches = true;
        }
      }
    }
  }
  if (!touches)
  {
    fail("a brush of radius ", edit.radius, " at x = ", edit.path[0][0], ", y = ", edit.path[0][1],
      " touches no pixel of the picture, which has ", width, " x ", height);
  }
  return part;
}

Part partOf(const PictureEdit& edit, const RgbImage& picture)
{
  if (edit.shape == PictureEdit::Shape::Brush)
  {
    return brushed(edit, picture.width, picture.height);
  }
  Part part{ boxOf(edit, picture.width, picture.height), {} };
  part.inside.assign(static_cast<std::size_t>(part.width() * part.height()), 1);
  return part;
}

PixelBox grown(const PixelBox& box, std::int64_t reach, const RgbImage& picture)
{
  return { std::max<std::int64_t>(0, box.left - reach), std::min(picture.width, box.right + reach),
    std::max<std::int64_t>(0, box.top - reach), std::min(picture.height, box.bottom + reach) };
}

/// Gives `put` each pixel of the part: where it is in the picture's bytes.
template <typename Put>
void eachPixel(const Part& part, std::int64_t pictureWidth, Put&& put)
{
  std::size_t at = 0;
  for (std::int64_t y = part.box.top; y < part.box.bottom; ++y)
  {
    for (std::int64_t x = part.box.left; x < part.box.right; ++x, ++at)
    {
      if (part.inside[at])
      {
        put(x, y, static_cast<std::size_t>(3 * (y * pictureWidth + x)));
      }
    }
  }
}

void paint(RgbImage& picture, const Part& part, const std::array<std::uint8_t, 3>& color)
{
  eachPixel(part, picture.width,
    [&](std::int64_t, std::int64_t, std::size_t at)
    {
      std::copy(
        color.begin(), color.end(), picture.pixels.begin() + static_cast<std::ptrdiff_t>(at));
    });
}

/// Which pixels around a part are near it: those of its box, grown, in rows and then in columns.
Part nearPart(const Part& part, const RgbImage& picture)
{
  Part near{ grown(part.box, SurroundingWidth, picture), {} };
  const std::int64_t width = near.width();
  near.inside.resize(static_cast<std::size_t>(width * near.height()));
  std::vector<std::uint8_t> across(near.inside.size());
  eachPixel(part, picture.width,
    [&](std::int64_t x, std::int64_t y, std::size_t)
    {
      const std::int64_t row = (y - near.box.top) * width;
      const std::int64_t left = std::max(near.box.left, x - SurroundingWidth);
      const std::int64_t right = std::min(near.box.right - 1, x + SurroundingWidth);
      std::fill_n(across.begin() + row + left - near.box.left, right - left + 1, 1);
    });
  for (std::int64_t y = 0; y < near.height(); ++y)
  {
    for (std::int64_t other = std::max<std::int64_t>(0, y - SurroundingWidth);
         other <= std::min(near.height() - 1, y + SurroundingWidth); ++other)
    {
      for (std::int64_t x = 0; x < width; ++x)
      {
        near.inside[static_cast<std::size_t>(y * width + x)] |=
          across[static_cast<std::size_t>(other * width + x)];
      }
    }
  }
  return near;
}

/// The mean of the pixels around a part; of the whole picture where there are none.
std::array<std::uint8_t, 3> surroundingColor(const RgbImage& picture, const Part& part)
{
  Part near = nearPart(part, picture);
  eachPixel(part, picture.width,
    [&](std::int64_t x, std::int64_t y, std::size_t)
    {
      near.inside[static_cast<std::size_t>((y - near.box.top) * near.width() + x - near.box.left)] =
        0;
    });
  std::vector<std::uint8_t> around;
  eachPixel(near, picture.width,
    [&](std::int64_t, std::int64_t, std::size_t at)
    {
      const auto pixel = picture.pixels.begin() + static_cast<std::ptrdiff_t>(at);
      around.insert(around.end(), pixel, pixel + 3);
    });
  return around.empty() ? meanColor(picture.pixels.data(), picture.width * picture.height)
                        : meanColor(around.data(), static_cast<std::int64_t>(around.size() / 3));
}

/// A line's running means over `reach` values to each side; at its ends the end values count on.
void runningMean(std::vector<double>& line, std::int64_t reach, std::vector<double>& result)
{
  const auto count = static_cast<std::int64_t>(line.size());
  const auto value = [&](std::int64_t at)
  { return line[static_cast<std::size_t>(std::clamp<std::int64_t>(at, 0, count - 1))]; };
  result.resize(line.size());
  double sum = 0;
  for (std::int64_t at = -reach; at <= reach; ++at)
  {
    sum += value(at);
  }
  for (std::int64_t at = 0; at < count; ++at)
  {
    result[static_cast<std::size_t>(at)] = sum / static_cast<double>(2 * reach + 1);
    sum += value(at + reach + 1) - value(at - reach);
  }
  line.swap(result);
}

/// One colour of a box of the picture, blurred: [rows, columns].
std::vector<double> blurred(const RgbImage& picture, const PixelBox& box, int colour)
{
  const std::int64_t width = box.right - box.left, height = box.bottom - box.top;
  const std::int64_t reach = blurReach(picture.width, picture.height);
  std::vector<double> values(static_cast<std::size_t>(width * height)), line, rest;
  for (std::int64_t y = 0; y < height; ++y)
  {
    line.assign(static_cast<std::size_t>(width), 0);
    for (std::int64_t x = 0; x < width; ++x)
    {
      line[static_cast<std::size_t>(x)] = picture.pixels[static_cast<std::size_t>(
        3 * ((box.top + y) * picture.width + box.left + x) + colour)];
    }
    for (int pass = 0; pass < 3; ++pass)
    {
      runningMean(line, reach, rest);
    }
    std::copy(line.begin(), line.end(), values.begin() + y * width);
  }
  for (std::int64_t x = 0; x < width; ++x)
  {
    line.assign(static_cast<std::size_t>(height), 0);
    for (std::int64_t y = 0; y < height; ++y)
    {
      line[static_cast<std::size_t>(y)] = values[static_cast<std::size_t>(y * width + x)];
    }
    for (int pass = 0; pass < 3; ++pass)
    {
      runningMean(line, reach, rest);
    }
    for (std::int64_t y = 0; y < height; ++y)
    {
      values[static_cast<std::size_t>(y * width + x)] = line[static_cast<std::size_t>(y)];
    }
  }
  return values;
}

void blur(RgbImage& picture, const Part& part)
{
  // What lies beyond the reach of three means changes nothing.
  const PixelBox box = grown(part.box, 3 * blurReach(picture.width, picture.height), picture);
  std::array<std::vector<double>, 3> colours;
  for (int colour = 0; colour < 3; ++colour)
  {
    colours[static_cast<std::size_t>(colour)] = blurred(picture, box, colour);
  }
  eachPixel(part, picture.width,
    [&](std::int64_t x, std::int64_t y, std::size_t at)
    {
      const auto from =
        static_cast<std::size_t>((y - box.top) * (box.right - box.left) + x - box.left);
      for (std::size_t colour = 0; colour < 3; ++colour)
      {
        picture.pixels[at + colour] =
          static_cast<std::uint8_t>(std::lround(std::clamp(colours[colour][from], 0.0, 255.0)));
      }
    });
}

/// The n-th number of Steele, Lea and Flood's SplitMix64 from the seed 0.
std::uint64_t splitMix(std::uint64_t n)
{
  std::uint64_t z = (n + 1) * 0x9e3779b97f4a7c15U;
  z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
  z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
  return z ^ (z >> 31U);
}

void makeNoise(RgbImage& picture, const Part& part)
{
  eachPixel(part, picture.width,
    [&](std::int64_t, std::int64_t, std::size_t at)
    {
      const std::uint64_t bits = splitMix(at / 3); // by the pixel's number from the top left
      for (unsigned int colour = 0; colour < 3; ++colour)
      {
        picture.pixels[at + colour] = static_cast<std::uint8_t>(bits >> (8U * colour));
      }
    });
}

void fillPart(
  RgbImage& picture, const Part& part, EditFill fill, const std::array<std::uint8_t, 3>& mean)
{
  switch (fill)
  {
    case EditFill::Mean:
      return paint(picture, part, mean);
    case EditFill::Surrounding:
      return paint(picture, part, surroundingColor(picture, part));
    case EditFill::Blur:
      return blur(picture, part);
    case EditFill::Noise:
      return makeNoise(picture, part);
    case EditFill::Black:
      return paint(picture, part, { 0, 0, 0 });
    case EditFill::White:
      return paint(picture, part, { 255, 255, 255 });
  }
}

RgbImage cropped(const RgbImage& picture, const PixelBox& box)
{
  RgbImage result{ box.right - box.left, box.bottom - box.top, {} };
  result.pixels.reserve(static_cast<std::size_t>(3 * result.width * result.height));
  for (std::int64_t y = box.top; y < box.bottom; ++y)
  {
    const auto row = picture.pixels.begin() + 3 * (y * picture.width + box.left);
    result.pixels.insert(result.pixels.end(), row, row + 3 * result.width);
  }
  return result;
}
}

std::int64_t blurReach(std::int64_t width, std::int64_t height)
{
  return std::max<std::int64_t>(1, std::min(width, height) / 24);
}

PictureEdit parseEdit(const std::string& text)
{
  const auto [words, saysFill, fill] = wordsOf(text);
  PictureEdit edit;
  edit.fill = fill;
  if (!words.empty() && words[0] == "brush")
  {
    edit.shape = PictureEdit::Shape::Brush;
    readPath(words, text, edit);
    return edit;
  }
  const bool crop = !words.empty() && words[0] == "crop";
  if (!crop && (words.empty() || words[0] != "rectangle"))
  {
    fail(quoted(text), ": it starts with none of rectangle, brush, crop");
  }
  if (crop && saysFill)
  {
    fail(quoted(text), ": what is cropped has no fill");
  }
  edit.shape = crop ? PictureEdit::Shape::Crop : PictureEdit::Shape::Rectangle;
  readCorners(words, text, edit);
  return edit;
}

PixelBox keptPart(const std::vector<PictureEdit>& edits, std::int64_t width, std::int64_t height)
{
  PixelBox kept{ 0, width, 0, height };
  for (const PictureEdit& edit : edits)
  {
    kept = edit.shape == PictureEdit::Shape::Crop ? boxOf(edit, width, height) : kept;
  }
  return kept;
}

RgbImage applyEdits(const RgbImage& picture, const std::vector<PictureEdit>& edits)
{
  const PixelBox kept = keptPart(edits, picture.width, picture.height);
  const auto mean = meanColor(picture.pixels.data(), picture.width * picture.height);
  RgbImage result = picture;
  for (const PictureEdit& edit : edits)
  {
    if (edit.shape != PictureEdit::Shape::Crop)
    {
      fillPart(result, partOf(edit, result), edit.fill, mean);
    }
  }
  const bool whole =
    kept.right - kept.left == picture.width && kept.bottom - kept.top == picture.height;
  return whole ? result : cropped(result, kept);
}

} // namespace lvlm::picture
