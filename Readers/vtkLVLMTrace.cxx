// SPDX-License-Identifier: Apache-2.0
#include "vtkLVLMTrace.h"

#include "TraceBlocks.h"

#include "Models/Trace/Error.h"

#include "vtkFieldData.h"
#include "vtkImageData.h"
#include "vtkInformation.h"
#include "vtkInformationObjectBaseKey.h"
#include "vtkInformationVector.h"
#include "vtkNew.h"
#include "vtkObjectFactory.h"
#include "vtkPointData.h"
#include "vtkStringArray.h"

#include <algorithm>

vtkStandardNewMacro(vtkLVLMTrace);

namespace
{
using SharedTrace = std::shared_ptr<const lvlm::Trace>;

/// The last change of anything that a trace is made from: the blocks, their names and their arrays.
/// VTK's composites and tables do not count the changes of what they hold.
vtkMTimeType contentTime(vtkMultiBlockDataSet* blocks)
{
  vtkMTimeType time = blocks->GetMTime();
  for (unsigned int b = 0; b < blocks->GetNumberOfBlocks(); ++b)
  {
    if (blocks->HasMetaData(b))
    {
      time = std::max(time, blocks->GetMetaData(b)->GetMTime());
    }
    if (vtkDataObject* block = blocks->GetBlock(b))
    {
      time = std::max(time, block->GetMTime());
      for (int type = 0; type < vtkDataObject::NUMBER_OF_ATTRIBUTE_TYPES; ++type)
      {
        vtkFieldData* arrays = block->GetAttributesAsFieldData(type);
        time = arrays ? std::max(time, arrays->GetMTime()) : time;
      }
    }
  }
  return time;
}

/// A trace and what blocks it belongs to. It lies in the information of the data object that has
/// these blocks, and goes with it.
class RememberedTrace : public vtkObject
{
public:
  static RememberedTrace* New();
  vtkTypeMacro(RememberedTrace, vtkObject);

  SharedTrace Trace;
  vtkMTimeType Time = 0;
};
vtkStandardNewMacro(RememberedTrace);

vtkInformationObjectBaseKey* traceKey()
{
  static auto* key = vtkInformationObjectBaseKey::MakeKey("TRACE", "vtkLVLMTrace");
  return key;
}

void forget(vtkDataObject* data)
{
  data->GetInformation()->Remove(traceKey());
}

void remember(vtkMultiBlockDataSet* blocks, const SharedTrace& trace)
{
  vtkNew<RememberedTrace> remembered;
  remembered->Trace = trace;
  remembered->Time = contentTime(blocks);
  blocks->GetInformation()->Set(traceKey(), remembered);
}

/// nullptr when there is none, or the blocks have changed since.
SharedTrace recall(vtkDataObject* data)
{
  auto* blocks = vtkMultiBlockDataSet::SafeDownCast(data);
  auto* remembered =
    blocks ? RememberedTrace::SafeDownCast(blocks->GetInformation()->Get(traceKey())) : nullptr;
  return remembered && remembered->Time == contentTime(blocks) ? remembered->Trace : nullptr;
}
}

void vtkLVLMTrace::SetTrace(const SharedTrace& trace)
{
  this->Initialize();
  lvlm::blocksFromTrace(*trace, this);
  remember(this, trace);
}

bool vtkLVLMTrace::IsTrace(vtkDataObject* data)
{
  auto* format = vtkMultiBlockDataSet::SafeDownCast(data)
    ? vtkStringArray::SafeDownCast(data->GetFieldData()->GetAbstractArray("format"))
    : nullptr;
  return format && format->GetNumberOfValues() == 1 &&
    format->GetValue(0) == lvlm::trace_blocks::Format;
}

SharedTrace vtkLVLMTrace::TraceOf(vtkDataObject* data)
{
  SharedTrace trace = recall(data);
  if (!trace)
  {
    auto* own = vtkLVLMTrace::SafeDownCast(data);
    if (own && own->GetNumberOfBlocks() == 0)
    {
      lvlm::fail("there is no trace: its source failed");
    }
    if (!IsTrace(data))
    {
      lvlm::fail("the input, a ", data ? data->GetClassName() : "null pointer",
        ", is not an LVLM trace (what LLaVA Inference and LVLM Trace Reader give)");
    }
    auto* blocks = vtkMultiBlockDataSet::SafeDownCast(data);
    trace = std::make_shared<const lvlm::Trace>(lvlm::traceFromBlocks(blocks));
    remember(blocks, trace);
  }
  return trace;
}

vtkImageData* vtkLVLMTrace::PictureOf(vtkDataObject* data, std::int64_t image)
{
  return IsTrace(data)
    ? lvlm::trace_blocks::findPicture(vtkMultiBlockDataSet::SafeDownCast(data), image)
    : nullptr;
}

int vtkLVLMTrace::MakeOutput(vtkInformationVector* outputs, int port)
{
  vtkInformation* outInfo = outputs->GetInformationObject(port);
  if (!vtkLVLMTrace::SafeDownCast(outInfo->Get(vtkDataObject::DATA_OBJECT())))
  {
    vtkNew<vtkLVLMTrace> output;
    outInfo->Set(vtkDataObject::DATA_OBJECT(), output);
  }
  return 1;
}

void vtkLVLMTrace::ShallowCopy(vtkDataObject* source)
{
  const SharedTrace trace = recall(source);
  forget(this);
  this->Superclass::ShallowCopy(source);
  if (trace)
  {
    remember(this, trace);
  }
}

void vtkLVLMTrace::CompositeShallowCopy(vtkCompositeDataSet* source)
{
  const SharedTrace trace = recall(source);
  forget(this);
  this->Superclass::CompositeShallowCopy(source);
  if (trace)
  {
    remember(this, trace);
  }
}

void vtkLVLMTrace::DeepCopy(vtkDataObject* source)
{
  forget(this);
  this->Superclass::DeepCopy(source);
}

void vtkLVLMTrace::CopyStructure(vtkCompositeDataSet* source)
{
  forget(this);
  this->Superclass::CopyStructure(source);
}

void vtkLVLMTrace::Initialize()
{
  forget(this);
  this->Superclass::Initialize();
}

unsigned long vtkLVLMTrace::GetActualMemorySize()
{
  const SharedTrace trace = recall(this);
  const bool picture = trace && trace->has(lvlm::tensor_name::Image);
  return this->Superclass::GetActualMemorySize() +
    (picture ? (trace->tensor(lvlm::tensor_name::Image).bytes() + 1023) / 1024 : 0);
}
