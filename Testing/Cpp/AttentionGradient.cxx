// SPDX-License-Identifier: Apache-2.0
#include "AttentionGradient.h"

#include "Models/Llava/Relevancy/RelevancySweep.h"

namespace lvlm_test
{
using namespace lvlm;
using namespace lvlm::llava;

namespace
{
template <typename Real>
Tensor copied(const at::Tensor& tensor)
{
  const at::Tensor flat = tensor.to(at::kCPU).contiguous();
  const Real* data = flat.data_ptr<Real>();
  return Tensor::of(std::vector<Real>(data, data + flat.numel()), flat.sizes().vec());
}
}

Tensor attentionGradient(const LlavaModel& model, const Trace& trace, std::int64_t token,
  std::int64_t layer, bool visionTower)
{
  const at::NoGradGuard guard;
  const checkpoint::LlavaConfig& config = model.config();
  const TracedSequence sequence(model.impl(), trace);
  ranks::Team team;
  RelevancySweep sweep(model.impl(), sequence, token, team, Progress());
  std::vector<GradientJob> jobs{ sweep.logits(token, token, 1) };
  const std::int64_t S = visionTower ? config.vision.tokens() : sequence.position(token) + 1;
  const std::int64_t heads = visionTower ? config.vision.heads : config.text.heads;
  at::Tensor all = at::zeros({ heads, S, S }, jobs[0].gradient.options());
  const auto tap = [&](std::int64_t at, std::int64_t first, const at::Tensor& gradient)
  {
    if (at == layer)
    {
      all.narrow(1, first, gradient.size(1)).narrow(2, 0, gradient.size(2)).copy_(gradient);
    }
  };
  jobs[0].tap = visionTower ? decltype(jobs[0].tap)() : tap;
  sweep.decoder(jobs, visionTower, Progress());
  if (visionTower)
  {
    jobs[0].tap = tap;
    sweep.vision(jobs, 0, Progress());
  }
  return all.scalar_type() == at::kDouble ? copied<double>(all) : copied<float>(all);
}

} // namespace lvlm_test
