// SPDX-License-Identifier: Apache-2.0
// The classes as any VTK program uses them, without ParaView's server manager: on several ranks,
// over a controller that is not the global one.
//
//   mpirun -np N PlainVTK TRACE
#include "Testing/Cpp/Check.h"

#include "Filters/Analysis/vtkLVLMAttentionMap.h"
#include "Filters/Analysis/vtkLVLMTokens.h"
#include "Readers/vtkLVLMTraceReader.h"
#include "Readers/vtkLVLMTraceWriter.h"
#ifdef LVLM_PICTURE
#include "Filters/Inference/vtkLLaVAInference.h"
#include "Readers/Picture/vtkLVLMPictureReader.h"
#endif

#include "vtkCallbackCommand.h"
#include "vtkCellData.h"
#include "vtkCommand.h"
#include "vtkDataArray.h"
#include "vtkDummyController.h"
#include "vtkImageData.h"
#include "vtkInformation.h"
#include "vtkMPIController.h"
#include "vtkMultiBlockDataSet.h"
#include "vtkNew.h"
#include "vtkObjectFactory.h"
#include "vtkPassInputTypeAlgorithm.h"
#include "vtkTable.h"

#include <filesystem>
#include <string>
#include <vector>

namespace
{
int rank = 0, ranks = 1;
vtkMultiProcessController* world = nullptr;

/// Hands its input on, and fails on one rank, as VTK's sources do: RequestData gives 0.
class FailingPass : public vtkPassInputTypeAlgorithm
{
public:
  static FailingPass* New();
  vtkTypeMacro(FailingPass, vtkPassInputTypeAlgorithm);

  void failOn(int bad)
  {
    this->Bad = bad;
    this->Modified();
  }

protected:
  int FillInputPortInformation(int, vtkInformation* info) override
  {
    info->Set(vtkAlgorithm::INPUT_REQUIRED_DATA_TYPE(), "vtkDataObject");
    return 1;
  }
  int RequestData(
    vtkInformation*, vtkInformationVector** inputs, vtkInformationVector* outputs) override
  {
    if (this->Bad == rank)
    {
      return 0;
    }
    vtkDataObject::GetData(outputs)->ShallowCopy(vtkDataObject::GetData(inputs[0]));
    return 1;
  }

private:
  int Bad = -1;
};
vtkStandardNewMacro(FailingPass);

/// What an algorithm reports while it is updated for the piece of this rank.
std::string reported(vtkAlgorithm* algorithm)
{
  std::string text;
  vtkNew<vtkCallbackCommand> listener;
  listener->SetClientData(&text);
  listener->SetCallback([](vtkObject*, unsigned long, void* into, void* message)
    { *static_cast<std::string*>(into) += static_cast<const char*>(message); });
  const auto tag = algorithm->AddObserver(vtkCommand::ErrorEvent, listener);
  if (auto* writer = vtkLVLMTraceWriter::SafeDownCast(algorithm))
  {
    CHECK((writer->Write() == 1) == text.empty());
  }
  else
  {
    algorithm->UpdatePiece(rank, ranks, 0);
  }
  algorithm->RemoveObserver(tag);
  return text;
}

bool quiet(const std::string& text)
{
  std::cerr << text;
  return text.empty();
}

bool has(const std::string& text, const std::string& needle)
{
  return text.find(needle) != std::string::npos;
}

template <typename Algorithm>
void useWorld(Algorithm& algorithm)
{
  algorithm->SetController(world);
  CHECK(algorithm->GetController() == world);
}

/// Each rank's piece against what one rank alone computes.
void testPieces(const char* path)
{
  vtkNew<vtkLVLMTraceReader> reader, aloneReader;
  vtkNew<vtkLVLMAttentionMap> map, alone;
  useWorld(reader);
  useWorld(map);
  reader->SetFileName(path);
  map->SetInputConnection(reader->GetOutputPort());
  CHECK(quiet(reported(map)));
  aloneReader->SetController(nullptr);
  alone->SetController(nullptr);
  aloneReader->SetFileName(path);
  alone->SetInputConnection(aloneReader->GetOutputPort());
  alone->Update();
  auto* piece = vtkImageData::SafeDownCast(map->GetOutputDataObject(0));
  auto* whole = vtkImageData::SafeDownCast(alone->GetOutputDataObject(0));
  CHECK(whole->GetNumberOfCells() == 12);
  CHECK(piece->GetNumberOfCells() < 12 && piece->GetNumberOfCells() > 0);
  vtkDataArray* values = piece->GetCellData()->GetArray("attention");
  vtkDataArray* patches = piece->GetCellData()->GetArray("patch");
  for (vtkIdType cell = 0; values && cell < values->GetNumberOfTuples(); ++cell)
  {
    vtkDataArray* all = whole->GetCellData()->GetArray("patch");
    vtkIdType same = 0;
    while (all->GetTuple1(same) != patches->GetTuple1(cell))
    {
      ++same;
    }
    CHECK(values->GetTuple1(cell) == whole->GetCellData()->GetArray("attention")->GetTuple1(same));
  }
}

/// A source that fails on one rank is an error on all, and then is none any more.
void testFailingTrace(const char* path, int bad)
{
  vtkNew<vtkLVLMTraceReader> reader;
  useWorld(reader);
  reader->SetFileName(path);
  vtkNew<FailingPass> source;
  source->SetInputConnection(reader->GetOutputPort());
  vtkNew<vtkLVLMTokens> tokens;
  vtkNew<vtkLVLMTraceWriter> writer;
  const std::string written = std::string(path) + ".written";
  writer->SetFileName(written.c_str());
  useWorld(tokens);
  useWorld(writer);
  const std::string expected = "rank " + std::to_string(bad) + " of " + std::to_string(ranks);
  for (vtkAlgorithm* algorithm : std::vector<vtkAlgorithm*>{ tokens.Get(), writer.Get() })
  {
    algorithm->SetInputConnection(source->GetOutputPort());
    source->failOn(bad);
    const std::string text = reported(algorithm);
    CHECK(has(text, expected) && has(text, "its source failed"));
    source->failOn(-1);
    CHECK(quiet(reported(algorithm)));
  }
  CHECK(vtkTable::SafeDownCast(tokens->GetOutputDataObject(0))->GetNumberOfRows() > 0 || rank > 0);
  world->Barrier();
  CHECK(std::filesystem::file_size(written) > 1000);
}

#ifdef LVLM_PICTURE
/// The picture is the first rank's: what its source does elsewhere does not matter.
void testFailingPicture(int bad)
{
  vtkNew<vtkLVLMPictureReader> reader;
  reader->SetFileName(LVLM_PICTURE);
  vtkNew<FailingPass> source;
  source->SetInputConnection(reader->GetOutputPort());
  vtkNew<vtkLLaVAInference> question;
  useWorld(question);
  question->SetModelDirectory(LVLM_MODEL);
  question->SetPrompt("What color is the star?");
  question->SetMaxNewTokens(2);
  question->SetThreads(1);
  question->SetInputConnection(source->GetOutputPort());
  source->failOn(bad);
  const std::string text = reported(question);
  CHECK(bad == 0 ? has(text, "there is no picture: its source failed") : quiet(text));
  source->failOn(-1);
  CHECK(quiet(reported(question)));
  CHECK(
    vtkMultiBlockDataSet::SafeDownCast(question->GetOutputDataObject(0))->GetNumberOfBlocks() > 3);
}
#endif
}

int main(int argc, char* argv[])
{
  vtkNew<vtkMPIController> controller;
  controller->Initialize(&argc, &argv);
  world = controller;
  rank = controller->GetLocalProcessId();
  ranks = controller->GetNumberOfProcesses();
  testPieces(argv[1]);
  for (const int bad : { 0, ranks - 1 })
  {
    testFailingTrace(argv[1], bad);
#ifdef LVLM_PICTURE
    testFailingPicture(bad);
#endif
  }
  const int result = lvlm_test::checkResult();
  controller->Finalize();
  return result;
}
