// SPDX-License-Identifier: Apache-2.0
// A trace is owned by a VTK data object, is the same one behind copies of it, and is made from
// blocks only where others made these, without a copy of its large tensors.
#pragma GCC diagnostic ignored "-Wpedantic" // VTK's type macros end in a semicolon
#include "Check.h"

#include "Models/Trace/TraceFile.h"
#include "Readers/TensorVTK.h"
#include "Readers/TraceShape.h"
#include "Readers/vtkLVLMTrace.h"

#include "vtkCompositeDataSet.h"
#include "vtkFieldData.h"
#include "vtkFloatArray.h"
#include "vtkImageData.h"
#include "vtkInformation.h"
#include "vtkMultiBlockDataSet.h"
#include "vtkNew.h"
#include "vtkPointData.h"
#include "vtkSOADataArrayTemplate.h"
#include "vtkStringArray.h"
#include "vtkTable.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <future>

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
  trace.tensors[tn::HiddenStates] = owned(attention, { 1, K, 5 }, 0x3c);
  trace.tensors[tn::HiddenLayers] = owned(lvlm::DType::I64, { 1 }, 0);
  trace.tensors[tn::LensId] = owned(lvlm::DType::I64, { 1, K, 2 }, 1);
  trace.tensors[tn::LensLogprob] = owned(lvlm::DType::F32, { 1, K, 2 }, 0);
  trace.tensors[tn::RelevancyJoint] = owned(lvlm::DType::F32, { T, 4 }, 0);
  trace.tensors[tn::AnswerLogprob] = owned(lvlm::DType::F32, { T }, 0);
  trace.tensors[tn::TopkId] = owned(lvlm::DType::I64, { T, 3 }, 0);
  trace.tensors[tn::TopkLogprob] = owned(lvlm::DType::F32, { T, 3 }, 0);
  return trace;
}

using Shared = std::shared_ptr<const lvlm::Trace>;

vtkSmartPointer<vtkLVLMTrace> owning(const Shared& trace)
{
  auto data = vtkSmartPointer<vtkLVLMTrace>::New();
  data->SetTrace(trace);
  return data;
}

vtkSmartPointer<vtkLVLMTrace> owning(lvlm::Trace trace)
{
  return owning(std::make_shared<const lvlm::Trace>(std::move(trace)));
}

/// The blocks as another program would make them.
vtkSmartPointer<vtkMultiBlockDataSet> foreign(vtkMultiBlockDataSet* data)
{
  auto blocks = vtkSmartPointer<vtkMultiBlockDataSet>::New();
  blocks->ShallowCopy(data);
  return blocks;
}

vtkDataObject* blockOf(vtkMultiBlockDataSet* blocks, const std::string& wanted)
{
  for (unsigned int b = 0; b < blocks->GetNumberOfBlocks(); ++b)
  {
    if (wanted == blocks->GetMetaData(b)->Get(vtkCompositeDataSet::NAME()))
    {
      return blocks->GetBlock(b);
    }
  }
  return nullptr;
}

void testSharedBothWays(lvlm::DType type)
{
  const auto trace = std::make_shared<const lvlm::Trace>(makeTrace(type));
  const auto data = owning(trace);
  CHECK(vtkLVLMTrace::TraceOf(data) == trace);
  const Shared back = vtkLVLMTrace::TraceOf(foreign(data));
  CHECK(back->tensors.size() == trace->tensors.size());
  for (const auto& [name, tensor] : back->tensors)
  {
    const lvlm::Tensor& original = trace->tensor(name);
    CHECK(tensor.data == original.data || name == tn::Image); // only the picture is copied
    CHECK(tensor.dtype == original.dtype);
    CHECK(tensor.shape == original.shape);
  }
  CHECK(back->tokens == trace->tokens && back->answer == "yes" && back->roles == trace->roles);
  CHECK(std::memcmp(back->tensor(tn::Image).data, trace->tensor(tn::Image).data, 24) == 0);
}

/// Memory lives exactly as long as something uses it, whichever goes first.
void testLifetimes(lvlm::DType type)
{
  owners = 0;
  auto data = owning(makeTrace(type));
  const int all = owners;
  auto blocks = foreign(data);
  data = nullptr;
  CHECK(owners == all - 1); // the picture was copied upside down, all else is shared
  auto second = owning(vtkLVLMTrace::TraceOf(blocks)); // more arrays over the same memory
  blocks = nullptr;
  CHECK(owners == all - 1);
  const Shared third = vtkLVLMTrace::TraceOf(foreign(second));
  second = nullptr;
  CHECK(third->tensor(tn::AttentionAnswer).data[0] == std::byte{ 0x3c });
  CHECK(owners == all - 1);
}

/// Copies of a vtkLVLMTrace, as ParaView makes them between any two filters.
void testCopies()
{
  const auto trace = std::make_shared<const lvlm::Trace>(makeTrace(lvlm::DType::F32));
  const auto data = owning(trace);
  vtkSmartPointer<vtkDataObject> copy;
  copy.TakeReference(data->NewInstance()); // what vtkPVPostFilter does
  copy->ShallowCopy(data);
  CHECK(vtkLVLMTrace::TraceOf(copy) == trace);
  vtkNew<vtkLVLMTrace> composite;
  composite->CompositeShallowCopy(data);
  CHECK(vtkLVLMTrace::TraceOf(composite) == trace);
  CHECK(copy->GetDataObjectType() == VTK_MULTIBLOCK_DATA_SET);

  vtkNew<vtkLVLMTrace> deep;
  deep->DeepCopy(data);
  const Shared own = vtkLVLMTrace::TraceOf(deep);
  CHECK(own != trace && own == vtkLVLMTrace::TraceOf(deep));
  CHECK(own->tensor(tn::AttentionAnswer).data != trace->tensor(tn::AttentionAnswer).data);
  CHECK(own->answer == trace->answer);

  vtkNew<vtkLVLMTrace> structure;
  structure->CompositeShallowCopy(data);
  structure->CopyStructure(data);
  CHECK(!blockOf(structure, "tokens"));
  CHECK_THROWS(vtkLVLMTrace::TraceOf(structure), "tokens");
  copy->Initialize();
  CHECK_THROWS(vtkLVLMTrace::TraceOf(copy), "there is no trace");
  copy->ShallowCopy(foreign(data));
  CHECK(vtkLVLMTrace::TraceOf(copy) != trace);
  CHECK(vtkLVLMTrace::TraceOf(data) == trace); // whatever became of its copies
}

/// Blocks that others made are looked at once, and again when they have changed, in whatever way.
void testForeignBlocks()
{
  const auto data = owning(makeTrace(lvlm::DType::F32));
  for (const auto& blocks :
    { foreign(data), vtkSmartPointer<vtkMultiBlockDataSet>(owning(makeTrace(lvlm::DType::F32))) })
  {
    Shared last = vtkLVLMTrace::TraceOf(blocks);
    const auto changed = [&]
    {
      const Shared now = vtkLVLMTrace::TraceOf(blocks);
      const bool other = now != last && now == vtkLVLMTrace::TraceOf(blocks);
      last = now;
      return other;
    };
    CHECK(!changed());
    vtkNew<vtkFloatArray> attention;
    attention->DeepCopy(vtkImageData::SafeDownCast(blockOf(blocks, tn::AttentionAnswer))
                          ->GetPointData()
                          ->GetArray(tn::AttentionAnswer));
    vtkImageData::SafeDownCast(blockOf(blocks, tn::AttentionAnswer))
      ->GetPointData()
      ->AddArray(attention);
    CHECK(changed());
    CHECK(last->tensor(tn::AttentionAnswer).data ==
      static_cast<std::byte*>(attention->GetVoidPointer(0)));
    attention->Modified();
    CHECK(changed());
    vtkTable::SafeDownCast(blockOf(blocks, "answer"))->GetColumnByName("logprob")->Modified();
    CHECK(changed());
    vtkStringArray::SafeDownCast(blocks->GetFieldData()->GetAbstractArray("answer"))
      ->SetValue(0, "no");
    blocks->GetFieldData()->GetAbstractArray("answer")->Modified();
    CHECK(changed() && last->answer == "no");
    for (unsigned int b = 0; b < blocks->GetNumberOfBlocks(); ++b)
    {
      if (blocks->GetBlock(b) == blockOf(blocks, tn::RelevancyJoint))
      {
        blocks->GetMetaData(b)->Set(vtkCompositeDataSet::NAME(), "other");
      }
    }
    CHECK(changed() && !last->has(tn::RelevancyJoint));
    CHECK(!changed());
  }
}

void testNothingLeaks()
{
  CHECK(owners == 0);
}

void testPartOfTheLayers()
{
  const auto blocks = foreign(owning(makeTrace(lvlm::DType::F32, 4, 9)));
  const int* extent = vtkImageData::SafeDownCast(blockOf(blocks, tn::AttentionAnswer))->GetExtent();
  CHECK(extent[4] == 4 * Hd && extent[5] == 6 * Hd - 1);
  const Shared back = vtkLVLMTrace::TraceOf(blocks);
  CHECK(back->layerBegin == 4 && back->layerTotal == 9);
  const lvlm::TraceShape shape = lvlm::shapeOf(*back);
  CHECK(shape.layers == 9 && shape.heads == Hd && shape.answerTokens == T);
  CHECK(shape.hiddenLayers == 1 && shape.hiddenDepth == 10);
}

/// Where this process has none of the hidden states, their width is known all the same.
void testHiddenElsewhere()
{
  lvlm::Trace trace = makeTrace(lvlm::DType::F32, 4, 9);
  trace.tensors[tn::HiddenLayers] = lvlm::Tensor::of<std::int64_t>({ 0, 7 }, { 2 });
  trace.tensors[tn::HiddenStates] = lvlm::Tensor();
  trace.tensors[tn::HiddenStates].shape = { 0, K, 5 };
  trace.tensors.erase(tn::LensId);
  trace.tensors.erase(tn::LensLogprob);
  const Shared back = vtkLVLMTrace::TraceOf(foreign(owning(trace)));
  CHECK(back->hiddenLayers().empty());
  CHECK(back->tensor(tn::HiddenStates).shape == (std::vector<std::int64_t>{ 0, K, 5 }));
  CHECK(back->tensor(tn::HiddenLayers).count() == 2);
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
  CHECK(shape.hiddenLayers == 1 && shape.hiddenDepth == L + 1);
}

void testRefusals()
{
  vtkNew<vtkMultiBlockDataSet> other;
  vtkNew<vtkImageData> image;
  CHECK_THROWS(vtkLVLMTrace::TraceOf(other), "not an LVLM trace");
  CHECK_THROWS(vtkLVLMTrace::TraceOf(image), "vtkImageData");
  CHECK_THROWS(vtkLVLMTrace::TraceOf(nullptr), "null pointer");
  const auto blocks = owning(makeTrace(lvlm::DType::F32));
  for (unsigned int b = 0; b < blocks->GetNumberOfBlocks(); ++b)
  {
    vtkNew<vtkMultiBlockDataSet> broken;
    broken->ShallowCopy(blocks);
    vtkNew<vtkImageData> wrong; // another extent than the array in it was made for
    const std::string name = blocks->GetMetaData(b)->Get(vtkCompositeDataSet::NAME());
    if (name.rfind("attention", 0) == 0 || name.rfind("hidden", 0) == 0 ||
      name.rfind("lens", 0) == 0)
    {
      wrong->SetDimensions(2, 2, 2);
      wrong->GetPointData()->AddArray(
        vtkImageData::SafeDownCast(blocks->GetBlock(b))->GetPointData()->GetArray(0));
      broken->SetBlock(b, wrong);
      broken->GetMetaData(b)->Set(vtkCompositeDataSet::NAME(), name.c_str());
      CHECK_THROWS(vtkLVLMTrace::TraceOf(broken), name);
    }
    else if (name == "tokens")
    {
      broken->SetBlock(b, nullptr);
      CHECK_THROWS(vtkLVLMTrace::TraceOf(broken), "tokens");
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

/// Filters on threads ask for a pointer at the same time: all get the same, filled.
void testHalfArrayOnThreads()
{
  const std::vector<std::uint16_t> bits(1 << 20, lvlm::floatToHalf(0.25f));
  lvlm::Tensor tensor;
  tensor.dtype = lvlm::DType::F16;
  tensor.shape = { static_cast<std::int64_t>(bits.size()) };
  tensor.data = reinterpret_cast<const std::byte*>(bits.data());
  for (int round = 0; round < 10; ++round)
  {
    const auto array = lvlm::arrayFromTensor(tensor, "half");
    std::vector<std::future<const float*>> threads(8);
    for (auto& thread : threads)
    {
      thread = std::async(std::launch::async,
        [&]() -> const float*
        {
          const auto* values = static_cast<const float*>(array->GetVoidPointer(0));
          const bool filled =
            std::all_of(values, values + bits.size(), [](float value) { return value == 0.25f; });
          return filled ? values : nullptr;
        });
    }
    for (auto& thread : threads)
    {
      CHECK(thread.get() == array->GetVoidPointer(0));
    }
  }
}

/// As an array of its own and as one of a data set, which has a way of its own from VTK 9.3 on.
void checkRange(vtkPointData* data, int component, double low, double high)
{
  double range[2];
  data->GetArray(0)->GetRange(range, component);
  CHECK(range[0] == low && range[1] == high);
  data->GetArray(0)->GetFiniteRange(range, component);
  CHECK(range[0] == low && range[1] == high);
  CHECK(data->GetRange(0, range, component) && range[0] == low && range[1] == high);
  CHECK(data->GetFiniteRange(0, range, component) && range[0] == low && range[1] == high);
}

void testPresetRange(lvlm::DType type)
{
  const lvlm::Tensor tensor = owned(type, { 2, 2 }, 0);
  auto* stored = const_cast<std::byte*>(tensor.data);
  const std::size_t size = lvlm::sizeOf(type);      // bfloat16: the upper half of a float32
  for (const float value : { 3.f, -4.f, 4.f, 3.f }) // two tuples of magnitude 5
  {
    std::memcpy(stored, reinterpret_cast<const std::byte*>(&value) + sizeof value - size, size);
    stored += size;
  }
  const auto array = lvlm::arrayFromTensor(tensor, "values", 2);
  vtkNew<vtkPointData> data;
  data->AddArray(array);
  lvlm::presetRange(array, 0.0, 1.0);
  for (const int component : { -1, 0, 1 })
  {
    checkRange(data, component, 0.0, 1.0);
  }
  array->Modified();
  checkRange(data, -1, 5.0, 5.0);
  checkRange(data, 0, 3.0, 4.0);
  checkRange(data, 1, -4.0, 3.0);
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
  testHiddenElsewhere();
  testAnnounced();
  testRefusals();
  testOtherLayouts();
  testCopies();
  testForeignBlocks();
  testHalfArray();
  testHalfArrayOnThreads();
  testPresetRange(lvlm::DType::F32);
  testPresetRange(lvlm::DType::BF16);
  testNothingLeaks();
  return lvlm_test::checkResult();
}
