// SPDX-License-Identifier: Apache-2.0
#include "Decoders.h"

#include <lcms2.h>
#include <tiffio.h>

#include <algorithm>
#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <memory>

namespace lvlm::picture
{

namespace
{
struct TiffSource
{
  Bytes file;
  std::uint64_t offset = 0;
  bool beyondEnd = false; ///< more was asked for than there is
  char message[256] = ""; ///< libtiff's first complaint
};

TiffSource& sourceOf(thandle_t handle)
{
  return *static_cast<TiffSource*>(handle);
}

tmsize_t onRead(thandle_t handle, void* out, tmsize_t count)
{
  TiffSource& source = sourceOf(handle);
  const std::uint64_t left = source.file.size - std::min(source.offset, source.file.size);
  const std::uint64_t taken = std::min(static_cast<std::uint64_t>(count), left);
  if (taken > 0)
  {
    std::memcpy(out, source.file.data + source.offset, taken);
  }
  source.offset += taken;
  source.beyondEnd |= taken < static_cast<std::uint64_t>(count);
  return static_cast<tmsize_t>(taken);
}

tmsize_t onWrite(thandle_t, void*, tmsize_t)
{
  return -1;
}

toff_t onSeek(thandle_t handle, toff_t offset, int whence)
{
  TiffSource& source = sourceOf(handle);
  const std::uint64_t base =
    whence == SEEK_CUR ? source.offset : (whence == SEEK_END ? source.file.size : 0);
  return source.offset = base + offset;
}

int onClose(thandle_t)
{
  return 0;
}

toff_t onSize(thandle_t handle)
{
  return sourceOf(handle).file.size;
}

int onError(TIFF*, void* handle, const char*, const char* format, va_list arguments)
{
  TiffSource& source = sourceOf(handle);
  if (source.message[0] == '\0')
  {
    std::vsnprintf(source.message, sizeof(source.message), format, arguments);
  }
  return 1; // not to the standard error too
}

int onWarning(TIFF*, void*, const char*, const char*, va_list)
{
  return 1;
}

using TiffPointer = std::unique_ptr<TIFF, decltype(&TIFFClose)>;

TiffPointer openTiff(TiffSource& source, std::int64_t maximumPixels)
{
  const std::unique_ptr<TIFFOpenOptions, decltype(&TIFFOpenOptionsFree)> options(
    TIFFOpenOptionsAlloc(), &TIFFOpenOptionsFree);
  TIFFOpenOptionsSetErrorHandlerExtR(options.get(), onError, &source);
  TIFFOpenOptionsSetWarningHandlerExtR(options.get(), onWarning, nullptr);
  // A picture of 16-bit CMYK in one strip; tables of a damaged file may ask for more.
  TIFFOpenOptionsSetMaxSingleMemAlloc(options.get(), maximumPixels * 8 + (8 << 20));
  // m: not as a mapped file; the callbacks for that are left out.
  return { TIFFClientOpenExt("picture", "rm", &source, onRead, onWrite, onSeek, onClose, onSize,
             nullptr, nullptr, options.get()),
    &TIFFClose };
}

/// What the first picture of the file looks like.
struct Layout
{
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  std::uint16_t bits = 1;
  std::uint16_t channels = 1; ///< alpha and other extra ones included
  std::uint16_t photometric = PHOTOMETRIC_MINISWHITE;
  std::uint16_t compression = COMPRESSION_NONE;
  std::uint16_t orientation = ORIENTATION_TOPLEFT;
  bool separate = false;      ///< a plane a channel
  bool premultiplied = false; ///< the channel behind the colours is an alpha that they hold already
};

/// Channels that make up the colour; 0 for a photometric interpretation that is not supported.
std::uint16_t colourChannels(std::uint16_t photometric)
{
  switch (photometric)
  {
    case PHOTOMETRIC_MINISWHITE:
    case PHOTOMETRIC_MINISBLACK:
    case PHOTOMETRIC_PALETTE:
      return 1;
    case PHOTOMETRIC_RGB:
    case PHOTOMETRIC_YCBCR:
    case PHOTOMETRIC_CIELAB:
      return 3;
    case PHOTOMETRIC_SEPARATED:
      return 4;
    default:
      return 0;
  }
}

void checkLayout(const Layout& layout, std::uint16_t format)
{
  constexpr std::uint16_t mostChannels = 6; // as PIL
  const std::uint16_t colours = colourChannels(layout.photometric);
  const bool eight = layout.bits == 8;
  const bool sixteen = layout.bits == 16 && layout.photometric != PHOTOMETRIC_PALETTE &&
    layout.photometric != PHOTOMETRIC_YCBCR && layout.photometric != PHOTOMETRIC_CIELAB;
  const bool few = (layout.bits == 1 || layout.bits == 2 || layout.bits == 4) && colours == 1 &&
    layout.channels == 1;
  if (colours == 0 || layout.channels < colours || layout.channels > mostChannels ||
    !(eight || sixteen || few) || format != SAMPLEFORMAT_UINT)
  {
    fail("TIFF file with ", layout.channels, " channels of ", layout.bits, " bits, sample format ",
      format, " and photometric interpretation ", layout.photometric,
      " is not supported, only unsigned samples of up to 16 bits, grey, palette, RGB, CMYK, YCbCr "
      "or L*a*b*");
  }
}

Layout readLayout(TIFF* tiff, std::int64_t maximumPixels)
{
  Layout layout;
  TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &layout.width);
  TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &layout.height);
  checkExtents(layout.width, layout.height, maximumPixels);
  std::uint16_t planes = PLANARCONFIG_CONTIG;
  std::uint16_t format = SAMPLEFORMAT_UINT;
  std::uint16_t extras = 0;
  const std::uint16_t* extra = nullptr;
  TIFFGetFieldDefaulted(tiff, TIFFTAG_BITSPERSAMPLE, &layout.bits);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLESPERPIXEL, &layout.channels);
  TIFFGetField(tiff, TIFFTAG_PHOTOMETRIC, &layout.photometric);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_COMPRESSION, &layout.compression);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_ORIENTATION, &layout.orientation);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_PLANARCONFIG, &planes);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLEFORMAT, &format);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_EXTRASAMPLES, &extras, &extra);
  layout.separate = planes == PLANARCONFIG_SEPARATE && layout.channels > 1;
  layout.premultiplied = extras > 0 && extra && *extra == EXTRASAMPLE_ASSOCALPHA &&
    layout.photometric != PHOTOMETRIC_PALETTE &&
    layout.channels > colourChannels(layout.photometric);
  checkLayout(layout, format);
  return layout;
}

/// Sample `i` of a row as libtiff gives it, in the byte order of the machine, as 8 bits: few bits
/// stay as they are, of 16 the upper half counts. Grey of 16 bits is clipped instead (`clip`).
std::uint8_t sample(const std::uint8_t* row, std::size_t i, std::uint16_t bits, bool clip)
{
  if (bits == 8)
  {
    return row[i];
  }
  if (bits == 16)
  {
    std::uint16_t value = 0;
    std::memcpy(&value, row + 2 * i, 2);
    return static_cast<std::uint8_t>(clip ? std::min<int>(value, 255) : value >> 8);
  }
  const std::size_t perByte = 8 / bits;
  const std::size_t shift = (perByte - 1 - i % perByte) * bits;
  return (row[i / perByte] >> shift) & ((1U << bits) - 1);
}

/// Tiles, or strips, which are tiles as wide as the picture.
struct Blocks
{
  bool tiled = false;
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  std::size_t stride = 0; ///< bytes from row to row
  std::size_t size = 0;   ///< bytes
};

Blocks blocksOf(TIFF* tiff, const Layout& layout, std::int64_t maximumPixels)
{
  Blocks blocks{ TIFFIsTiled(tiff) != 0, layout.width, layout.height, 0, 0 };
  if (blocks.tiled)
  {
    TIFFGetField(tiff, TIFFTAG_TILEWIDTH, &blocks.width);
    TIFFGetField(tiff, TIFFTAG_TILELENGTH, &blocks.height);
    // A tile may be larger than a small picture.
    constexpr std::int64_t usualTile = 1 << 20;
    checkExtents(blocks.width, blocks.height, std::max(maximumPixels, usualTile));
  }
  else
  {
    std::uint32_t rows = layout.height;
    TIFFGetFieldDefaulted(tiff, TIFFTAG_ROWSPERSTRIP, &rows);
    blocks.height = std::min(std::max(rows, 1U), layout.height);
  }
  blocks.stride = blocks.tiled ? TIFFTileRowSize(tiff) : TIFFScanlineSize(tiff);
  blocks.size = blocks.tiled ? TIFFTileSize(tiff) : TIFFVStripSize(tiff, blocks.height);
  const std::size_t perRow =
    (std::size_t{ blocks.width } * (layout.separate ? 1 : layout.channels) * layout.bits + 7) / 8;
  if (blocks.stride != perRow || blocks.size != perRow * blocks.height)
  {
    fail("TIFF file whose strips or tiles do not have the size that its extents ask for");
  }
  return blocks;
}

/// Where a block lies.
struct Place
{
  std::uint32_t x = 0;
  std::uint32_t y = 0;
  std::uint16_t plane = 0;
};

void readBlock(TIFF* tiff, const Blocks& blocks, const Place& place, const Layout& layout,
  std::vector<std::uint8_t>& buffer)
{
  const std::uint32_t number = blocks.tiled
    ? TIFFComputeTile(tiff, place.x, place.y, 0, place.plane)
    : TIFFComputeStrip(tiff, place.y, place.plane);
  const std::uint32_t rows =
    blocks.tiled ? blocks.height : std::min(blocks.height, layout.height - place.y);
  const auto size = static_cast<tmsize_t>(blocks.stride * rows);
  // Where a block is missing libtiff would read at the beginning of the file.
  if (TIFFGetStrileOffset(tiff, number) == 0 ||
    (blocks.tiled ? TIFFReadEncodedTile(tiff, number, buffer.data(), size)
                  : TIFFReadEncodedStrip(tiff, number, buffer.data(), size)) < size)
  {
    fail("the TIFF file is truncated or damaged");
  }
}

/// All samples as 8 bits: [height, width, channels].
std::vector<std::uint8_t> readSamples(TIFF* tiff, const Layout& layout, std::int64_t maximumPixels)
{
  const Blocks blocks = blocksOf(tiff, layout, maximumPixels);
  const std::size_t channels = layout.channels;
  const std::size_t inBlock = layout.separate ? 1 : channels; // channels
  const bool clip = colourChannels(layout.photometric) == 1 && channels == 1;
  std::vector<std::uint8_t> samples(std::size_t{ layout.width } * layout.height * channels);
  std::vector<std::uint8_t> buffer(blocks.size);
  const auto unpack = [&](std::uint32_t x0, std::uint32_t y0, std::size_t plane)
  {
    const std::uint32_t rows = std::min(blocks.height, layout.height - y0);
    const std::uint32_t columns = std::min(blocks.width, layout.width - x0);
    for (std::uint32_t y = 0; y < rows; ++y)
    {
      const std::uint8_t* row = buffer.data() + y * blocks.stride;
      std::uint8_t* out =
        samples.data() + (std::size_t{ y0 + y } * layout.width + x0) * channels + plane;
      for (std::size_t i = 0; i < columns * inBlock; ++i)
      {
        out[layout.separate ? i * channels : i] = sample(row, i, layout.bits, clip);
      }
    }
  };
  for (std::size_t plane = 0; plane < (layout.separate ? channels : 1); ++plane)
  {
    for (std::uint32_t y = 0; y < layout.height; y += blocks.height)
    {
      for (std::uint32_t x = 0; x < layout.width; x += blocks.width)
      {
        readBlock(tiff, blocks, { x, y, static_cast<std::uint16_t>(plane) }, layout, buffer);
        unpack(x, y, plane);
      }
    }
  }
  return samples;
}

/// YCbCr that is compressed or has fewer colour samples than pixels: libtiff's own conversion, as
/// [height, width, 4].
std::vector<std::uint8_t> readThroughRgba(TIFF* tiff, const Layout& layout)
{
  std::vector<std::uint8_t> samples(std::size_t{ layout.width } * layout.height * 4);
  TIFFSetField(tiff, TIFFTAG_ORIENTATION, ORIENTATION_TOPLEFT); // applied later
  if (!TIFFReadRGBAImageOriented(tiff, layout.width, layout.height,
        reinterpret_cast<std::uint32_t*>(samples.data()), ORIENTATION_TOPLEFT, 1))
  {
    fail("the TIFF file is truncated or damaged");
  }
  return samples;
}

Palette readPalette(TIFF* tiff, const Layout& layout)
{
  Palette palette{};
  std::array<const std::uint16_t*, 3> map{};
  if (!TIFFGetField(tiff, TIFFTAG_COLORMAP, map.data(), map.data() + 1, map.data() + 2))
  {
    fail("TIFF file without the palette that it asks for");
  }
  for (std::size_t i = 0; i < (std::size_t{ 1 } << layout.bits); ++i)
  {
    std::transform(map.begin(), map.end(), palette[i].begin(),
      [i](const std::uint16_t* values) { return static_cast<std::uint8_t>(values[i] >> 8); });
  }
  return palette;
}

/// PIL's conversion, in steps of 1/64, of which its tables round the negative ones upwards.
void yccToRgb(const std::uint8_t* in, std::uint8_t* rgb)
{
  const auto part = [](int value, double factor)
  { return static_cast<int>(std::trunc((value - 128) * factor * 64 + 0.5)); };
  const std::array<int, 3> colour = { in[0] + (part(in[2], 1.402) >> 6),
    in[0] + ((part(in[1], -0.34414) + part(in[2], -0.71414)) >> 6),
    in[0] + (part(in[1], 1.772) >> 6) };
  std::transform(colour.begin(), colour.end(), rgb,
    [](int value) { return static_cast<std::uint8_t>(std::clamp(value, 0, 255)); });
}

/// L*a*b* of D50 to sRGB as PIL has it done, by Little CMS. In TIFF files a* and b* are signed.
void labToRgb(std::vector<std::uint8_t>& pixels)
{
  const std::unique_ptr<void, decltype(&cmsCloseProfile)> lab(
    cmsCreateLab2Profile(nullptr), &cmsCloseProfile);
  const std::unique_ptr<void, decltype(&cmsCloseProfile)> rgb(
    cmsCreate_sRGBProfile(), &cmsCloseProfile);
  constexpr cmsUInt32Number labBytes = COLORSPACE_SH(PT_LabV2) | CHANNELS_SH(3) | BYTES_SH(1);
  const std::unique_ptr<void, decltype(&cmsDeleteTransform)> transform(
    cmsCreateTransform(lab.get(), labBytes, rgb.get(), TYPE_RGB_8, INTENT_PERCEPTUAL, 0),
    &cmsDeleteTransform);
  if (!transform)
  {
    fail("Little CMS cannot convert L*a*b*");
  }
  for (std::size_t i = 0; i < pixels.size(); ++i)
  {
    pixels[i] ^= i % 3 == 0 ? 0 : 128;
  }
  cmsDoTransform(
    transform.get(), pixels.data(), pixels.data(), static_cast<cmsUInt32Number>(pixels.size() / 3));
}

/// Divides the colours by an alpha that they hold; invisible pixels become black.
void divideByAlpha(std::vector<std::uint8_t>& samples, std::size_t channels, std::size_t colours)
{
  for (std::size_t i = 0; i < samples.size(); i += channels)
  {
    const int alpha = samples[i + colours];
    for (std::size_t c = 0; c < colours; ++c)
    {
      samples[i + c] =
        static_cast<std::uint8_t>(alpha == 0 ? 0 : std::min(samples[i + c] * 255 / alpha, 255));
    }
  }
}

/// samples [height, width, channels] to RGB.
RgbImage toRgb(
  const std::vector<std::uint8_t>& samples, const Layout& layout, const Palette& palette)
{
  RgbImage image{ layout.width, layout.height, {} };
  image.pixels.resize(std::size_t{ layout.width } * layout.height * 3);
  std::uint8_t* rgb = image.pixels.data();
  for (std::size_t i = 0; i < samples.size(); i += layout.channels, rgb += 3)
  {
    const std::uint8_t* in = samples.data() + i;
    switch (layout.photometric)
    {
      case PHOTOMETRIC_SEPARATED:
        cmykToRgb(in, 1, rgb);
        break;
      case PHOTOMETRIC_YCBCR:
        yccToRgb(in, rgb);
        break;
      case PHOTOMETRIC_RGB:
      case PHOTOMETRIC_CIELAB:
        std::copy_n(in, 3, rgb);
        break;
      default:
        lookUp(palette, in, 1, rgb);
    }
  }
  if (layout.photometric == PHOTOMETRIC_CIELAB)
  {
    labToRgb(image.pixels);
  }
  return image;
}

/// Grey as a palette: few bits are stretched to 0 .. 255, and turned round where 0 is white. PIL
/// forgets to do that with 16 bits.
Palette greyPalette(const Layout& layout)
{
  Palette palette{};
  const int largest = layout.bits < 8 ? (1 << layout.bits) - 1 : 255;
  for (int i = 0; i <= largest; ++i)
  {
    const int grey = i * 255 / largest;
    const bool turned = layout.photometric == PHOTOMETRIC_MINISWHITE && layout.bits < 16;
    palette[i].fill(static_cast<std::uint8_t>(turned ? 255 - grey : grey));
  }
  return palette;
}

/// Turned as a TIFF's orientation (1 to 8) asks for.
RgbImage oriented(RgbImage image, std::uint16_t orientation)
{
  if (orientation <= ORIENTATION_TOPLEFT || orientation > ORIENTATION_LEFTBOT)
  {
    return image;
  }
  const bool transposed = orientation >= ORIENTATION_LEFTTOP;
  // Whether the columns and the rows of the file run backwards in what is to be seen.
  const bool fromRight = orientation == ORIENTATION_TOPRIGHT ||
    orientation == ORIENTATION_BOTRIGHT || orientation == ORIENTATION_RIGHTBOT ||
    orientation == ORIENTATION_LEFTBOT;
  const bool fromBottom = orientation == ORIENTATION_BOTRIGHT ||
    orientation == ORIENTATION_BOTLEFT || orientation == ORIENTATION_RIGHTTOP ||
    orientation == ORIENTATION_RIGHTBOT;
  RgbImage turned{ transposed ? image.height : image.width, transposed ? image.width : image.height,
    {} };
  turned.pixels.resize(image.pixels.size());
  for (std::int64_t y = 0; y < image.height; ++y)
  {
    for (std::int64_t x = 0; x < image.width; ++x)
    {
      const std::int64_t across = fromRight ? image.width - 1 - x : x;
      const std::int64_t down = fromBottom ? image.height - 1 - y : y;
      const std::int64_t target =
        transposed ? across * turned.width + down : down * turned.width + across;
      std::copy_n(
        image.pixels.data() + (y * image.width + x) * 3, 3, turned.pixels.data() + target * 3);
    }
  }
  return turned;
}

RgbImage readPicture(TIFF* tiff, std::int64_t maximumPixels)
{
  Layout layout = readLayout(tiff, maximumPixels);
  bool rgba = false;
  if (layout.photometric == PHOTOMETRIC_YCBCR)
  {
    std::uint16_t across = 1, down = 1;
    TIFFGetFieldDefaulted(tiff, TIFFTAG_YCBCRSUBSAMPLING, &across, &down);
    if (layout.compression == COMPRESSION_JPEG && !layout.separate)
    {
      TIFFSetField(tiff, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
      layout.photometric = PHOTOMETRIC_RGB;
    }
    else
    {
      rgba = layout.compression != COMPRESSION_NONE || across > 1 || down > 1;
    }
  }
  std::vector<std::uint8_t> samples =
    rgba ? readThroughRgba(tiff, layout) : readSamples(tiff, layout, maximumPixels);
  if (rgba)
  {
    layout.photometric = PHOTOMETRIC_RGB;
    layout.channels = 4;
  }
  else if (layout.premultiplied)
  {
    divideByAlpha(samples, layout.channels, colourChannels(layout.photometric));
  }
  const Palette palette =
    layout.photometric == PHOTOMETRIC_PALETTE ? readPalette(tiff, layout) : greyPalette(layout);
  return oriented(toRgb(samples, layout, palette), layout.orientation);
}
}

RgbImage decodeTiff(const Bytes& file, std::int64_t maximumPixels)
{
  TiffSource source{ file };
  const TiffPointer tiff = openTiff(source, maximumPixels);
  try
  {
    if (!tiff)
    {
      fail("the TIFF file is truncated or damaged");
    }
    RgbImage image = readPicture(tiff.get(), maximumPixels);
    if (source.beyondEnd)
    {
      fail("the TIFF file is truncated"); // libtiff makes do without a palette, for one
    }
    return image;
  }
  catch (const Error& error)
  {
    fail(error.what(), source.message[0] ? ": " : "", source.message);
  }
}

} // namespace lvlm::picture
