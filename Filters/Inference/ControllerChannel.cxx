// SPDX-License-Identifier: Apache-2.0
#include "ControllerChannel.h"

#include "Models/Trace/Error.h"

#include "vtkMultiProcessController.h"

namespace lvlm
{

namespace
{
/// Of all messages here; VTK and ParaView use others.
constexpr int Tag = 0x4c564c;

void check(int done, const char* what, int rank)
{
  if (!done)
  {
    fail("the connection between the ranks is broken: ", what, " rank ", rank, " failed");
  }
}
}

ControllerChannel::ControllerChannel()
  : Controller(vtkMultiProcessController::GetGlobalController())
{
}

int ControllerChannel::rank() const
{
  return this->Controller ? this->Controller->GetLocalProcessId() : 0;
}

int ControllerChannel::size() const
{
  return this->Controller ? this->Controller->GetNumberOfProcesses() : 1;
}

void ControllerChannel::send(int to, const void* data, std::size_t bytes)
{
  check(
    this->Controller->Send(static_cast<const char*>(data), static_cast<vtkIdType>(bytes), to, Tag),
    "sending to", to);
}

void ControllerChannel::receive(int from, void* data, std::size_t bytes)
{
  check(
    this->Controller->Receive(static_cast<char*>(data), static_cast<vtkIdType>(bytes), from, Tag),
    "receiving from", from);
}

void ControllerChannel::broadcast(int root, void* data, std::size_t bytes)
{
  check(this->Controller->Broadcast(static_cast<char*>(data), static_cast<vtkIdType>(bytes), root),
    "a broadcast of", root);
}

} // namespace lvlm
