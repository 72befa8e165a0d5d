// SPDX-License-Identifier: Apache-2.0
/**
 * @class   vtkLVLMTraceWriter
 * @brief   writes a trace (`.lvlm`)
 *
 * Input: what LLaVA Inference or LVLM Trace Reader give. Every tensor is written in the type that
 * it is stored in. In a parallel run rank 0 writes what all ranks have: the file is that of one
 * rank. It appears under its name only once it is complete. The error code tells a missing name, a
 * place that cannot be written to, a full disk, and (UnknownError) an input that is no trace.
 */
#ifndef vtkLVLMTraceWriter_h
#define vtkLVLMTraceWriter_h

#include "lvlmReadersModule.h"

#include "vtkWriter.h"

#include <memory>

class vtkMultiProcessController;

namespace lvlm
{
class AlgorithmTeam;
}

class LVLMREADERS_EXPORT vtkLVLMTraceWriter : public vtkWriter
{
public:
  static vtkLVLMTraceWriter* New();
  vtkTypeMacro(vtkLVLMTraceWriter, vtkWriter);
  void PrintSelf(ostream& os, vtkIndent indent) override;

  ///@{
  /** The file to write. */
  vtkSetFilePathMacro(FileName);
  vtkGetFilePathMacro(FileName);
  ///@}

  ///@{
  /** The processes that work together. Default: the global controller. */
  void SetController(vtkMultiProcessController* controller);
  vtkMultiProcessController* GetController();
  ///@}

  vtkTypeBool ProcessRequest(
    vtkInformation*, vtkInformationVector** inputs, vtkInformationVector* outputs) override;

protected:
  vtkLVLMTraceWriter();
  ~vtkLVLMTraceWriter() override;

  int FillInputPortInformation(int port, vtkInformation* info) override;
  vtkExecutive* CreateDefaultExecutive() override;
  void WriteData() override;

  char* FileName = nullptr;

private:
  vtkLVLMTraceWriter(const vtkLVLMTraceWriter&) = delete;
  void operator=(const vtkLVLMTraceWriter&) = delete;

  std::unique_ptr<lvlm::AlgorithmTeam> Ranks;
};

#endif
