// SPDX-License-Identifier: Apache-2.0
/**
 * @class vtkSILVLMAskedSource
 * @brief server side of a source that may run long: it stops when the client that asked wants it
 * to, or is gone
 *
 * ParaView (5.11 to 6.1) has no message by which a client could abort what a server does, and a
 * server does not notice that its client is gone before it has done its work. This looks at the
 * connection whenever the algorithm reports progress, and aborts the algorithm once the connection
 * is closed, or a message of our own waits there: a question, relevancy, a causal graph.
 * Other clients of the server (--multi-clients) can go on then, and a server that served no other
 * one ends instead of computing what nobody waits for.
 *
 * A class of the server manager's, since only that sees both: filters know VTK alone and nothing of
 * sessions or sockets, and a property could not act while the filter runs. Where there is no
 * connection to a client (one process, or the ranks behind the first) it does nothing.
 */
#ifndef vtkSILVLMAskedSource_h
#define vtkSILVLMAskedSource_h

#include "lvlmServerModule.h"

#include "vtkSISourceProxy.h"

class vtkObject;

class LVLMSERVER_EXPORT vtkSILVLMAskedSource : public vtkSISourceProxy
{
public:
  static vtkSILVLMAskedSource* New();
  vtkTypeMacro(vtkSILVLMAskedSource, vtkSISourceProxy);
  void PrintSelf(ostream& os, vtkIndent indent) override;

protected:
  vtkSILVLMAskedSource();
  ~vtkSILVLMAskedSource() override;

  void OnCreateVTKObjects() override;

private:
  vtkSILVLMAskedSource(const vtkSILVLMAskedSource&) = delete;
  void operator=(const vtkSILVLMAskedSource&) = delete;

  void OnProgress(vtkObject* algorithm, unsigned long, void*);
};

#endif
