// SPDX-License-Identifier: Apache-2.0
// Traces: what contradicts itself is refused with a message that names it, what is unknown is
// ignored, and a file written and read again is equal to the bit.
#include "Check.h"
#include "TempFolder.h"

#include "Models/Trace/Safetensors.h"
#include "Models/Trace/TraceFile.h"

#include <cstring>

namespace
{
using namespace lvlm;
using lvlm_test::TempFolder;
namespace tn = tensor_name;

constexpr std::int64_t L = 2, Hd = 3, T = 2, P = 8, K = P + T - 1;
using Indices = std::vector<std::int64_t>;

/// 8 prompt positions of which 2..5 are a 2 x 2 image, and 2 answer tokens.
Trace smallTrace()
{
  Trace trace;
  trace.model = "tiny";
  trace.prompt = "USER: <image>\nwhy?";
  trace.answer = "because";
  trace.promptLength = P;
  trace.imageStart = 2;
  trace.grid = { 2, 2 };
  trace.roles = { Role::Special, Role::System, Role::Image, Role::Image, Role::Image, Role::Image,
    Role::Question, Role::Special, Role::Answer, Role::Answer };
  for (std::size_t i = 0; i < trace.roles.size(); ++i)
  {
    trace.tokens.push_back("▁token " + std::to_string(i) + "\"\\\n");
  }
  trace.layerTotal = L;
  std::vector<float> attention(static_cast<std::size_t>(L * Hd * T * K));
  for (std::size_t i = 0; i < attention.size(); ++i)
  {
    attention[i] = 1.0f / static_cast<float>(i + 1);
  }
  trace.tensors[tn::AttentionAnswer] = Tensor::of(attention, { L, Hd, T, K });
  trace.tensors[tn::TokenId] =
    Tensor::of<std::int64_t>({ 1, 5, 9, 9, 9, 9, 6, 7, 8, 2 }, { P + T });
  trace.tensors[tn::AnswerLogprob] = Tensor::of<float>({ -0.5f, -1 }, { T });
  trace.tensors[tn::TopkId] = Tensor::of<std::int64_t>({ 8, 1, 2, 3 }, { T, 2 });
  trace.tensors[tn::TopkLogprob] = Tensor::of<float>({ -0.5f, -1, -1, -2 }, { T, 2 });
  trace.tensors[tn::Image] = Tensor::of(std::vector<std::uint8_t>(72, 9), { 4, 6, 3 });
  trace.tensors[tn::HiddenLayers] = Tensor::of<std::int64_t>({ 2, 0 }, { 2 });
  trace.tensors[tn::HiddenStates] =
    Tensor::of(std::vector<float>(static_cast<std::size_t>(2 * K * 5), 1), { 2, K, 5 });
  const auto words = static_cast<std::size_t>(2 * K * 3);
  trace.tensors[tn::LensId] = Tensor::of(std::vector<std::int64_t>(words, 7), { 2, K, 3 });
  trace.tensors[tn::LensLogprob] = Tensor::of(std::vector<float>(words, -1), { 2, K, 3 });
  trace.extra["temperature"] = "0.2";
  return trace;
}

void testRoundTrip(const TempFolder& folder)
{
  Trace trace = smallTrace();
  trace.tensors["something.unknown"] = Tensor::of<float>({ 1 }, { 1 });
  const std::string path = folder.path("round.lvlm");
  writeTrace(path, trace);
  const Trace read = readTrace(path);
  CHECK(read.tokens == trace.tokens && read.roles == trace.roles);
  CHECK(read.model == trace.model && read.prompt == trace.prompt && read.answer == trace.answer);
  CHECK(read.promptLength == P && read.imageStart == 2 && read.layerTotal == L);
  CHECK(read.grid.rows == 2 && read.grid.cols == 2);
  CHECK(read.extra.at("temperature") == "0.2");
  CHECK(read.tensors.size() == trace.tensors.size());
  for (const auto& [name, tensor] : trace.tensors)
  {
    const Tensor& other = read.tensor(name);
    CHECK(other.shape == tensor.shape && std::memcmp(other.data, tensor.data, tensor.bytes()) == 0);
  }
  const std::string good = lvlm_test::readFile(path);
  for (std::size_t cut = 1; cut < good.size(); cut += 97)
  {
    CHECK_THROWS(
      readTrace(folder.write("cut.lvlm", good.substr(0, good.size() - cut))), "cut.lvlm");
  }
  Trace part = smallTrace();
  part.layerTotal = L + 1;
  CHECK_THROWS(writeTrace(path, part), "part of the trace");
  part = smallTrace();
  part.tensors[tn::AttentionAnswer].shape[0] = part.tensors[tn::HiddenStates].shape[0] = 1;
  CHECK(part.hiddenLayers() == Indices{ 0 });
  CHECK_THROWS(writeTrace(path, part), "part of the trace");
}

template <typename Change>
void refused(Change&& change, const std::string& needle)
{
  Trace trace = smallTrace();
  change(trace);
  CHECK_THROWS(trace.validate(), needle);
}

void testContradictions()
{
  smallTrace().validate();
  refused([](Trace& t) { t.promptLength = 10; }, "prompt_length 10");
  refused([](Trace& t) { t.promptLength = -1; }, "prompt_length -1");
  refused([](Trace& t) { t.roles.pop_back(); }, "9 roles for 10");
  refused([](Trace& t) { t.grid = { 0, 4 }; }, "grid 0,4");
  refused([](Trace& t) { t.grid = { 1ll << 40, 1ll << 40 }; }, "impossible grid");
  refused([](Trace& t) { t.imageStart = 5; }, "image span of 4 positions from 5");
  refused([](Trace& t) { t.imageStart = -1; }, "image span");
  refused([](Trace& t) { t.imageStart = 1; }, "position 1");
  refused([](Trace& t) { t.roles[7] = Role::Answer; }, "position 7");
  refused([](Trace& t) { t.tensors.erase(tn::TokenId); }, "tokens.id");
  refused([](Trace& t)
    { t.tensors[tn::TokenId] = Tensor::of<float>(std::vector<float>(10), { 10 }); },
    "F32");
  refused([](Trace& t) { t.tensors[tn::AnswerLogprob] = Tensor::of<float>({ 1 }, { 1 }); },
    "answer.logprob");
  refused([](Trace& t) { t.tensors.erase(tn::TopkId); }, "only come together");
  refused(
    [](Trace& t) {
      t.tensors[tn::AttentionAnswer].shape = { L, Hd, T + 7, 2 };
    },
    "attention.answer");
  refused([](Trace& t) { t.tensors[tn::AttentionAnswer].dtype = DType::I32; }, "not floating");
  refused([](Trace& t) { t.layerBegin = 1; }, "layers [1, 3) of 2");
  refused(
    [](Trace& t) {
      t.tensors[tn::AttentionFull] = Tensor::of<float>({ 1 }, { 1, 1, 1, 1 });
    },
    "attention.full");
  refused(
    [](Trace& t) {
      t.tensors[tn::AttentionVision] = Tensor::of<float>({ 1, 1 }, { 1, 1, 1, 2 });
    },
    "not square");
  refused(
    [](Trace& t) {
      t.tensors[tn::RelevancyDecoder] = Tensor::of<float>({ 1 }, { 1, 1 });
    },
    "relevancy.decoder");
  refused(
    [](Trace& t) {
      t.tensors[tn::RelevancyJoint] = Tensor::of<float>({ 1 }, { 1, 1 });
    },
    "relevancy.joint");
  refused([](Trace& t) { t.tensors[tn::Image].shape = { 4, 18, 1 }; }, "image");
}

void testHidden()
{
  const auto reshaped = [](const char* name, const std::vector<std::int64_t>& shape)
  { return [=](Trace& t) { t.tensors[name].shape = shape; }; };
  const auto layers = [](const std::vector<std::int64_t>& listed)
  {
    return [=](Trace& t) {
      t.tensors[tn::HiddenLayers] =
        Tensor::of(listed, { static_cast<std::int64_t>(listed.size()) });
    };
  };
  refused(reshaped(tn::HiddenStates, { 2, K - 1, 5 }), "'hidden.states' has shape [2, 8, 5]");
  refused(reshaped(tn::HiddenStates, { 1, K, 5 }), "'hidden.states' has shape [1, 9, 5]");
  refused(reshaped(tn::HiddenStates, { 2, K, 0 }), "'hidden.states' has shape [2, 9, 0]");
  refused(reshaped(tn::HiddenStates, { 2 * K * 5 }), "'hidden.states' has shape [90]");
  refused([](Trace& t) { t.tensors[tn::HiddenStates].dtype = DType::I32; }, "not floating");
  refused([](Trace& t) { t.tensors[tn::HiddenLayers].dtype = DType::F64; }, "expected I64");
  refused([](Trace& t) { t.tensors.erase(tn::HiddenLayers); }, "'hidden.states' needs");
  refused(reshaped(tn::HiddenLayers, { 1, 2 }), "'hidden.layers' has shape [1, 2]");
  refused(reshaped(tn::HiddenLayers, { 0 }), "'hidden.layers' has shape [0]");
  refused(layers({ 2, L + 1 }), "names layer 3, which is not in [0, 2]");
  refused(layers({ -1, 0 }), "names layer -1");
  refused(layers({ 1, 1 }), "names layer 1 twice");
  refused(layers({ 0, 1, 2 }), "'hidden.states' has shape [2, 9, 5], expected [3, 9, -1]");
  refused([](Trace& t) { t.tensors.erase(tn::LensLogprob); }, "only come together");
  refused(reshaped(tn::LensId, { 2, 3, K }), "'lens.id' has shape [2, 3, 9]");
  refused(reshaped(tn::LensLogprob, { 2, K, 2 }), "'lens.logprob' has shape [2, 9, 2]");
  refused([](Trace& t) { t.tensors[tn::LensId].dtype = DType::F64; }, "expected I64");
  refused(
    [](Trace& t)
    {
      t.tensors.erase(tn::HiddenStates);
      t.tensors.erase(tn::HiddenLayers);
    },
    "'lens.id' needs");
  Trace unknown = smallTrace(); // how many layers the model has
  unknown.tensors.erase(tn::AttentionAnswer);
  layers({ 40, 32 })(unknown);
  unknown.validate();
  layers({ 40, 1ll << 40 })(unknown);
  CHECK_THROWS(unknown.validate(), "names layer 1099511627776");
}

void testMetadata(const TempFolder& folder)
{
  const std::string path = folder.path("good.lvlm");
  writeTrace(path, smallTrace());
  const SafetensorsFile good(path);
  const auto with = [&](const std::string& key, const std::string& value)
  {
    auto metadata = good.metadata();
    metadata[key] = value;
    writeSafetensors(folder.path("bad.lvlm"), good.tensors(), metadata);
    readTrace(folder.path("bad.lvlm"));
  };
  CHECK_THROWS(with("format", "other"), "format 'other'");
  CHECK_THROWS(with("version", "3"), "version '3'");
  with("version", "2"); // without regions it has image_start and grid as before
  CHECK_THROWS(with("tokens", "[1]"), "not a string");
  CHECK_THROWS(with("tokens", "{"), "malformed");
  CHECK_THROWS(with("roles", R"(["robot"])"), "robot");
  CHECK_THROWS(with("prompt_length", "8x"), "8x");
  CHECK_THROWS(with("prompt_length", "99999999999999999999"), "not a whole number");
  CHECK_THROWS(with("grid", "2"), "rows,cols");
  with("grid", "2, 2"); // a space after the comma is what people write
  auto metadata = good.metadata();
  metadata.erase("roles");
  writeSafetensors(folder.path("bad.lvlm"), good.tensors(), metadata);
  CHECK_THROWS(readTrace(folder.path("bad.lvlm")), "'roles' is missing");
}
}

int main()
{
  try
  {
    const TempFolder folder;
    testRoundTrip(folder);
    testContradictions();
    testHidden();
    testMetadata(folder);
  }
  catch (const std::exception& error)
  {
    std::cerr << "unexpected: " << error.what() << std::endl;
    return 1;
  }
  return lvlm_test::checkResult();
}
