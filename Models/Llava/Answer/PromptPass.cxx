// SPDX-License-Identifier: Apache-2.0
#include "PromptPass.h"

#include "Models/Llava/Network/TorchTensors.h"
#include "Models/Llava/Runtime.h"
#include "Models/Trace/ByteText.h"

#include <algorithm>
#include <utility>

namespace lvlm::llava
{

PromptPass::PromptPass(const LlavaModel& model, Prompt prompt, const Question& capture,
  std::vector<picture::SeenPicture> pictures, ranks::Team& team)
  : Model(model.impl()), Team(team), Input(std::move(prompt)), Asked(capture),
    Seen(std::move(pictures))
{
  this->Asked.maxNewTokens = 1;
  this->checkMemory(model);
  this->Steps.emplace(this->Model, this->Asked, this->Input);
}

void PromptPass::checkMemory(const LlavaModel& model) const
{
  const auto positions = static_cast<std::int64_t>(this->Input.ids.size());
  const std::size_t needed = model.cost(this->Asked, positions).total();
  if (const std::size_t available = availableMemory(this->Team.size()); needed > available)
  {
    fail("reading ", positions, " positions once more needs up to ", byteText(needed),
      " of memory, ", byteText(available), " are available");
  }
}

void PromptPass::run(const std::string& what, const Progress& progress)
{
  const auto workers =
    static_cast<int>(std::min<std::int64_t>(this->Team.size(), this->Model.decoder.layers()));
  this->Team.pass(
    ranks::Direction::Forwards, workers,
    [&](const ranks::Message& given, const Progress& own)
    {
      const Pulse::Scope scope(this->Steps->pulse(), own);
      return translated([&] { return this->turn(given, what, scope.progress()); });
    },
    progress);
}

ranks::Message PromptPass::turn(
  const ranks::Message& given, const std::string& what, const Progress& progress)
{
  const Decoder& decoder = this->Model.decoder;
  const at::Tensor entering = decoder.hasFirst()
    ? this->Steps->embedPrompt(this->Seen, part(progress, 0, 0.5))
    : received(given.tensors.at(0), { this->Steps->promptLength(), decoder.config().hidden },
        this->Steps->tensorOptions());                                                     // [P, D]
  const at::Tensor hidden = this->Steps->layers(entering, part(progress, 0.5, 0.5), what); // [P, D]
  if (!decoder.hasLast())
  {
    return { {}, { fromTorch(hidden) } };
  }
  this->Last = hidden.narrow(0, hidden.size(0) - 1, 1).clone();
  return {};
}

double PromptPass::logprob(std::int64_t token)
{
  const at::Tensor logits = this->Steps->logits(this->Last).to(at::kDouble); // [V]
  return at::log_softmax(logits, 0)[token].item<double>();
}

} // namespace lvlm::llava
