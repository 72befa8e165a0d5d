// SPDX-License-Identifier: Apache-2.0
/// @file WholeSequence.h
/// The decoder on a whole sequence at once, without a cache: the layers that generation runs, with
/// every attention matrix in reach and in the compute type. Includes Torch.
#ifndef LVLM_TESTING_WHOLESEQUENCE_H
#define LVLM_TESTING_WHOLESEQUENCE_H

#include "Models/Llava/Network/LlavaModelImpl.h"

#include <algorithm>
#include <vector>

namespace lvlm_test
{
/// Ids [S], of which those from `imageStart` on stand for the image tokens [patches, D] -> hidden
/// states [S, D].
inline at::Tensor runDecoder(const lvlm::llava::LlavaModel::Impl& model,
  std::vector<std::int64_t> ids, std::int64_t imageStart, const at::Tensor& image,
  lvlm::llava::Workspace& buffers, const lvlm::llava::VisionTower::LayerTap& tap)
{
  std::fill_n(ids.begin() + imageStart, image.size(0), 0);
  at::Tensor hidden = model.decoder.embed(ids); // [S, D]
  hidden.narrow(0, imageStart, image.size(0)).copy_(image);
  const lvlm::llava::Rope rope = model.decoder.rope(0, hidden.size(0));
  for (std::int64_t layer = 0; layer < model.decoder.layers(); ++layer)
  {
    hidden = model.decoder.layer(layer).forward(hidden, rope, 0, nullptr, buffers,
      [&](std::int64_t head, std::int64_t query, const at::Tensor& a)
      { return tap(layer, head, query, a); });
  }
  return hidden;
}
} // namespace lvlm_test

#endif
