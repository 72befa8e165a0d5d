// SPDX-License-Identifier: Apache-2.0
// model.safetensors.index.json, beside one good shard `a.safetensors`. Nothing outside of the
// folder may be opened: the shard `../secret.safetensors` is there and must stay unread.
#include "FuzzInput.h"

#include "Models/Checkpoint/Checkpoint.h"
#include "Models/Trace/Safetensors.h"

#include <filesystem>
#include <fstream>

namespace
{
/// A temporary folder for the life of the process.
class Folder
{
public:
  Folder()
  {
    std::string pattern = (std::filesystem::temp_directory_path() / "lvlm-fuzz-XXXXXX").string();
    lvlm_fuzz::require(::mkdtemp(pattern.data()) != nullptr);
    this->Root = pattern;
    std::filesystem::create_directory(this->model());
    const std::vector<float> values{ 1, 2 };
    lvlm::writeSafetensors(this->model() + "/a.safetensors",
      { { "lm_head.weight", lvlm::Tensor::of(values, { 2 }) } }, {});
    lvlm::writeSafetensors(
      this->Root + "/secret.safetensors", { { "secret", lvlm::Tensor::of(values, { 2 }) } }, {});
  }
  ~Folder() { std::filesystem::remove_all(this->Root); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  std::string model() const { return this->Root + "/model"; }

private:
  std::string Root;
};
}

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
  static const Folder folder;
  std::ofstream(
    folder.model() + "/model.safetensors.index.json", std::ios::binary | std::ios::trunc)
    << lvlm_fuzz::textOf(data, size);
  lvlm_fuzz::expectErrorAtMost(
    [&]
    {
      const lvlm::checkpoint::Checkpoint checkpoint(folder.model());
      lvlm_fuzz::require(!checkpoint.has("secret"));
    });
  return 0;
}
