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
#include <string_view>
#include <sys/socket.h>

vtkStandardNewMacro(vtkSILVLMAskedSource);

namespace
{
/// Of the client whose request is being served; null where there is none: in a session without a
/// server, and on all ranks but the first, which stop with it.
vtkMultiProcessController* controllerOfClient()
{
  vtkProcessModule* module = vtkProcessModule::GetProcessModule();
  auto* session = vtkPVSession::SafeDownCast(module ? module->GetSession() : nullptr);
  return session ? session->GetController(vtkPVSession::CLIENT) : nullptr;
}

/// The connection to that client, or null.
vtkClientSocket* connectionToClient()
{
  vtkMultiProcessController* client = controllerOfClient();
  auto* communicator =
    vtkSocketCommunicator::SafeDownCast(client ? client->GetCommunicator() : nullptr);
  return communicator ? communicator->GetSocket() : nullptr;
}

/// What a client sends that wants its work stopped: a message of ParaView's (an RMI) with this tag
/// and text. Plugin/Web/lvlm_web/work.py sends it.
constexpr int StopTag = 720151;
constexpr std::string_view StopText = "\x01LVLM Interpret: stop what runs for this client\x02";

/// While the work runs nobody reads what the client sends, so the message is looked for among what
/// waits.
bool isStopped(vtkClientSocket* connection)
{
  static char waiting[1 << 16];
  const ssize_t count =
    recv(connection->GetSocketDescriptor(), waiting, sizeof waiting, MSG_PEEK | MSG_DONTWAIT);
  return count > 0 && std::string_view(waiting, count).find(StopText) != std::string_view::npos;
}

/// It is read when the work has ended, and has had its effect then.
void readStop(void*, void*, int, int) {}

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
  if (vtkMultiProcessController* client = controllerOfClient())
  {
    client->AddRMI(readStop, nullptr, StopTag);
  }
}

void vtkSILVLMAskedSource::OnProgress(vtkObject* algorithm, unsigned long, void*)
{
  vtkClientSocket* connection = connectionToClient();
  auto* asked = static_cast<vtkAlgorithm*>(algorithm);
  if (!connection || asked->GetAbortExecute())
  {
    return;
  }
  if (isClosed(connection))
  {
    vtkLog(WARNING, "The client has gone: its work is stopped.");
    asked->SetAbortExecute(1);
  }
  else if (isStopped(connection))
  {
    asked->SetAbortExecute(1);
  }
}

void vtkSILVLMAskedSource::PrintSelf(ostream& os, vtkIndent indent)
{
  this->Superclass::PrintSelf(os, indent);
}
