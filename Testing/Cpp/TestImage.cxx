// SPDX-License-Identifier: Apache-2.0
// readImage against what PIL reads (Testing/Golden/image_goldens.py), and on files that are no
// pictures.
#include "Check.h"

#include "Models/Picture/Image.h"
#include "Models/Trace/Safetensors.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

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
  testPictures();
  testBadFiles();
  testTooLarge();
  return lvlm_test::checkResult();
}
