// SPDX-License-Identifier: Apache-2.0
#include "ImageProcessor.h"

#include "Models/Trace/Error.h"
#include "Models/Trace/Json.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

namespace lvlm::picture
{

namespace
{
using Json = nlohmann::json;

/// Wide enough for any real picture statistics, narrow enough that nothing overflows in float32.
constexpr double LargestFactor = 1e6;
constexpr double SmallestDivisor = 1e-6;

/// One untrusted object of named values; errors say the file, the field and the value.
class Fields
{
public:
  Fields(const Json& object, std::string source) : Object(object), Source(std::move(source))
  {
    if (!object.is_object())
    {
      fail(this->Source, ": not a JSON object");
    }
  }

  /// Null counts as absent: newer processors write all of their unset fields so.
  const Json* find(const std::string& name) const
  {
    const auto found = this->Object.find(name);
    return found == this->Object.end() || found->is_null() ? nullptr : &*found;
  }

  [[noreturn]] void refuse(const std::string& name, const Json& value, const char* wanted) const
  {
    constexpr std::size_t longest = 80;
    std::string text = value.dump(-1, ' ', true, Json::error_handler_t::replace);
    text = text.size() > longest ? text.substr(0, longest) + "..." : text;
    fail(this->Source, ": ", name, " is ", text, ", expected ", wanted);
  }

  void read(const std::string& name, bool& out) const
  {
    if (const Json* value = this->find(name))
    {
      if (!value->is_boolean())
      {
        this->refuse(name, *value, "true or false");
      }
      out = value->get<bool>();
    }
  }

  std::int64_t edge(const std::string& name, const Json& value) const
  {
    constexpr const char* wanted = "a whole number of pixels from 1 to 16384";
    if (!value.is_number_integer())
    {
      this->refuse(name, value, wanted);
    }
    // Compared as unsigned, so that neither -1 nor 2^63 passes.
    const auto pixels = value.get<std::uint64_t>();
    if (pixels < 1 || pixels > static_cast<std::uint64_t>(MaximumModelEdge))
    {
      this->refuse(name, value, wanted);
    }
    return static_cast<std::int64_t>(pixels);
  }

  double number(const std::string& name, const Json& value, double smallest) const
  {
    const double factor = value.is_number() ? value.get<double>() : std::nan("");
    // Written so that NaN fails too.
    if (!(std::abs(factor) <= LargestFactor && std::abs(factor) >= smallest))
    {
      this->refuse(name, value,
        smallest > 0 ? "a number of magnitude 1e-6 to 1e6" : "a number of magnitude up to 1e6");
    }
    return factor;
  }

  /// Three numbers, or one for all channels.
  void read(const std::string& name, std::array<double, 3>& out, double smallest) const
  {
    const Json* value = this->find(name);
    if (!value)
    {
      return;
    }
    if (value->is_number())
    {
      out.fill(this->number(name, *value, smallest));
      return;
    }
    if (!value->is_array() || value->size() != out.size())
    {
      this->refuse(name, *value, "three numbers");
    }
    for (std::size_t i = 0; i < out.size(); ++i)
    {
      out[i] = this->number(name, (*value)[i], smallest);
    }
  }

private:
  const Json& Object;
  std::string Source;
};

struct Size
{
  std::int64_t shortest = 0, height = 0, width = 0;
};

/// `size` or `crop_size`: a number (of the shortest edge, or of both), [height, width],
/// {"shortest_edge"} or {"height", "width"}.
Size readSize(const Fields& fields, const std::string& name, const Json& value)
{
  const auto member = [&](const char* key) { return fields.edge(name + "." + key, value.at(key)); };
  if (value.is_number())
  {
    return { fields.edge(name, value), 0, 0 };
  }
  if (value.is_array() && value.size() == 2)
  {
    return { 0, fields.edge(name, value[0]), fields.edge(name, value[1]) };
  }
  if (value.is_object() && value.contains("shortest_edge") && !value["shortest_edge"].is_null())
  {
    return { member("shortest_edge"), 0, 0 };
  }
  if (value.is_object() && value.contains("height") && value.contains("width"))
  {
    return { 0, member("height"), member("width") };
  }
  fields.refuse(name, value, "a number, {\"shortest_edge\"} or {\"height\", \"width\"}");
}

void readSizes(const Fields& fields, ImageProcessorConfig& config)
{
  if (const Json* value = fields.find("size"))
  {
    const Size size = readSize(fields, "size", *value);
    config.shortestEdge = size.shortest;
    config.height = size.height;
    config.width = size.width;
  }
  bool square = false; // written by Kosmos-2
  fields.read("use_square_size", square);
  if (square && config.shortestEdge > 0)
  {
    config.height = config.width = config.shortestEdge;
    config.shortestEdge = 0;
  }
  if (const Json* value = fields.find("crop_size"))
  {
    const Size size = readSize(fields, "crop_size", *value);
    if (size.shortest > 0 && value->is_object())
    {
      fields.refuse("crop_size", *value, "a number or {\"height\", \"width\"}");
    }
    config.cropHeight = size.shortest > 0 ? size.shortest : size.height;
    config.cropWidth = size.shortest > 0 ? size.shortest : size.width;
  }
}

/// Other processors choose a resolution or make something else of the picture.
void readType(const Fields& fields, ImageProcessorConfig& config)
{
  const Json* value = fields.find("image_processor_type");
  value = value ? value : fields.find("feature_extractor_type");
  if (!value)
  {
    return;
  }
  static const std::array<const char*, 16> supported = { "CLIPImageProcessor",
    "CLIPImageProcessorFast", "CLIPImageProcessorPil", "CLIPFeatureExtractor",
    "LlavaImageProcessor", "LlavaImageProcessorFast", "LlavaImageProcessorPil",
    "LlavaNextImageProcessor", "LlavaNextImageProcessorFast", "LlavaNextImageProcessorPil",
    "LlavaOnevisionImageProcessor", "LlavaOnevisionImageProcessorFast",
    "LlavaOnevisionImageProcessorPil", "SiglipImageProcessor", "SiglipImageProcessorFast",
    "SiglipImageProcessorPil" };
  if (std::find(supported.begin(), supported.end(), *value) == supported.end())
  {
    fields.refuse("image_processor_type", *value,
      "CLIPImageProcessor, LlavaImageProcessor, LlavaNextImageProcessor, "
      "LlavaOnevisionImageProcessor or SiglipImageProcessor");
  }
  const auto name = value->get<std::string>();
  const bool oneVision = name.rfind("LlavaOnevision", 0) == 0;
  config.tiles = oneVision || name.rfind("LlavaNext", 0) == 0;
  if (oneVision)
  {
    config.shortestEdge = 0;
    config.height = config.width = 384;
    config.centerCrop = false;
  }
  if (name.rfind("LlavaImage", 0) == 0)
  {
    fields.read("do_pad", config.pad);
  }
  if (name.rfind("Siglip", 0) == 0)
  {
    config.shortestEdge = 0;
    config.height = config.width = 224;
    config.centerCrop = false;
    config.mean.fill(0.5);
    config.std.fill(0.5);
  }
}

/// Of a picture in tiles.
void readCanvases(const Fields& fields, ImageProcessorConfig& config)
{
  constexpr const char* name = "image_grid_pinpoints";
  constexpr std::size_t most = 1024;
  const Json* value = fields.find(name);
  if (!config.tiles || !value)
  {
    return;
  }
  if (!value->is_array() || value->empty() || value->size() > most)
  {
    fields.refuse(name, *value, "a list of [height, width]");
  }
  for (const Json& size : *value)
  {
    if (!size.is_array() || size.size() != 2)
    {
      fields.refuse(name, size, "[height, width]");
    }
    config.canvases.push_back({ fields.edge(name, size[0]), fields.edge(name, size[1]) });
  }
}

ImageProcessorConfig fromJson(const Json& json, const std::string& source)
{
  const Fields fields(json, source);
  ImageProcessorConfig config;
  readType(fields, config);
  readSizes(fields, config);
  fields.read("do_resize", config.resize);
  fields.read("do_center_crop", config.centerCrop);
  fields.read("do_rescale", config.rescale);
  fields.read("do_normalize", config.normalize);
  if (const Json* value = fields.find("resample"))
  {
    if (!value->is_number_integer() || *value < 0 || *value > 5)
    {
      fields.refuse("resample", *value, "one of PIL's filters 0 to 5");
    }
    config.resample = static_cast<Resample>(value->get<int>());
  }
  if (const Json* value = fields.find("rescale_factor"))
  {
    config.rescaleFactor = fields.number("rescale_factor", *value, 0.0);
  }
  readCanvases(fields, config);
  fields.read("image_mean", config.mean, 0.0);
  fields.read("image_std", config.std, SmallestDivisor);
  return config;
}
}

ImageProcessorConfig parseImageProcessorConfig(std::string_view text, const std::string& source)
{
  return fromJson(parseJson(text, source), source);
}

ImageProcessorConfig readImageProcessorConfig(const std::string& directory)
{
  namespace fs = std::filesystem;
  constexpr std::size_t maximumBytes = 1U << 20;
  const std::string own = directory + "/preprocessor_config.json";
  const std::string whole = directory + "/processor_config.json";
  std::error_code ignored;
  if (fs::exists(whole, ignored))
  {
    const Json processor = readJsonFile(whole, maximumBytes);
    const auto found = processor.is_object() ? processor.find("image_processor") : processor.end();
    if (processor.is_object() && found != processor.end() && !found->is_null())
    {
      return fromJson(*found, whole + ": image_processor");
    }
  }
  if (!fs::exists(own, ignored))
  {
    fail(directory,
      ": the model folder has neither preprocessor_config.json nor an image_processor in "
      "processor_config.json");
  }
  return fromJson(readJsonFile(own, maximumBytes), own);
}

} // namespace lvlm::picture
