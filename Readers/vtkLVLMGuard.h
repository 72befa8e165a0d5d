// SPDX-License-Identifier: Apache-2.0
/// @file vtkLVLMGuard.h
/// No exception leaves a VTK method: runs the work of a request and turns what it throws into
/// vtkErrorMacro, empty outputs and, for readers and writers, an error code.
#ifndef vtkLVLMGuard_h
#define vtkLVLMGuard_h

#include "Models/Trace/Error.h"
#include "Models/Trace/Utf8.h"

#include "vtkAlgorithm.h"
#include "vtkDataObject.h"
#include "vtkErrorCode.h"
#include "vtkInformationVector.h"

#include <cerrno>
#include <exception>
#include <new>

namespace lvlm
{

inline void emptyOutputs(vtkInformationVector* outputs)
{
  for (int port = 0; outputs && port < outputs->GetNumberOfInformationObjects(); ++port)
  {
    if (vtkDataObject* data = vtkDataObject::GetData(outputs, port))
    {
      data->Initialize();
    }
  }
}

/// `outputs` may be null. 1 when `work` went through or was aborted by the user (outputs are empty
/// then), 0 on an error.
template <typename Work>
int guarded(vtkAlgorithm* self, vtkInformationVector* outputs, Work&& work)
{
  try
  {
    work();
    return 1;
  }
  catch (const Aborted&)
  {
    emptyOutputs(outputs);
    return 1;
  }
  catch (const std::bad_alloc&)
  {
    vtkErrorWithObjectMacro(self, "not enough memory");
  }
  catch (const std::exception& error)
  {
    // What a damaged file holds may be quoted: clients in Python want well-formed UTF-8.
    vtkErrorWithObjectMacro(self, << toValidUtf8(error.what()));
  }
  emptyOutputs(outputs);
  return 0;
}

/// As guarded(), for readers and writers: sets `code`, their ErrorCode. `missing` and `ofContent`
/// are its values for a path that is not there and for what the system has no part in. Not through
/// VTK's setter, which would count as a change of the algorithm, so that it runs again.
template <typename Work>
int guardedFile(vtkAlgorithm* self, vtkInformationVector* outputs, unsigned long& code,
  vtkErrorCode::ErrorIds missing, vtkErrorCode::ErrorIds ofContent, Work&& work)
{
  code = vtkErrorCode::UnknownError;
  return guarded(self, outputs,
    [&]
    {
      try
      {
        work();
        code = vtkErrorCode::NoError;
      }
      catch (const SystemError& error)
      {
        const int reason = error.reason();
        const bool full = reason == ENOSPC || reason == EDQUOT || reason == EFBIG;
        code = reason == ENOENT ? missing
          : full                ? vtkErrorCode::OutOfDiskSpaceError
                                : vtkErrorCode::CannotOpenFileError;
        throw;
      }
      catch (const Error&)
      {
        code = ofContent;
        throw;
      }
    });
}

/// Reports to the algorithm's observers and asks them whether to go on.
inline Progress progressOf(vtkAlgorithm* self)
{
  return [self](double fraction, const std::string& text)
  {
    self->SetProgressText(text.c_str());
    self->UpdateProgress(fraction);
    return !self->CheckAbort() && !self->GetAbortExecute();
  };
}

} // namespace lvlm

#endif
