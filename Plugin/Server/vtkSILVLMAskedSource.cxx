// SPDX-License-Identifier: Apache-2.0
#include "vtkSILVLMAskedSource.h"

#include "vtkAlgorithm.h"
#include "vtkClientSocket.h"
#include "vtkCommand.h"
#include "vtkLogger.h"
#include "vtkMultiProcessController.h"
#include "vtkObjectFactory.h"
#include "vtkPVSession.h"
#include "vtkProcessModule.h"
#include "vtkSocketCommunicator.h"

#include <poll.h>

vtkStandardNewMacro(vtkSILVLMAskedSource);

namespace
{
/// The connection to the client whose request is being served; null where there is none: in a
/// session without a server, and on all ranks but the first, which stop with it.
vtkClientSocket* connectionToClient()
{
  vtkProcessModule* module = vtkProcessModule::GetProcessModule();
  auto* session = vtkPVSession::SafeDownCast(module ? module->GetSession() : nullptr);
  vtkMultiProcessController* client =
    session ? session->GetController(vtkPVSession::CLIENT) : nullptr;
  auto* communicator =
    vtkSocketCommunicator::SafeDownCast(client ? client->GetCommunicator() : nullptr);
  return communicator ? communicator->GetSocket() : nullptr;
}

/// Whether the other end has closed the connection, even if requests of it wait to be read.
bool isClosed(vtkClientSocket* connection)
{
  pollfd state = { connection->GetSocketDescriptor(), POLLRDHUP, 0 };
  return !connection->GetConnected() || poll(&state, 1, 0) > 0;
}
}

vtkSILVLMAskedSource::vtkSILVLMAskedSource() = default;
vtkSILVLMAskedSource::~vtkSILVLMAskedSource() = default;

void vtkSILVLMAskedSource::OnCreateVTKObjects()
{
  this->Superclass::OnCreateVTKObjects();
  if (auto* algorithm = vtkAlgorithm::SafeDownCast(this->GetVTKObject()))
  {
    algorithm->AddObserver(vtkCommand::ProgressEvent, this, &vtkSILVLMAskedSource::OnProgress);
  }
}

void vtkSILVLMAskedSource::OnProgress(vtkObject* algorithm, unsigned long, void*)
{
  vtkClientSocket* connection = connectionToClient();
  auto* asked = static_cast<vtkAlgorithm*>(algorithm);
  if (connection && isClosed(connection) && !asked->GetAbortExecute())
  {
    vtkLog(WARNING, "The client has gone: its work is stopped.");
    asked->SetAbortExecute(1);
  }
}

void vtkSILVLMAskedSource::PrintSelf(ostream& os, vtkIndent indent)
{
  this->Superclass::PrintSelf(os, indent);
}
