// SPDX-License-Identifier: Apache-2.0
#include "HeadTexts.h"

#include <algorithm>

namespace lvlm
{

std::string rankingText(HeadRanking ranking, std::size_t heads)
{
  const std::string s = heads == 1 ? "s" : "";
  switch (ranking)
  {
    case HeadRanking::ImageShare:
      return "which look" + s + " at the picture most";
    case HeadRanking::Entropy:
      return "which look" + s + " at the fewest patches";
    case HeadRanking::ColumnScore:
      return "which hang" + s + " most on one word of the answer";
    default:
      return "which localize" + s + " best";
  }
}

std::string namesOf(const std::vector<HeadPlace>& places)
{
  constexpr std::size_t Most = 6; // in a caption's line
  std::string names;
  for (std::size_t i = 0; i < std::min(Most, places.size()); ++i)
  {
    names += (i == 0 ? "L" : ", L") + std::to_string(places[i].layer) + " H" +
      std::to_string(places[i].head);
  }
  return names + (places.size() > Most ? " ..." : "");
}

std::string headsText(
  const std::vector<HeadPlace>& shown, const std::string& reduced, const std::string& best)
{
  if (shown.size() == 1)
  {
    return "layer " + std::to_string(shown[0].layer) + ", head " + std::to_string(shown[0].head) +
      (best.empty() ? "" : ", " + best);
  }
  const std::string what = "the " + reduced + " of ";
  if (!best.empty())
  {
    return what + "the " + std::to_string(shown.size()) + " heads " + best + ": " + namesOf(shown);
  }
  const auto heads = std::count_if(shown.begin(), shown.end(),
    [&](const HeadPlace& place) { return place.layer == shown[0].layer; });
  return what + std::to_string(static_cast<std::int64_t>(shown.size()) / heads) + " layers x " +
    std::to_string(heads) + " heads";
}

} // namespace lvlm
