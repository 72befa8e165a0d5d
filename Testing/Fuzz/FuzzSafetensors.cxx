// SPDX-License-Identifier: Apache-2.0
// A safetensors file.
#include "FuzzInput.h"
#include "TouchTensors.h"

#include "Models/Trace/Safetensors.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
  const lvlm_fuzz::InputFile file(data, size);
  lvlm_fuzz::expectErrorAtMost(
    [&]
    {
      const lvlm::SafetensorsFile tensors(file.path());
      lvlm_fuzz::require(lvlm_fuzz::touch(tensors.tensors()) >= 0);
    });
  return 0;
}
