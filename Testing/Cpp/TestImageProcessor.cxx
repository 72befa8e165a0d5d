// SPDX-License-Identifier: Apache-2.0
// Preprocessing against Hugging Face's CLIPImageProcessor and LLaVA's padding, resizing against
// Pillow (Testing/Golden/image_goldens.py); large pictures; untrusted configurations.
#include "Check.h"
#include "TempFolder.h"

#include "Models/Picture/ImageProcessor.h"
#include "Models/Picture/PillowResize.h"
#include "Models/Trace/Json.h"
#include "Models/Trace/Safetensors.h"

#include <algorithm>
#include <cinttypes>
#include <map>
#include <numeric>
#include <sys/resource.h>

using namespace lvlm;
using namespace lvlm::picture;

namespace
{
const std::string Folder = LVLM_TEST_DATA "/image/";

std::string fnv1a(const std::vector<std::uint8_t>& bytes)
{
  std::uint64_t value = 0xCBF29CE484222325U;
  for (const std::uint8_t byte : bytes)
  {
    value = (value ^ byte) * 0x100000001B3U;
  }
  char text[17];
  std::snprintf(text, sizeof(text), "%016" PRIx64, value);
  return text;
}

bool sameBytes(const RgbImage& image, const Tensor& expected)
{
  return expected.shape == std::vector<std::int64_t>{ image.height, image.width, 3 } &&
    image.pixels.size() == expected.bytes() &&
    std::equal(image.pixels.begin(), image.pixels.end(), expected.as<std::uint8_t>());
}

ImageMode modeOf(const std::string& name)
{
  static const std::map<std::string, ImageMode> modes = { { "Default", ImageMode::Default },
    { "Crop", ImageMode::Crop }, { "Pad", ImageMode::Pad }, { "Resize", ImageMode::Resize } };
  return modes.at(name);
}

double largestDifference(const std::vector<float>& values, const Tensor& expected)
{
  const auto* other = expected.as<float>();
  double largest = values.size() * sizeof(float) == expected.bytes() ? 0 : HUGE_VAL;
  for (std::size_t i = 0; largest < HUGE_VAL && i < values.size(); ++i)
  {
    largest = std::max(largest, std::abs(static_cast<double>(values[i]) - other[i]));
  }
  return largest;
}

void testAgainstHuggingFace()
{
  const SafetensorsFile goldens(Folder + "goldens.safetensors");
  const auto cases = readJsonFile(Folder + "cases.json");
  double worst = 0;
  for (const auto& entry : cases)
  {
    const auto picture = entry["picture"].get<std::string>();
    const auto config = parseImageProcessorConfig(entry["config"].get<std::string>(), picture);
    const ProcessedImage processed =
      processImage(readImage(Folder + picture), config, modeOf(entry["mode"]));
    bool good = CHECK(processed.seen.width == entry["size"][0]) &&
      CHECK(processed.seen.height == entry["size"][1]) &&
      // Byte for byte: 8-bit resampling has one right answer.
      CHECK(fnv1a(processed.seen.pixels) == entry["hash"].get<std::string>());
    const double sum =
      std::accumulate(processed.pixelValues.begin(), processed.pixelValues.end(), 0.0);
    good = good &&
      CHECK(std::abs(sum - entry["sum"].get<double>()) <= 1e-6 * processed.pixelValues.size());
    if (entry.contains("tensor"))
    {
      const auto name = entry["tensor"].get<std::string>();
      good = CHECK(sameBytes(processed.seen, goldens.tensor(name + ".seen"))) && good;
      const double found =
        largestDifference(processed.pixelValues, goldens.tensor(name + ".pixel_values"));
      worst = std::max(worst, found);
      // The same float32 operations on the same bytes: 1e-6 leaves room for other compilers.
      good = CHECK(found <= 1e-6) && good;
    }
    if (!good)
    {
      std::cerr << "  in " << entry << std::endl;
    }
  }
  CHECK(cases.size() == 143);
  std::cout << cases.size() << " cases, largest difference of pixel values " << worst << std::endl;
}

void testResizeAgainstPillow()
{
  const SafetensorsFile goldens(Folder + "goldens.safetensors");
  const Tensor& source = goldens.tensor("resize.source");
  const auto* bytes = source.as<std::uint8_t>();
  const RgbImage image{ source.extent(1), source.extent(0), { bytes, bytes + source.bytes() } };
  const auto resized = [&](std::int64_t width, std::int64_t height, Resample filter) {
    return resizeWindow(Canvas(image), width, height, filter, { 0, 0, width, height });
  };
  int count = 0;
  for (const auto& [name, tensor] : goldens.tensors())
  {
    if (name.rfind("resize.", 0) == 0 && name != "resize.source")
    {
      const auto filter = static_cast<Resample>(name[7] - '0');
      if (!CHECK(sameBytes(resized(tensor.extent(1), tensor.extent(0), filter), tensor)))
      {
        std::cerr << "  in " << name << std::endl;
      }
      ++count;
    }
  }
  CHECK(count == 54);
  CHECK_THROWS(resized(0, 5, Resample::Bicubic), "0 x 5");
}

/// A picture whose pixels depend on the longer coordinate only.
RgbImage strip(std::int64_t width, std::int64_t height)
{
  RgbImage image{ width, height, {} };
  image.pixels.resize(static_cast<std::size_t>(width * height) * 3);
  for (std::int64_t i = 0; i < width * height; ++i)
  {
    const std::int64_t along = width >= height ? i % width : i / width;
    image.pixels[i * 3] = static_cast<std::uint8_t>(along * 7 % 256);
    image.pixels[i * 3 + 1] = static_cast<std::uint8_t>(along % 256);
  }
  return image;
}

long peakKilobytes()
{
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

/// Hugging Face resizes 1 x 16000 to 336 x 5376000 (5 GB) before it crops 336 x 336 out of it.
void testLargePictures()
{
  ImageProcessorConfig config;
  config.shortestEdge = config.cropHeight = config.cropWidth = 336;
  const long before = peakKilobytes();
  for (const ImageMode mode :
    { ImageMode::Default, ImageMode::Crop, ImageMode::Pad, ImageMode::Resize })
  {
    const RgbImage wide = processImage(strip(16000, 1), config, mode).seen;
    const RgbImage tall = processImage(strip(1, 16000), config, mode).seen;
    CHECK(wide.width == 336 && wide.height == 336 && tall.width == 336 && tall.height == 336);
    // One is the other transposed: in each picture only one of the two passes has work to do.
    bool transposed = true;
    for (std::int64_t y = 0; y < 336; ++y)
    {
      for (std::int64_t x = 0; x < 336; ++x)
      {
        const auto* a = &wide.pixels[(y * 336 + x) * 3];
        const auto* b = &tall.pixels[(x * 336 + y) * 3];
        transposed =
          transposed && std::equal(a, a + 3, b, [](int p, int q) { return std::abs(p - q) <= 1; });
      }
    }
    CHECK(transposed);
  }
  // Of the crop, 336 x 336: the bytes, the floats and little else; far below any of the
  // intermediates.
  CHECK(peakKilobytes() - before < 64L * 1024);

  // In the middle of 1 x 16000 enlarged 336 times a source pixel covers 336 columns: the crop of
  // 336 runs from the middle of pixel 7999 to the middle of pixel 8000.
  const RgbImage seen = processImage(strip(16000, 1), config).seen;
  CHECK(seen.pixels[1] == 7999 % 256 && seen.pixels[335 * 3 + 1] == 8000 % 256);

  RgbImage empty;
  CHECK_THROWS(processImage(empty, config), "0 x 0");
  RgbImage wrong{ 4, 4, std::vector<std::uint8_t>(47) };
  CHECK_THROWS(processImage(wrong, config), "47 bytes");
  CHECK_THROWS(normalizePixels(wrong, config), "47 bytes");
  CHECK_THROWS(processImage(strip(MaximumImageEdge + 1, 1), config), "32769 x 1");
  config.centerCrop = false;
  CHECK_THROWS(processImage(strip(16000, 1), config), "5376000 x 336");
}

void testModes()
{
  const RgbImage picture = readImage(Folder + "odd.png"); // 61 x 37
  ImageProcessorConfig config;
  config.shortestEdge = 20;
  config.centerCrop = false;
  const auto extent = [&](ImageMode mode)
  {
    const RgbImage seen = processImage(picture, config, mode).seen;
    return std::make_pair(seen.width, seen.height);
  };
  // 20 * 61 / 37 = 32.97, truncated
  CHECK(extent(ImageMode::Default) == std::make_pair(INT64_C(32), INT64_C(20)));
  for (const ImageMode mode : { ImageMode::Crop, ImageMode::Pad, ImageMode::Resize })
  {
    CHECK(extent(mode) == std::make_pair(INT64_C(20), INT64_C(20)));
  }
  config.pad = true;
  CHECK(processImage(picture, config).seen.pixels ==
    processImage(picture, config, ImageMode::Pad).seen.pixels);
  // A crop that is no square is filled from the picture, not with black.
  config = {};
  config.cropHeight = 20;
  config.cropWidth = 40;
  CHECK(extent(ImageMode::Crop) == std::make_pair(INT64_C(40), INT64_C(20)));
  config.resize = false;
  CHECK(extent(ImageMode::Pad) == std::make_pair(INT64_C(40), INT64_C(20)));
}

void testConfig()
{
  const auto parse = [](const std::string& text)
  { return parseImageProcessorConfig(text, "p.json"); };
  const ImageProcessorConfig defaults = parse("{}");
  CHECK(defaults.shortestEdge == 224 && defaults.cropWidth == 224 && defaults.resize);
  CHECK(defaults.resample == Resample::Bicubic && !defaults.pad);
  CHECK(parse(R"({"size": null, "crop_size": 99})").cropHeight == 99);
  CHECK(parse(R"({"size": [5, 6]})").width == 6);
  CHECK(parse(R"({"size": {"height": 7, "width": 8}})").shortestEdge == 0);
  CHECK(parse(R"({"size": {"shortest_edge": 9, "longest_edge": 99}})").shortestEdge == 9);
  CHECK(parse(R"({"size": {"shortest_edge": 9}, "use_square_size": true})").height == 9);
  CHECK(parse(R"({"image_mean": 0.25})").mean[2] == 0.25);
  CHECK(parse(R"({"image_processor_type": "LlavaImageProcessor", "do_pad": true})").pad);
  CHECK(!parse(R"({"image_processor_type": "CLIPImageProcessor", "do_pad": true})").pad);
  const ImageProcessorConfig siglip = parse(R"({"image_processor_type": "SiglipImageProcessor"})");
  CHECK(siglip.shortestEdge == 0 && siglip.width == 224 && siglip.height == 224);
  CHECK(!siglip.centerCrop && siglip.mean[0] == 0.5 && siglip.std[2] == 0.5);

  // Each message names the file, the field and the value.
  CHECK_THROWS(parse("[]"), "p.json: not a JSON object");
  CHECK_THROWS(parse("{"), "p.json");
  CHECK_THROWS(parse(R"({"size": 0})"), "p.json: size is 0");
  CHECK_THROWS(parse(R"({"size": -1})"), "size is -1");
  CHECK_THROWS(parse(R"({"size": 16385})"), "size is 16385");
  CHECK_THROWS(parse(R"({"size": 18446744073709551615})"), "size is 18446744073709551615");
  CHECK_THROWS(parse(R"({"size": 1e400})"), "p.json");
  CHECK_THROWS(parse(R"({"size": 33.5})"), "size is 33.5");
  CHECK_THROWS(parse(R"({"size": {}})"), "size is {}");
  CHECK_THROWS(parse(R"({"size": {"height": 3}})"), "size is {\"height\":3}");
  CHECK_THROWS(parse(R"({"size": {"shortest_edge": "9"}})"), "size.shortest_edge is \"9\"");
  CHECK_THROWS(parse(R"({"crop_size": {"shortest_edge": 9}})"), "crop_size is");
  CHECK_THROWS(parse(R"({"do_resize": 1})"), "do_resize is 1");
  CHECK_THROWS(parse(R"({"resample": 6})"), "resample is 6");
  CHECK_THROWS(parse(R"({"resample": -1})"), "resample is -1");
  CHECK_THROWS(parse(R"({"resample": 2.5})"), "resample is 2.5");
  CHECK_THROWS(parse(R"({"rescale_factor": 1e300})"), "rescale_factor is 1e+300");
  CHECK_THROWS(parse(R"({"rescale_factor": "x"})"), "rescale_factor is \"x\"");
  CHECK_THROWS(parse(R"({"image_std": [0.5, 0, 0.5]})"), "image_std is 0");
  CHECK_THROWS(parse(R"({"image_std": [0.5, 1e-40, 0.5]})"), "image_std is 1e-40");
  CHECK_THROWS(parse(R"({"image_mean": [0.5, 0.5]})"), "image_mean is [0.5,0.5]");
  CHECK_THROWS(parse(R"({"image_processor_type": "Idefics3ImageProcessor"})"), "Idefics3");
  const auto tiles = [&](const std::string& list)
  {
    return parse(R"({"image_processor_type": "LlavaNextImageProcessor", "image_grid_pinpoints": )" +
      list + "}");
  };
  CHECK(tiles("[[336, 672]]").tiles && tiles("[[336, 672]]").canvases[0][1] == 672);
  CHECK_THROWS(tiles("[]"), "image_grid_pinpoints is []");
  CHECK_THROWS(tiles("[[336]]"), "image_grid_pinpoints is [336]");
  CHECK_THROWS(tiles("[[336, 0]]"), "image_grid_pinpoints is 0");
  CHECK_THROWS(parse("{\"image_processor_type\": \"" + std::string(9999, 'x') + "\"}"), "xxx...");
}

/// Which of a folder's two files counts, as in transformers 5.
void testFolder()
{
  const lvlm_test::TempFolder folder;
  const auto edge = [&] { return readImageProcessorConfig(folder.path()).shortestEdge; };
  CHECK_THROWS(edge(), folder.path() + ": the model folder has neither preprocessor_config.json");
  folder.write("processor_config.json", R"({"patch_size": 14, "image_processor": null})");
  CHECK_THROWS(edge(), "neither preprocessor_config.json nor an image_processor");
  folder.write("preprocessor_config.json", R"({"size": 30})");
  CHECK(edge() == 30);
  folder.write("processor_config.json",
    R"({"image_processor": {"size": {"shortest_edge": 40}, "image_processor_type": "CLIPImageProcessorPil"}})");
  CHECK(edge() == 40);
  folder.write("processor_config.json", R"({"image_processor": 7})");
  CHECK_THROWS(edge(), "processor_config.json: image_processor: not a JSON object");
}
}

int main()
{
  testLargePictures(); // first: it looks at the peak memory of the process
  testAgainstHuggingFace();
  testResizeAgainstPillow();
  testModes();
  testConfig();
  testFolder();
  return lvlm_test::checkResult();
}
