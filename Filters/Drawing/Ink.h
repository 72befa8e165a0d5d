// SPDX-License-Identifier: Apache-2.0
/// @file Ink.h
/// Colours of what is drawn beside a picture, made for the view's background.
#ifndef LVLM_FILTERS_DRAWING_INK_H
#define LVLM_FILTERS_DRAWING_INK_H

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

namespace lvlm
{

using Colour = std::array<unsigned char, 3>;

struct Ink
{
  Colour text{ 33, 33, 38 };
  Colour background{ 255, 255, 255 };

  /// A colour between the background (0) and the text (1).
  Colour between(double part) const
  {
    Colour mixed{};
    for (std::size_t i = 0; i < mixed.size(); ++i)
    {
      mixed[i] = static_cast<unsigned char>(
        std::lround(background[i] + part * (static_cast<double>(text[i]) - background[i])));
    }
    return mixed;
  }

  /// Whether the text is lighter than what it stands on.
  bool onDark() const
  {
    const auto sum = [](const Colour& c) { return 3 * c[0] + 6 * c[1] + c[2]; };
    return sum(this->text) > sum(this->background);
  }
};

/// From red, green and blue in [0, 1], as VTK has them.
inline Ink inkOf(const double text[3], const double background[3])
{
  const auto bytes = [](const double rgb[3])
  {
    Colour colour{};
    std::transform(rgb, rgb + 3, colour.begin(),
      [](double part)
      { return static_cast<unsigned char>(std::lround(255 * std::clamp(part, 0.0, 1.0))); });
    return colour;
  };
  return { bytes(text), bytes(background) };
}

} // namespace lvlm

#endif
