// SPDX-License-Identifier: Apache-2.0
/// @file Decoders.h
/// One function a file format: the codec is a library's, what it means as RGB is PIL's. Private to
/// Models/Picture; readImage() and decodeImage() of Image.h choose among them.
#ifndef LVLM_PICTURE_DECODERS_H
#define LVLM_PICTURE_DECODERS_H

#include "Image.h"

#include "Models/Trace/Error.h"

#include <array>
#include <csetjmp>
#include <cstddef>
#include <cstdint>

namespace lvlm::picture
{

/// A file in memory. Nothing in it is trusted.
struct Bytes
{
  const std::uint8_t* data = nullptr;
  std::size_t size = 0;

  /// The `count` bytes from `offset` on. Throws Error when the file has fewer.
  const std::uint8_t* at(std::size_t offset, std::size_t count) const
  {
    if (offset > this->size || count > this->size - offset)
    {
      fail("the file is truncated");
    }
    return this->data + offset;
  }
};

/// Each throws Error when the file is damaged, of an unsupported kind or larger than allowed.
RgbImage decodePng(const Bytes& file, std::int64_t maximumPixels);
RgbImage decodeJpeg(const Bytes& file, std::int64_t maximumPixels);
RgbImage decodeTiff(const Bytes& file, std::int64_t maximumPixels);
RgbImage decodeWebp(const Bytes& file, std::int64_t maximumPixels);
RgbImage decodeGif(const Bytes& file, std::int64_t maximumPixels);
RgbImage decodeBmp(const Bytes& file, std::int64_t maximumPixels);
RgbImage decodePnm(const Bytes& file, std::int64_t maximumPixels);

/// Throws Error unless a picture of these extents is accepted. To be called before anything of its
/// size is allocated.
void checkExtents(std::int64_t width, std::int64_t height, std::int64_t maximumPixels);

/// A black picture, its extents checked.
RgbImage blankImage(std::int64_t width, std::int64_t height, std::int64_t maximumPixels);

/// Colours of a palette; those that a file leaves out are black.
using Palette = std::array<std::array<std::uint8_t, 3>, 256>;

/// `count` indices to RGB triples.
void lookUp(
  const Palette& palette, const std::uint8_t* indices, std::int64_t count, std::uint8_t* rgb);

/// `count` quadruples, 0 = no ink, to RGB triples, with PIL's rounding and without colour profiles.
void cmykToRgb(const std::uint8_t* cmyk, std::int64_t count, std::uint8_t* rgb);

/// Runs a step of a C library that leaves by longjmp to `back` on errors; then throws Error with
/// `message`. Nothing with a destructor may live inside the step.
template <typename Step>
void runStep(std::jmp_buf& back, const char* message, const Step& step)
{
  if (setjmp(back) != 0)
  {
    fail(message);
  }
  step();
}

} // namespace lvlm::picture

#endif
