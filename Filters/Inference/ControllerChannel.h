// SPDX-License-Identifier: Apache-2.0
/// @file ControllerChannel.h
/// The ranks of pvserver or pvbatch, as Models/Llava sees them.
#ifndef LVLM_INFERENCE_CONTROLLERCHANNEL_H
#define LVLM_INFERENCE_CONTROLLERCHANNEL_H

#include "Models/Ranks/RankChannel.h"

class vtkMultiProcessController;

namespace lvlm
{

class ControllerChannel : public ranks::RankChannel
{
public:
  /// The processes of the global controller; a single rank where there is none.
  ControllerChannel();

  int rank() const override;
  int size() const override;
  void send(int to, const void* data, std::size_t bytes) override;
  void receive(int from, void* data, std::size_t bytes) override;
  void broadcast(int root, void* data, std::size_t bytes) override;

private:
  vtkMultiProcessController* Controller; // outlives every filter
};

} // namespace lvlm

#endif
