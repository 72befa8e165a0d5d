// SPDX-License-Identifier: Apache-2.0
// readImage against what PIL reads (Testing/Golden/image_goldens.py and picture_goldens.py), and on
// files that are no pictures, damaged or too large.
#include "Check.h"

#include "Models/Picture/Image.h"
#include "Models/Trace/Safetensors.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <sys/resource.h>

using namespace lvlm;
using namespace lvlm::picture;

namespace
{
const std::string Folder = LVLM_TEST_DATA "/image/";

/// Largest difference of any byte; 256 when the extents differ.
int difference(const RgbImage& image, const Tensor& expected)
{
  if (expected.shape != std::vector<std::int64_t>{ image.height, image.width, 3 } ||
    image.pixels.size() != expected.bytes())
  {
    return 256;
  }
  const auto* bytes = expected.as<std::uint8_t>();
  int largest = 0;
  for (std::size_t i = 0; i < image.pixels.size(); ++i)
  {
    largest = std::max(largest, std::abs(image.pixels[i] - bytes[i]));
  }
  return largest;
}

void testPictures()
{
  const SafetensorsFile goldens(Folder + "goldens.safetensors");
  int pictures = 0;
  for (const auto& [name, tensor] : goldens.tensors())
  {
    if (name.rfind("picture.", 0) == 0)
    {
      const std::string file = name.substr(8);
      const int found = difference(readImage(Folder + file), tensor);
      // Lossless formats have one right answer; JPEG decoders may round differently.
      const int tolerance = file.find(".jpg") == std::string::npos ? 0 : 1;
      std::cout << file << ": largest difference " << found << std::endl;
      CHECK(found <= tolerance);
      ++pictures;
    }
  }
  CHECK(pictures == 15);
}

std::string readBytes(const std::string& path)
{
  std::ifstream file(path, std::ios::binary);
  return { std::istreambuf_iterator<char>(file), {} };
}

RgbImage decode(const std::string& bytes, std::int64_t maximumPixels = DefaultMaximumPixels)
{
  return decodeImage(
    reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size(), maximumPixels);
}

/// All kinds of files, byte for byte: libjpeg-turbo and libwebp have bit-exact decoders too. Half
/// of a file is an error, and so are more pixels than allowed.
void testFormats()
{
  const SafetensorsFile goldens(Folder + "formats.safetensors");
  for (const auto& [name, tensor] : goldens.tensors())
  {
    const std::string bytes = readBytes(Folder + "formats/" + name);
    const std::int64_t pixels = tensor.extent(0) * tensor.extent(1);
    // The second half holds nothing of the first picture.
    const bool cutUnseen = name == "pages.tif" || name == "trailing.jpg";
    const bool good = CHECK(difference(decode(bytes, pixels), tensor) == 0) &&
      CHECK_THROWS(decode(bytes, pixels - 1), "(MaximumPixels)") &&
      (cutUnseen || CHECK_THROWS(decode(bytes.substr(0, bytes.size() / 2)), ""));
    if (!good)
    {
      std::cerr << "  in " << name << std::endl;
    }
  }
  std::cout << goldens.tensors().size() << " formats" << std::endl;
  CHECK(goldens.tensors().size() == 250);
}

long peakKilobytes()
{
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

/// A PNG header of 32767 x 32767 pixels and the beginning of their data: refused before memory for
/// them is taken.
void testPixelBomb()
{
  using namespace std::string_literals;
  const std::string bomb = "\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\x7f\xff\0\0\x7f\xff\1\0\0\0\0"s +
    "\x61\x89\x3b\x90\0\0\1\0IDAT"s;
  const long before = peakKilobytes();
  CHECK_THROWS(decode(bomb), "32767 x 32767 pixels, more than the 178956970 in all");
  CHECK_THROWS(decode(bomb, 1000), "more than the 1000 in all");
  CHECK(peakKilobytes() - before < 16L * 1024);
}

/// What has no clear meaning as a picture is refused in a sentence.
void testUnsupported()
{
  using namespace std::string_literals;
  std::string tiff = readBytes(Folder + "formats/grey16_mm_1.tif");
  const std::size_t bits = tiff.find("\1\2\0\3\0\0\0\1\0\x10"s); // BitsPerSample: 16
  CHECK(bits != std::string::npos);
  tiff[bits + 9] = 32;
  CHECK_THROWS(decode(tiff), "1 channels of 32 bits");
  CHECK_THROWS(decode("\0\0\0\x0cjP  \r\n\x87\n"s), "none of the formats PNG");
  CHECK_THROWS(decode("RIFF"s), "none of the formats");
  CHECK_THROWS(decode(""s), "none of the formats");
}

void testBadFiles()
{
  CHECK_THROWS(readImage("/no/such/picture.png"), "/no/such/picture.png");
  CHECK_THROWS(readImage(Folder), "no such picture");
  CHECK_THROWS(readImage(Folder + "cases.json"), "cannot be decoded");

  const auto temporary = std::filesystem::temp_directory_path() / "lvlm-test-image";
  std::filesystem::create_directories(temporary);
  const std::string path = (temporary / "bad.png").string();
  const std::string png = readBytes(Folder + "odd.png");
  const auto write = [&](const std::string& bytes)
  { std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes; };

  write("");
  CHECK_THROWS(readImage(path), "bad.png");
  write(png.substr(0, 30));
  CHECK_THROWS(readImage(path), "bad.png");
  // Width and height of 2^31 - 1 in the header: refused before anything is allocated.
  std::string huge = png;
  huge.replace(16, 8, std::string("\x7f\xff\xff\xff\x7f\xff\xff\xff", 8));
  write(huge);
  CHECK_THROWS(readImage(path), "bad.png");
  std::filesystem::remove_all(temporary);
}

/// A picture that is one pixel too wide, as an uncompressed PGM that needs no encoder.
void testTooLarge()
{
  const auto path = std::filesystem::temp_directory_path() / "lvlm-test-wide.pgm";
  std::ofstream(path, std::ios::binary) << "P5\n"
                                        << MaximumImageEdge + 1 << " 1\n255\n"
                                        << std::string(MaximumImageEdge + 1, 'x');
  CHECK_THROWS(readImage(path.string()), std::to_string(MaximumImageEdge + 1) + " x 1");
  std::filesystem::remove(path);
}
}

int main()
{
  testPixelBomb(); // first: it looks at the peak memory of the process
  testPictures();
  testFormats();
  testUnsupported();
  testBadFiles();
  testTooLarge();
  return lvlm_test::checkResult();
}
