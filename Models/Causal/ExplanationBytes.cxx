// SPDX-License-Identifier: Apache-2.0
#include "ExplanationBytes.h"

#include "Models/Trace/Error.h"
#include "Models/Trace/Json.h"

namespace lvlm::causal
{

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(ExplanationNode, position, radius, weight, attention)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(ExplanationEdge, source, target, sourceMark, targetMark, pValue)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Separation, first, second, given, pValue)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(
  HeadExplanation, head, nodes, edges, separations, testsByOrder, explanationByRadius, importance)

std::string bytesOf(const std::vector<HeadExplanation>& explanations)
{
  std::string bytes;
  nlohmann::json::to_msgpack(explanations, bytes);
  return bytes;
}

std::vector<HeadExplanation> explanationsOf(const std::string& bytes)
{
  try
  {
    return nlohmann::json::from_msgpack(bytes).get<std::vector<HeadExplanation>>();
  }
  catch (const std::exception& error)
  {
    fail("explanations from another rank cannot be read: ", error.what());
  }
}

} // namespace lvlm::causal
