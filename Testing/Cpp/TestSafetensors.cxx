// SPDX-License-Identifier: Apache-2.0
// The safetensors reader on files of the reference implementation (the golden checkpoints), on its
// own writer's files, and on a table of hostile ones; element conversions against values known from
// IEEE 754.
#include "Check.h"
#include "TempFolder.h"

#include "Models/Checkpoint/Checkpoint.h"
#include "Models/Trace/Error.h"
#include "Models/Trace/Json.h"
#include "Models/Trace/Safetensors.h"

#include <algorithm>
#include <cstring>

namespace
{
using namespace lvlm;
using namespace lvlm::checkpoint;
using lvlm_test::TempFolder;

std::string file(const std::string& header, const std::string& data, std::uint64_t length)
{
  std::string text(sizeof length, '\0');
  std::memcpy(text.data(), &length, sizeof length);
  return text + header + data;
}

std::string file(const std::string& header, const std::string& data)
{
  return file(header, data, header.size());
}

void testConversions()
{
  CHECK(halfToFloat(0x3c00) == 1.0f);
  CHECK(halfToFloat(0xc000) == -2.0f);
  CHECK(halfToFloat(0x7bff) == 65504.0f);
  CHECK(halfToFloat(0x0001) == std::ldexp(1.0f, -24)); // smallest subnormal
  CHECK(halfToFloat(0x03ff) == std::ldexp(1023.0f, -24));
  CHECK(std::isinf(halfToFloat(0x7c00)) && std::isnan(halfToFloat(0x7e00)));
  CHECK(bfloat16ToFloat(0x3f80) == 1.0f);
  CHECK(floatToBfloat16(1.00390625f) == 0x3f80); // a tie rounds to even
  CHECK(floatToBfloat16(1.01171875f) == 0x3f82);
  CHECK(floatToHalf(65520.0f) == 0x7c00); // half of the last step above the largest: infinity
  CHECK(floatToHalf(std::ldexp(1.0f, -25)) == 0); // a tie with 0
  CHECK(std::isnan(bfloat16ToFloat(floatToBfloat16(NAN))));
  bool same = true;
  for (std::uint32_t bits = 0; bits < 0x10000;
       ++bits) // each half and bfloat16 survives the round trip
  {
    const auto b = static_cast<std::uint16_t>(bits);
    const float half = halfToFloat(b), brain = bfloat16ToFloat(b);
    same = same && (std::isnan(half) || floatToHalf(half) == b);
    same = same && (std::isnan(brain) || floatToBfloat16(brain) == b);
  }
  CHECK(same);
}

void testRoundTrip(const TempFolder& folder)
{
  std::map<std::string, Tensor> tensors;
  tensors["bytes"] = Tensor::of<std::uint8_t>({ 1, 2, 3 }, { 3 });
  tensors["floats"] = Tensor::of<float>({ 1.5f, -2.5f, 0, 4 }, { 2, 2 });
  tensors["numbers"] = Tensor::of<std::int64_t>({ -7 }, { 1, 1 });
  tensors["none"] = Tensor::of<float>({}, { 0, 4 });
  const std::string path = folder.path("round.safetensors");
  writeSafetensors(path, tensors, { { "key", "a \"quoted\" value\n" } });
  const SafetensorsFile read(path);
  CHECK(read.metadata().at("key") == "a \"quoted\" value\n");
  CHECK(read.tensors().size() == 4);
  for (const auto& [name, tensor] : tensors)
  {
    const Tensor& other = read.tensor(name);
    CHECK(other.shape == tensor.shape && other.dtype == tensor.dtype);
    // Not memcmp: the data of an empty tensor may be a null pointer.
    CHECK(std::equal(other.data, other.data + other.bytes(), tensor.data));
    CHECK(reinterpret_cast<std::uintptr_t>(other.data) % sizeOf(other.dtype) == 0);
  }
  // Writing over the file that the tensors are mapped from must not damage them.
  writeSafetensors(path, read.tensors(), {});
  CHECK(SafetensorsFile(path).tensor("floats").as<float>()[1] == -2.5f);
  CHECK_THROWS(read.tensor("absent"), "absent");
  CHECK_THROWS(read.tensor("bytes").as<float>(), "U8");
  float out[8];
  CHECK_THROWS(read.tensor("floats").toFloat(2, 3, out), "[2, 2]");
  CHECK_THROWS(writeSafetensors(folder.path("no/such/folder"), tensors, {}), "no/such/folder");
}

void testUnaligned(const TempFolder& folder)
{
  // A byte first: the float after it does not lie on its alignment, and must be readable all the
  // same.
  const std::string header =
    R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"F32","shape":[1],"data_offsets":[1,5]}})";
  const float value = 3.25f;
  std::string data(5, '\0');
  std::memcpy(data.data() + 1, &value, sizeof value);
  const SafetensorsFile read(folder.write("unaligned.safetensors", file(header, data)));
  CHECK(read.tensor("b").as<float>()[0] == value);
}

void testHostile(const TempFolder& folder)
{
  const auto open = [&](const std::string& content)
  { SafetensorsFile(folder.write("hostile.safetensors", content)); };
  const auto entry =
    [](const std::string& dtype, const std::string& shape, const std::string& offsets)
  {
    return R"({"t":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" +
      offsets + "}}";
  };
  const std::string four(4, 'x');
  CHECK_THROWS(SafetensorsFile(folder.path("missing")), "missing");
  CHECK_THROWS(SafetensorsFile(folder.path()), "not a regular file");
  CHECK_THROWS(open(""), "is empty");
  CHECK_THROWS(open("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 4221\n"),
    "is a Git LFS pointer");
  CHECK_THROWS(open("abc"), "truncated");
  CHECK_THROWS(open(file("{}", "", 1000)), "truncated");
  CHECK_THROWS(open(file("{}", "", ~0ull)), "header length");
  CHECK_THROWS(open(file("{\"t\":", "")), "malformed JSON");
  CHECK_THROWS(open(file("[]", "")), "not a JSON object");
  CHECK_THROWS(open(file(std::string(100000, '['), "")), "deeper than");
  CHECK_THROWS(open(file("{\"t\":5}", "")), "entry without");
  CHECK_THROWS(open(file(R"({"t":{},"t":{}})", "")), "\"t\" stands twice");
  const auto many = [](int count)
  {
    std::string header = "{";
    for (int i = 0; i < count; ++i)
    {
      header += (i ? "," : "") + ("\"t" + std::to_string(i)) +
        R"(":{"dtype":"F32","shape":[0],"data_offsets":[0,0]})";
    }
    return header + "}";
  };
  CHECK_THROWS(open(file(many(200000), "")), "values of JSON, more than the 1000000 accepted");
  const SafetensorsFile read(folder.write("many.safetensors", file(many(100000), "")));
  CHECK(read.tensors().size() == 100000);
  CHECK_THROWS(
    open(file(R"({"__metadata__":{"a":"1","b":"2","a":"3"}})", "")), "\"a\" stands twice");
  CHECK_THROWS(open(file(R"({"t":{"dtype":"F32","dtype":"F16"}})", "")), "\"dtype\" stands twice");
  CHECK_THROWS(open(file("{\"\xff\":5}", "")), "UTF-8");
  CHECK_THROWS(open(file(entry("F32", "[1]", "[0]"), four)), "entry without");
  CHECK_THROWS(open(file(entry("F32", "[1]", "[0,8]"), four)), "leave the 4 bytes");
  CHECK_THROWS(open(file(entry("F32", "[1]", "[4,0]"), four)), "data_offsets");
  CHECK_THROWS(open(file(entry("F32", "[1]", "[-4,0]"), four)), "not a length");
  CHECK_THROWS(open(file(entry("F32", "[1]", "[0.0,4.0]"), four)), "not a length");
  CHECK_THROWS(open(file(entry("F32", "[2]", "[0,4]"), four)), "does not fill");
  CHECK_THROWS(open(file(entry("F7", "[1]", "[0,4]"), four)), "F7");
  CHECK_THROWS(open(file(entry("F32", "[-1]", "[0,4]"), four)), "not a length");
  CHECK_THROWS(
    open(file(entry("F32", "[4294967296,4294967296]", "[0,4]"), four)), "impossible shape");
  CHECK_THROWS(open(file(entry("F32", "[4611686018427387905]", "[0,4]"), four)), "does not fill");
  CHECK_THROWS(
    open(file(entry("F32", "[18446744073709551615]", "[0,4]"), four)), "impossible extent");
  CHECK_THROWS(open(file(entry("F32", "\"x\"", "[0,4]"), four)), "shape");
  CHECK_THROWS(
    open(file(
      R"({"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"b":{"dtype":"U8","shape":[3],"data_offsets":[1,4]}})",
      four)),
    "overlap");
  CHECK_THROWS(open(file(R"({"__metadata__":{"a":1}})", "")), "not a string");
  CHECK_THROWS(open(file(R"({"__metadata__":[]})", "")), "__metadata__");
  // Every truncation of a good file is refused or still holds only whole tensors: none crashes.
  const std::string good = file(entry("F32", "[1]", "[0,4]"), four);
  for (std::size_t size = 0; size < good.size(); ++size)
  {
    CHECK_THROWS(open(good.substr(0, size)), "hostile.safetensors");
  }
}

/// Of a tensor that several shards have the index names the one that counts.
void testWeightMap()
{
  const TempFolder folder;
  const auto value = [](float number) { return Tensor::of<float>({ number }, { 1 }); };
  writeSafetensors(folder.path("base.safetensors"),
    { { "model.language_model.a", value(1) }, { "b", value(2) }, { "c", value(3) } }, {});
  writeSafetensors(folder.path("overlay.safetensors"),
    { { "model.language_model.a", value(10) }, { "b", value(20) }, { "d", value(40) } }, {});
  const auto open = [&](const std::string& map)
  {
    folder.write("model.safetensors.index.json", "{\"weight_map\":{" + map + "}}");
    return Checkpoint(folder.path());
  };
  const std::string base = ":\"base.safetensors\"", overlay = ":\"overlay.safetensors\"";
  const auto of = [](const Checkpoint& checkpoint, const char* name)
  { return checkpoint.tensor(name, { 1 }).as<float>()[0]; };
  const Checkpoint first = open("\"model.language_model.a\"" + base + ",\"b\"" + overlay);
  CHECK(of(first, "decoder.a") == 1 && of(first, "b") == 20);
  CHECK(of(first, "c") == 3 && of(first, "d") == 40); // of one shard: nothing to decide
  const Checkpoint second = open("\"model.language_model.a\"" + overlay + ",\"b\"" + base);
  CHECK(of(second, "decoder.a") == 10 && of(second, "b") == 2);
  CHECK_THROWS(
    open("\"model.language_model.a\"" + overlay + ",\"c\"" + base), "'b' is there twice");
}

void testQuantized()
{
  const TempFolder folder;
  writeSafetensors(folder.path("model.safetensors"),
    { { "lm_head.qweight", Tensor::of<std::int64_t>({ 1 }, { 1 }) },
      { "language_model.model.norm.weight", Tensor::of<std::uint8_t>({ 1, 2 }, { 2, 1 }) } },
    {});
  const Checkpoint packed(folder.path());
  CHECK_THROWS(packed.tensor("lm_head.weight", { 1, 1 }),
    "'lm_head.weight', but 'lm_head.qweight' (quantized checkpoints are not supported)");
  CHECK_THROWS(packed.tensor("decoder.norm.weight", { 4 }), "is U8, not one of");
}

void testCheckpoint(const TempFolder& folder)
{
  CHECK(Checkpoint::canonicalName("language_model.model.norm.weight") == "decoder.norm.weight");
  CHECK(Checkpoint::canonicalName("model.language_model.norm.weight") == "decoder.norm.weight");
  CHECK(Checkpoint::canonicalName("language_model.lm_head.weight") == "lm_head.weight");
  CHECK(Checkpoint::canonicalName("lm_head.weight") == "lm_head.weight");
  CHECK(Checkpoint::canonicalName("vision_tower.vision_model.x") == "vision.x");
  CHECK(Checkpoint::canonicalName("model.vision_tower.vision_model.x") == "vision.x");
  CHECK(Checkpoint::canonicalName("model.vision_tower.x") == "vision.x");
  CHECK(Checkpoint::canonicalName("vision_tower.x") == "vision.x");
  CHECK(Checkpoint::canonicalName("model.multi_modal_projector.linear_1.bias") ==
    "projector.linear_1.bias");

  CHECK_THROWS(Checkpoint(folder.path()), "neither model.safetensors nor");
  for (const auto& [name, said] : { std::pair("part.gguf", "part.gguf is of llama.cpp"),
         { "adapter.safetensors", "adapter.safetensors alone" },
         { "model.bin", "model.bin is pickled" },
         { "pytorch_model-00001-of-00002.bin", "00002.bin is pickled" } })
  {
    const TempFolder other;
    other.write(name, "");
    CHECK_THROWS(Checkpoint(other.path()), said);
    CHECK_THROWS(Checkpoint(other.path()), "neither model.safetensors nor");
  }
  const auto index = [&](const std::string& json)
  {
    folder.write("model.safetensors.index.json", json);
    Checkpoint checkpoint(folder.path());
  };
  CHECK_THROWS(index("{}"), "weight_map");
  CHECK_THROWS(index(R"({"weight_map":{"a":"../evil.safetensors"}})"), "evil");
  CHECK_THROWS(index(R"({"weight_map":{"a":"/etc/passwd"}})"), "passwd");
  CHECK_THROWS(index(R"({"weight_map":{"a":7}})"), "7");
  CHECK_THROWS(index(R"({"weight_map":{"a":"absent.safetensors"}})"), "absent.safetensors");

  testWeightMap();
  testQuantized();
  const Checkpoint real(std::string(LVLM_TEST_DATA) + "/llava/grouped-bf16-sharded");
  CHECK(real.storedType() == DType::BF16);
  CHECK(real.has("decoder.layers.2.mlp.down_proj.weight"));
  CHECK_THROWS(real.tensor("decoder.norm.weight", { 47 }), "[48]");
  CHECK_THROWS(real.tensor("decoder.nothing", { 1 }), "decoder.nothing");
}
}

int main()
{
  try
  {
    const TempFolder folder;
    testConversions();
    testRoundTrip(folder);
    testUnaligned(folder);
    testHostile(folder);
    testCheckpoint(TempFolder());
  }
  catch (const std::exception& error)
  {
    std::cerr << "unexpected: " << error.what() << std::endl;
    return 1;
  }
  return lvlm_test::checkResult();
}
