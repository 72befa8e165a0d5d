// SPDX-License-Identifier: Apache-2.0
#include "InferenceLibrary.h"

#include <dlfcn.h>

namespace lvlm
{

namespace
{
/// RTLD_LOCAL: what comes with LibTorch is for LibTorch alone. The run path of this library leads
/// to the file.
const llava::Library* loaded()
{
  void* const file = ::dlopen(LVLM_LLAVA_LIBRARY, RTLD_NOW | RTLD_LOCAL);
  void* const entry = file ? ::dlsym(file, "lvlmLlavaLibrary") : nullptr;
  if (!entry)
  {
    const char* const reason = ::dlerror();
    fail("inference cannot be loaded: ", reason ? reason : LVLM_LLAVA_LIBRARY);
  }
  return reinterpret_cast<decltype(&lvlmLlavaLibrary)>(entry)();
}
}

const llava::Library& inference()
{
  static const llava::Library* const library = loaded();
  return *library;
}

} // namespace lvlm
