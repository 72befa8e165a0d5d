// SPDX-License-Identifier: Apache-2.0
#include "GradientRelevancy.h"

namespace lvlm
{

namespace
{
MakeGradientRelevancy& registered()
{
  static MakeGradientRelevancy make = nullptr; // in a function: registered before main() starts
  return make;
}
}

void registerGradientRelevancy(MakeGradientRelevancy make)
{
  registered() = make;
}

std::unique_ptr<GradientRelevancy> makeGradientRelevancy()
{
  if (!registered())
  {
    fail("this build of the plugin has no inference (LVLM_ENABLE_INFERENCE=OFF), so it cannot "
         "compute gradients: choose a rollout method, or a trace that carries relevancy.*");
  }
  return registered()();
}

} // namespace lvlm
