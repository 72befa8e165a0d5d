// SPDX-License-Identifier: Apache-2.0
// A trace becomes VTK data and comes back without a copy of its large tensors.
#include "Check.h"

#include "Models/Trace/TraceFile.h"
#include "Readers/TensorVTK.h"
#include "Readers/TraceVTK.h"

#include "vtkCompositeDataSet.h"
#include "vtkFloatArray.h"
#include "vtkImageData.h"
#include "vtkInformation.h"
#include "vtkMultiBlockDataSet.h"
#include "vtkNew.h"
#include "vtkPointData.h"
#include "vtkSOADataArrayTemplate.h"
#include "vtkTable.h"

#include <cstdio>
#include <cstring>

namespace
{
namespace tn = lvlm::tensor_name;
constexpr std::int64_t L = 2;
constexpr std::int64_t Hd = 3;
constexpr std::int64_t T = 2;
constexpr std::int64_t P = 6; // system, 2 x 2 image, question
constexpr std::int64_t K = P + T - 1;

/// Counts how many owners of a tensor's memory are alive.
int owners = 0;

lvlm::Tensor owned(lvlm::DType type, std::vector<std::int64_t> shape, unsigned char fill)
{
  lvlm::Tensor tensor;
  tensor.dtype = type;
  tensor.shape = std::move(shape);
  ++owners;
  auto memory = std::shared_ptr<std::byte>(new std::byte[tensor.bytes()],
    [](std::byte* bytes)
    {
      --owners;
      delete[] bytes;
    });
  std::memset(memory.get(), fill, tensor.bytes());
  tensor.data = memory.get();
  tensor.owner = memory;
  return tensor;
}

lvlm::Trace makeTrace(
  lvlm::DType attention, std::int64_t layerBegin = 0, std::int64_t layerTotal = L)
{
  using lvlm::Role;
  lvlm::Trace trace;
  trace.model = "m";
  trace.answer = "yes";
  trace.roles = { Role::System, Role::Image, Role::Image, Role::Image, Role::Image, Role::Question,
    Role::Answer, Role::Answer };
  trace.tokens = { "a", "<image>", "<image>", "<image>", "<image>", "b", "c", "d" };
  trace.promptLength = P;
  trace.imageStart = 1;
  trace.grid = { 2, 2 };
  trace.layerBegin = layerBegin;
  trace.layerTotal = layerTotal;
  trace.tensors[tn::TokenId] = owned(lvlm::DType::I64, { P + T }, 1);
  trace.tensors[tn::Image] = owned(lvlm::DType::U8, { 2, 4, 3 }, 7);
  trace.tensors[tn::AttentionAnswer] = owned(attention, { L, Hd, T, K }, 0x3c);
  trace.tensors[tn::AttentionFull] = owned(attention, { 1, Hd, K, K }, 0x3c);
  trace.tensors[tn::AttentionFullLayers] = owned(lvlm::DType::I64, { 1 }, 0);
  trace.tensors[tn::AttentionVision] = owned(attention, { 1, 5, 4, 4 }, 0x3c);
  trace.tensors[tn::RelevancyJoint] = owned(lvlm::DType::F32, { T, 4 }, 0);
  trace.tensors[tn::AnswerLogprob] = owned(lvlm::DType::F32, { T }, 0);
  trace.tensors[tn::TopkId] = owned(lvlm::DType::I64, { T, 3 }, 0);
  trace.tensors[tn::TopkLogprob] = owned(lvlm::DType::F32, { T, 3 }, 0);
  return trace;
}

void testSharedBothWays(lvlm::DType type)
{
  const lvlm::Trace trace = makeTrace(type);
  const auto blocks = lvlm::traceToVTK(trace);
  const lvlm::Trace back = lvlm::traceFromVTK(blocks);
  CHECK(back.tensors.size() == trace.tensors.size() - 1); // all but the picture
  for (const auto& [name, tensor] : back.tensors)
  {
    const lvlm::Tensor& original = trace.tensor(name);
    CHECK(tensor.data == original.data);
    CHECK(tensor.dtype == original.dtype);
    CHECK(tensor.shape == original.shape);
  }
  CHECK(back.tokens == trace.tokens && back.answer == "yes" && back.roles == trace.roles);
  const lvlm::Trace whole = lvlm::traceFromVTK(blocks, true);
  CHECK(std::memcmp(whole.tensor(tn::Image).data, trace.tensor(tn::Image).data, 24) == 0);
}

/// Memory lives exactly as long as something uses it, whichever goes first.
void testLifetimes(lvlm::DType type)
{
  owners = 0;
  auto trace = std::make_unique<lvlm::Trace>(makeTrace(type));
  const int all = owners;
  auto blocks = lvlm::traceToVTK(*trace);
  trace.reset();
  CHECK(owners == all - 1); // the picture was copied upside down, all else is shared
  auto again = std::make_unique<lvlm::Trace>(lvlm::traceFromVTK(blocks));
  auto second = lvlm::traceToVTK(*again); // a second set of arrays over the same memory
  blocks = nullptr;
  again.reset();
  CHECK(owners == all - 1);
  const auto third = lvlm::traceFromVTK(second);
  second = nullptr;
  CHECK(third.tensor(tn::AttentionAnswer).data[0] == std::byte{ 0x3c });
  CHECK(owners == all - 1);
}

void testNothingLeaks()
{
  CHECK(owners == 0);
}

void testPartOfTheLayers()
{
  const lvlm::Trace trace = makeTrace(lvlm::DType::F32, 4, 9);
  const auto blocks = lvlm::traceToVTK(trace);
  for (unsigned int b = 0; b < blocks->GetNumberOfBlocks(); ++b)
  {
    if (std::string(blocks->GetMetaData(b)->Get(vtkCompositeDataSet::NAME())) ==
      tn::AttentionAnswer)
    {
      const int* extent = vtkImageData::SafeDownCast(blocks->GetBlock(b))->GetExtent();
      CHECK(extent[4] == 4 * Hd && extent[5] == 6 * Hd - 1);
    }
  }
  const lvlm::Trace back = lvlm::traceFromVTK(blocks);
  CHECK(back.layerBegin == 4 && back.layerTotal == 9);
  lvlm::TraceShape shape;
  CHECK(lvlm::shapeOf(blocks, shape) && shape.layers == 9 && shape.heads == Hd &&
    shape.answerTokens == T);
}

void testAnnounced()
{
  vtkNew<vtkInformation> info;
  lvlm::TraceShape shape;
  CHECK(!lvlm::announcedTrace(info, shape));
  lvlm::announceTrace(info, lvlm::shapeOf(makeTrace(lvlm::DType::F32)));
  CHECK(lvlm::announcedTrace(info, shape));
  CHECK(shape.grid.rows == 2 && shape.grid.cols == 2 && shape.width == 4 && shape.height == 2);
  CHECK(shape.answerTokens == T && shape.layers == L && shape.heads == Hd);
}

void testRefusals()
{
  vtkNew<vtkMultiBlockDataSet> other;
  vtkNew<vtkImageData> image;
  CHECK_THROWS(lvlm::traceFromVTK(other), "not an LVLM trace");
  CHECK_THROWS(lvlm::traceFromVTK(image), "vtkImageData");
  CHECK_THROWS(lvlm::traceFromVTK(nullptr), "null pointer");
  const auto blocks = lvlm::traceToVTK(makeTrace(lvlm::DType::F32));
  for (unsigned int b = 0; b < blocks->GetNumberOfBlocks(); ++b)
  {
    vtkNew<vtkMultiBlockDataSet> broken;
    broken->ShallowCopy(blocks);
    vtkNew<vtkImageData> wrong; // another extent than the array in it was made for
    const std::string name = blocks->GetMetaData(b)->Get(vtkCompositeDataSet::NAME());
    if (name.rfind("attention", 0) == 0)
    {
      wrong->SetDimensions(2, 2, 2);
      wrong->GetPointData()->AddArray(
        vtkImageData::SafeDownCast(blocks->GetBlock(b))->GetPointData()->GetArray(0));
      broken->SetBlock(b, wrong);
      broken->GetMetaData(b)->Set(vtkCompositeDataSet::NAME(), name.c_str());
      CHECK_THROWS(lvlm::traceFromVTK(broken), name);
    }
    else if (name == "tokens")
    {
      broken->SetBlock(b, nullptr);
      CHECK_THROWS(lvlm::traceFromVTK(broken), "tokens");
    }
  }
  lvlm::Tensor flags = lvlm::Tensor::of<std::uint8_t>({ 1 }, { 1 });
  flags.dtype = lvlm::DType::Bool;
  CHECK_THROWS(lvlm::arrayFromTensor(flags, "flags"), "BOOL");
}

/// Arrays that other programs laid out differently are copied, not misread.
void testOtherLayouts()
{
  vtkNew<vtkSOADataArrayTemplate<float>> columns;
  columns->SetNumberOfComponents(2);
  columns->SetNumberOfTuples(3);
  for (int i = 0; i < 6; ++i)
  {
    columns->SetComponent(i / 2, i % 2, i);
  }
  const lvlm::Tensor tensor = lvlm::tensorFromArray(columns, { 3, 2 });
  CHECK(tensor.dtype == lvlm::DType::F32 && tensor.as<float>()[3] == 3.0f);
  CHECK_THROWS(lvlm::tensorFromArray(columns, { 7 }), "[7]");
}

void testHalfArray()
{
  std::vector<std::uint16_t> bits;
  for (const float value : { 0.5f, -2.0f, 0.0f, 1.0f })
  {
    bits.push_back(lvlm::floatToBfloat16(value));
  }
  lvlm::Tensor tensor;
  tensor.dtype = lvlm::DType::BF16;
  tensor.shape = { 4 };
  tensor.data = reinterpret_cast<const std::byte*>(bits.data());
  const auto array = lvlm::arrayFromTensor(tensor, "half", 2);
  CHECK(array->GetNumberOfTuples() == 2 && array->GetNumberOfComponents() == 2);
  CHECK(array->GetComponent(0, 1) == -2.0);
  CHECK(array->GetRange(0)[0] == 0.0 && array->GetRange(0)[1] == 0.5);
  CHECK(static_cast<float*>(array->GetVoidPointer(0))[3] == 1.0f);
  vtkSmartPointer<vtkDataArray> copy;
  copy.TakeReference(array->NewInstance());
  copy->DeepCopy(array);
  CHECK(vtkFloatArray::SafeDownCast(copy) && copy->GetComponent(1, 1) == 1.0);
}

void testPresetRange()
{
  vtkNew<vtkFloatArray> array;
  array->InsertNextValue(5.0f);
  array->InsertNextValue(9.0f);
  lvlm::presetRange(array, 0.0, 1.0);
  double range[2];
  for (const int component : { -1, 0 })
  {
    array->GetRange(range, component);
    CHECK(range[0] == 0.0 && range[1] == 1.0);
    array->GetFiniteRange(range, component);
    CHECK(range[0] == 0.0 && range[1] == 1.0);
  }
  array->Modified();
  array->GetRange(range, 0);
  CHECK(range[1] == 9.0);
}
}

int main()
{
  for (const auto type :
    { lvlm::DType::F32, lvlm::DType::F64, lvlm::DType::F16, lvlm::DType::BF16 })
  {
    testSharedBothWays(type);
    testNothingLeaks();
    testLifetimes(type);
    testNothingLeaks();
  }
  testPartOfTheLayers();
  testAnnounced();
  testRefusals();
  testOtherLayouts();
  testHalfArray();
  testPresetRange();
  testNothingLeaks();
  return lvlm_test::checkResult();
}
