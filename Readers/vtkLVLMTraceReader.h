// SPDX-License-Identifier: Apache-2.0
/**
 * @class   vtkLVLMTraceReader
 * @brief   reads a recorded trace (`.lvlm`)
 *
 * Gives the same data object as LLaVA Inference, a vtkLVLMTrace. The file is memory-mapped:
 * opening costs nothing that grows with it, and a filter that looks at one layer reads one layer.
 * In a parallel run each rank has the attention of its own layers (contiguous, see
 * Models/Ranks/LayerShare.h); the picture and everything small is on all ranks.
 *
 * The tokens of the answer are the time steps 0..T-1; the data itself does not change with time.
 *
 * The error code tells a missing name or file, one that cannot be opened, and one that is no trace.
 */
#ifndef vtkLVLMTraceReader_h
#define vtkLVLMTraceReader_h

#include "lvlmReadersModule.h"

#include "vtkMultiBlockDataSetAlgorithm.h"
#include "vtkSmartPointer.h"

#include <memory>

class vtkMultiProcessController;

namespace lvlm
{
class AlgorithmTeam;
}

class vtkLVLMTrace;

class LVLMREADERS_EXPORT vtkLVLMTraceReader : public vtkMultiBlockDataSetAlgorithm
{
public:
  static vtkLVLMTraceReader* New();
  vtkTypeMacro(vtkLVLMTraceReader, vtkMultiBlockDataSetAlgorithm);
  void PrintSelf(ostream& os, vtkIndent indent) override;

  ///@{
  /** The file to read. */
  vtkSetFilePathMacro(FileName);
  vtkGetFilePathMacro(FileName);
  ///@}

  ///@{
  /** The processes that work together. Default: the global controller. */
  void SetController(vtkMultiProcessController* controller);
  vtkMultiProcessController* GetController();
  ///@}

  /// 1 when the file is a trace that can be opened.
  int CanReadFile(const char* fileName);

protected:
  vtkLVLMTraceReader();
  ~vtkLVLMTraceReader() override;

  int RequestDataObject(
    vtkInformation*, vtkInformationVector** inputs, vtkInformationVector* outputs) override;
  int RequestInformation(
    vtkInformation*, vtkInformationVector** inputs, vtkInformationVector* outputs) override;
  int RequestData(
    vtkInformation*, vtkInformationVector** inputs, vtkInformationVector* outputs) override;

  char* FileName = nullptr;

private:
  vtkLVLMTraceReader(const vtkLVLMTraceReader&) = delete;
  void operator=(const vtkLVLMTraceReader&) = delete;

  /// Opens the file, on all ranks together, unless what is open is still what the properties ask
  /// for. Throws lvlm::Error, the same on all ranks.
  void Open();
  void OpenHere();

  vtkSmartPointer<vtkLVLMTrace> Opened;
  std::unique_ptr<lvlm::AlgorithmTeam> Ranks;
  vtkTimeStamp OpenTime;
};

#endif
