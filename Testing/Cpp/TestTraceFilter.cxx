// SPDX-License-Identifier: Apache-2.0
// The trace that a source makes is the one that a filter gets, and a filter learns its shape
// without running the source.
#pragma GCC diagnostic ignored "-Wpedantic" // VTK's type macros end in a semicolon
#include "Check.h"
#include "TempFolder.h"

#include "Filters/Common/vtkLVLMTraceFilter.h"
#include "Models/Trace/TraceFile.h"
#include "Readers/vtkLVLMTrace.h"
#include "Readers/vtkLVLMTraceReader.h"
#include "Readers/vtkLVLMTraceWriter.h"

#include "vtkCommand.h"
#include "vtkErrorCode.h"
#include "vtkExecutive.h"
#include "vtkInformation.h"
#include "vtkNew.h"
#include "vtkObjectFactory.h"
#include "vtkPassThrough.h"
#include "vtkTable.h"
#include "vtkTrivialProducer.h"

#include <csignal>

#include <sys/resource.h>

namespace
{
namespace tn = lvlm::tensor_name;

/// Notes what it is given.
class Probe : public vtkLVLMTraceFilter
{
public:
  static Probe* New();
  vtkTypeMacro(Probe, vtkLVLMTraceFilter);

  std::vector<const lvlm::Trace*> Seen;

protected:
  int FillOutputPortInformation(int, vtkInformation* info) override
  {
    info->Set(vtkDataObject::DATA_TYPE_NAME(), "vtkTable");
    return 1;
  }
  void Compute(const lvlm::Trace& trace, vtkDataObject*, vtkInformationVector**,
    vtkInformationVector*) override
  {
    this->Seen.push_back(&trace);
  }
};
vtkStandardNewMacro(Probe);

std::string writeSmallTrace(const std::string& folder)
{
  using lvlm::Role;
  lvlm::Trace trace;
  trace.roles = { Role::Image, Role::Image, Role::Question, Role::Answer };
  trace.tokens = { "<image>", "<image>", "a", "b" };
  trace.promptLength = 3;
  trace.grid = { 1, 2 };
  trace.layerTotal = 1;
  trace.tensors[tn::TokenId] = lvlm::Tensor::of<std::int64_t>({ 1, 1, 2, 3 }, { 4 });
  trace.tensors[tn::Image] = lvlm::Tensor::of(std::vector<std::uint8_t>(2 * 4 * 3, 9), { 2, 4, 3 });
  trace.tensors[tn::AttentionAnswer] =
    lvlm::Tensor::of(std::vector<float>(2 * 3, 0.5f), { 1, 2, 1, 3 });
  const std::string path = folder + "/small.lvlm";
  lvlm::writeTrace(path, trace);
  return path;
}

void testOneTrace(const std::string& path)
{
  vtkNew<vtkLVLMTraceReader> reader;
  reader->SetFileName(path.c_str());
  vtkNew<Probe> probe, other, behind;
  probe->SetInputConnection(reader->GetOutputPort());
  probe->UpdateInformation();
  CHECK(probe->GetHeadRange()[0] == -2 && probe->GetHeadRange()[1] == 1);
  CHECK(probe->GetPatchRange()[1] == 1);
  auto* output = vtkLVLMTrace::SafeDownCast(reader->GetOutputDataObject(0));
  CHECK(output && output->GetNumberOfBlocks() == 0); // the shape was announced

  probe->Update();
  const auto trace = vtkLVLMTrace::TraceOf(output);
  CHECK(probe->Seen == std::vector<const lvlm::Trace*>{ trace.get() });
  CHECK(probe->GetTokenTable()->GetValue(3) == "b"); // 2 columns, their names, their values
  other->SetInputConnection(reader->GetOutputPort());
  other->Update();
  probe->Modified();
  probe->Update();
  vtkNew<vtkPassThrough> pass; // copies, as ParaView does between any two filters
  pass->SetInputConnection(reader->GetOutputPort());
  behind->SetInputConnection(pass->GetOutputPort());
  behind->Update();
  CHECK(probe->Seen == std::vector<const lvlm::Trace*>(2, trace.get()));
  CHECK(other->Seen == std::vector<const lvlm::Trace*>{ trace.get() });
  CHECK(behind->Seen == std::vector<const lvlm::Trace*>{ trace.get() });
  CHECK(output->GetActualMemorySize() > 0);
}

/// Nothing announces what is in such blocks: their shape is known once their source has run.
void testForeignSource(const std::string& path)
{
  vtkNew<vtkLVLMTraceReader> reader;
  reader->SetFileName(path.c_str());
  reader->Update();
  vtkNew<vtkMultiBlockDataSet> blocks;
  blocks->ShallowCopy(reader->GetOutputDataObject(0));
  vtkNew<vtkTrivialProducer> producer;
  producer->SetOutput(blocks);
  vtkNew<Probe> probe, other;
  probe->SetInputConnection(producer->GetOutputPort());
  probe->UpdateInformation();
  CHECK(probe->GetHeadRange()[1] == 1);
  probe->Update();
  other->SetInputConnection(producer->GetOutputPort());
  other->Update();
  CHECK(probe->Seen.size() == 1 && other->Seen == probe->Seen); // converted once
  CHECK(probe->Seen.at(0) == vtkLVLMTrace::TraceOf(blocks).get());
}

/// Swallows what vtkErrorMacro would print.
class Quiet : public vtkCommand
{
public:
  static Quiet* New() { return new Quiet; }
  void Execute(vtkObject*, unsigned long, void*) override {}
};

unsigned long readingCode(const char* path)
{
  vtkNew<vtkLVLMTraceReader> reader;
  vtkNew<Quiet> quiet;
  reader->AddObserver(vtkCommand::ErrorEvent, quiet);
  reader->GetExecutive()->AddObserver(vtkCommand::ErrorEvent, quiet);
  reader->SetFileName(path);
  reader->Update();
  const vtkMTimeType time = reader->GetMTime();
  reader->Update();
  CHECK(reader->GetMTime() == time); // a code is no change
  return reader->GetErrorCode();
}

unsigned long writingCode(const char* path, vtkDataObject* data)
{
  vtkNew<vtkLVLMTraceWriter> writer;
  vtkNew<Quiet> quiet;
  writer->AddObserver(vtkCommand::ErrorEvent, quiet);
  writer->SetInputDataObject(data);
  writer->SetFileName(path);
  CHECK(writer->Write() == (writer->GetErrorCode() == vtkErrorCode::NoError ? 1 : 0));
  return writer->GetErrorCode();
}

void testErrorCodes(const lvlm_test::TempFolder& temp, const std::string& path)
{
  const std::string folder = temp.path();
  CHECK(readingCode(path.c_str()) == vtkErrorCode::NoError);
  CHECK(readingCode(nullptr) == vtkErrorCode::NoFileNameError);
  CHECK(readingCode((folder + "/none.lvlm").c_str()) == vtkErrorCode::FileNotFoundError);
  CHECK(
    readingCode(temp.write("other", "no trace at all").c_str()) == vtkErrorCode::FileFormatError);

  vtkNew<vtkLVLMTraceReader> reader;
  reader->SetFileName(path.c_str());
  reader->Update();
  vtkDataObject* data = reader->GetOutputDataObject(0);
  CHECK(writingCode((folder + "/copy.lvlm").c_str(), data) == vtkErrorCode::NoError);
  CHECK(lvlm::readTrace(folder + "/copy.lvlm").has(tn::Image));
  CHECK(writingCode(nullptr, data) == vtkErrorCode::NoFileNameError);
  CHECK(
    writingCode((folder + "/none/copy.lvlm").c_str(), data) == vtkErrorCode::CannotOpenFileError);
  CHECK(writingCode((path + "/copy.lvlm").c_str(), data) == vtkErrorCode::CannotOpenFileError);
  struct rlimit limit, small;
  CHECK(::getrlimit(RLIMIT_FSIZE, &limit) == 0);
  small = limit;
  small.rlim_cur = 64; // bytes: a full disk
  std::signal(SIGXFSZ, SIG_IGN);
  CHECK(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  CHECK(writingCode((folder + "/full.lvlm").c_str(), data) == vtkErrorCode::OutOfDiskSpaceError);
  ::setrlimit(RLIMIT_FSIZE, &limit);
  vtkNew<vtkMultiBlockDataSet> other;
  CHECK(writingCode((folder + "/other.lvlm").c_str(), other) == vtkErrorCode::UnknownError);
}
}

int main()
{
  const lvlm_test::TempFolder folder;
  const std::string path = writeSmallTrace(folder.path());
  testOneTrace(path);
  testForeignSource(path);
  testErrorCodes(folder, path);
  return lvlm_test::checkResult();
}
