// SPDX-License-Identifier: Apache-2.0
/// @file AlgorithmTeam.h
/// The processes of a vtkMultiProcessController as the ranks that run an algorithm together.
#ifndef LVLM_READERS_ALGORITHMTEAM_H
#define LVLM_READERS_ALGORITHMTEAM_H

#include "Models/Ranks/Team.h"

#include "lvlmReadersModule.h"

#include "vtkMultiProcessController.h"
#include "vtkSmartPointer.h"

class vtkAlgorithm;

namespace lvlm
{

class LVLMREADERS_EXPORT AlgorithmTeam : public ranks::Team
{
public:
  /// The processes of the global controller.
  explicit AlgorithmTeam(vtkAlgorithm* self);
  /// Tells the algorithm's executive how many they are. Without a controller: one rank alone.
  AlgorithmTeam(vtkAlgorithm* self, vtkMultiProcessController* controller);

  vtkMultiProcessController* controller() const { return this->Controller; }

private:
  vtkSmartPointer<vtkMultiProcessController> Controller;
};

/// For an algorithm's SetController().
LVLMREADERS_EXPORT void setController(
  vtkAlgorithm* self, std::unique_ptr<AlgorithmTeam>& team, vtkMultiProcessController* controller);

} // namespace lvlm

#endif
