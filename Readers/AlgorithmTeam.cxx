// SPDX-License-Identifier: Apache-2.0
#include "AlgorithmTeam.h"

#include "RankExecutive.h"

#include "vtkAlgorithm.h"
#include "vtkInformation.h"
#include "vtkInformationIntegerKey.h"

namespace lvlm
{

namespace
{
/// Of messages between two ranks; VTK and ParaView use others.
constexpr int Tag = 0x4c564c;

class ControllerChannel : public ranks::Channel
{
public:
  explicit ControllerChannel(vtkMultiProcessController* controller) : Controller(controller) {}

  int rank() const override { return this->Controller->GetLocalProcessId(); }
  int size() const override { return this->Controller->GetNumberOfProcesses(); }

  void send(int to, const void* data, std::size_t bytes) override
  {
    check(this->Controller->Send(static_cast<const char*>(data), toId(bytes), to, Tag));
  }
  void receive(int from, void* data, std::size_t bytes) override
  {
    check(this->Controller->Receive(static_cast<char*>(data), toId(bytes), from, Tag));
  }
  void broadcast(int root, void* data, std::size_t bytes) override
  {
    check(this->Controller->Broadcast(static_cast<char*>(data), toId(bytes), root));
  }

private:
  static vtkIdType toId(std::size_t bytes) { return static_cast<vtkIdType>(bytes); }
  static void check(int done)
  {
    if (!done)
    {
      fail("the connection between the ranks is broken");
    }
  }

  vtkSmartPointer<vtkMultiProcessController> Controller;
};
}

AlgorithmTeam::AlgorithmTeam(vtkAlgorithm* self)
  : AlgorithmTeam(self, vtkMultiProcessController::GetGlobalController())
{
}

AlgorithmTeam::AlgorithmTeam(vtkAlgorithm* self, vtkMultiProcessController* controller)
  : Team(controller ? std::make_unique<ControllerChannel>(controller) : nullptr),
    Controller(controller)
{
  self->GetInformation()->Set(ranksKey(), this->size());
}

void setController(
  vtkAlgorithm* self, std::unique_ptr<AlgorithmTeam>& team, vtkMultiProcessController* controller)
{
  if (controller != team->controller())
  {
    team = std::make_unique<AlgorithmTeam>(self, controller);
    self->Modified();
  }
}

} // namespace lvlm
