// SPDX-License-Identifier: Apache-2.0
// A `.lvlm` trace. What is accepted must satisfy what every analysis relies on.
#include "FuzzInput.h"
#include "TouchTensors.h"

#include "Models/Trace/Lens.h"
#include "Models/Trace/Regions.h"
#include "Models/Trace/TraceFile.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
  const lvlm_fuzz::InputFile file(data, size);
  lvlm_fuzz::expectErrorAtMost(
    [&]
    {
      const lvlm::Trace trace = lvlm::readTrace(file.path());
      lvlm_fuzz::require(trace.promptLength > 0 && trace.answerLength() > 0);
      const lvlm::ImageMap image(trace);
      lvlm_fuzz::require(static_cast<std::int64_t>(image.cells()) == trace.grid.count() &&
        trace.grid.count() > 0 && image.first() >= 0 &&
        image.first() + image.count() <= trace.promptLength);
      for (const std::int64_t position : lvlm::patchPositions(trace))
      {
        lvlm_fuzz::require(trace.roles.at(static_cast<std::size_t>(position)) == lvlm::Role::Image);
      }
      const std::vector<float> row(static_cast<std::size_t>(image.count()), 1);
      std::vector<float> scratch;
      lvlm_fuzz::require(image.of(row, scratch).size() == image.cells());
      lvlm_fuzz::require(trace.roles.size() == trace.tokens.size());
      lvlm_fuzz::require(lvlm_fuzz::touch(trace.tensors) >= 0);
      if (trace.has(lvlm::tensor_name::HiddenLayers))
      {
        const lvlm::Indices layers = lvlm::lensLayers(trace, {});
        lvlm_fuzz::require(!layers.empty() &&
          (!trace.has(lvlm::tensor_name::LensId) ||
            lvlm::recordedLens(trace, layers, lvlm::answerIds(trace, {})).layers == layers));
      }
    });
  return 0;
}
