// SPDX-License-Identifier: Apache-2.0
// Gradients of an answer token's logit with respect to attention, against central differences in
// float64: the ordinary inference layers run with one attention weight moved by +-1e-5, which
// shares no line with the back-propagation.
//
// Tolerance: relative 1e-3, the issue's; entries below 1e-7 of the largest are compared absolutely,
// as the differences themselves carry an error of about 1e-10 there (measured: 2e-8 relative to the
// largest).
#include "AttentionGradient.h"
#include "RelevancyCase.h"
#include "WholeSequence.h"

#undef CHECK // Torch's own count nothing
#undef CHECK_NEAR
#include "Check.h"
#include "Families.h"

#include <algorithm>

namespace
{
using namespace lvlm;
using namespace lvlm::llava;
using namespace lvlm::picture;
using lvlm_test::RelevancyCase;

/// One entry of one attention matrix.
struct Moved
{
  bool tower = false;
  std::int64_t layer = 0, head = 0, query = 0, key = 0;
  double by = 0;
};

VisionTower::LayerTap tapFor(const Moved& moved, bool tower)
{
  return [&moved, tower](std::int64_t layer, std::int64_t firstRow, const at::Tensor& probabilities)
  {
    const std::int64_t row = moved.query - firstRow;
    if (tower != moved.tower || layer != moved.layer || row < 0 || row >= probabilities.size(1))
    {
      return at::Tensor();
    }
    at::Tensor changed = probabilities.clone(); // [heads, n, keys]
    changed[moved.head][row][moved.key].add_(moved.by);
    return changed;
  };
}

class LogitOf
{
public:
  LogitOf(const LlavaModel::Impl& model, const Trace& trace, std::int64_t token) : Model(model)
  {
    const Tensor& all = trace.tensor(tensor_name::TokenId);
    const std::int64_t S = trace.promptLength + token;
    this->Ids.assign(all.as<std::int64_t>(), all.as<std::int64_t>() + S);
    this->Target = all.as<std::int64_t>()[S];
    this->ImageStart = trace.imageStart;
    const Tensor& image = trace.tensor(tensor_name::Image);
    RgbImage seen;
    seen.width = image.extent(1);
    seen.height = image.extent(0);
    seen.pixels.assign(image.as<std::uint8_t>(), image.as<std::uint8_t>() + image.count());
    this->Pixels = model.pixels(seen);
    const at::NoGradGuard guard;
    this->Image = this->seen(Moved());
  }

  double operator()(const Moved& moved)
  {
    const at::NoGradGuard guard;
    const at::Tensor image = moved.tower ? this->seen(moved) : this->Image; // [patches, D]
    const at::Tensor hidden = lvlm_test::runDecoder(this->Model, this->Ids, this->ImageStart, image,
      this->Buffers, tapFor(moved, false));                          // [S, D]
    const at::Tensor last = hidden.narrow(0, hidden.size(0) - 1, 1); // [1, D]
    return this->Model.decoder.logits(last, this->Buffers)[0][this->Target].item<double>();
  }

private:
  at::Tensor seen(const Moved& moved)
  {
    return this->Model.vision.forward(this->Pixels, this->Buffers, tapFor(moved, true), Progress());
  }

  const LlavaModel::Impl& Model;
  std::vector<std::int64_t> Ids;
  std::int64_t Target = 0, ImageStart = 0;
  at::Tensor Pixels, Image;
  Workspace Buffers;
};

/// Every `stride`-th entry that the model has (decoder: the causal ones).
void compare(const std::string& name, std::int64_t token, bool tower, std::int64_t stride)
{
  const RelevancyCase golden(name);
  ModelOptions options;
  options.precision = Precision::Float64;
  options.threads = 1; // tiny: threads would only wait for each other
  const auto model = LlavaModel::open(golden.folder, options);
  const Trace trace = golden.trace(golden.answerLength(), *model);
  LogitOf logit(model->impl(), trace, token);
  const std::int64_t layers =
    tower ? model->impl().vision.layers() : model->impl().decoder.layers();
  std::int64_t counted = 0, compared = 0;
  double worst = 0;
  for (std::int64_t layer = 0; layer < layers; ++layer)
  {
    const Tensor gradient =
      lvlm_test::attentionGradient(*model, trace, token, layer, tower); // [heads, S, S]
    const double* values = gradient.as<double>();
    const std::int64_t S = gradient.extent(2);
    double largest = 0;
    std::for_each(values, values + gradient.count(),
      [&](double value) { largest = std::max(largest, std::abs(value)); });
    for (std::int64_t i = 0; i < gradient.count(); ++i)
    {
      Moved moved{ tower, layer, i / (S * S), i / S % S, i % S, 1e-5 };
      if ((!tower && moved.key > moved.query) || counted++ % stride != 0)
      {
        continue;
      }
      const double up = logit(moved);
      moved.by = -moved.by;
      const double slope = (up - logit(moved)) / 2e-5;
      const double error = std::abs(slope - values[i]);
      CHECK(error <= 1e-3 * std::abs(slope) + 1e-7 * largest);
      worst = std::max(worst, largest > 0 ? error / largest : 0);
      ++compared;
    }
  }
  CHECK(compared > 100);
  std::cout << name << (tower ? " tower: " : " decoder: ") << compared << " entries, worst error "
            << worst << " of the largest gradient" << std::endl;
}
}

int main()
{
  for (const char* name : { "multihead", "grouped-sampled", "bias", "window-sampled" })
  {
    compare(name, 2, false, 29);
    compare(name, 0, false, 47);
    compare(name, 2, true, 7);
  }
  compare("last-vision-layer", 1, true, 11);
  for (const char* name : lvlm_test::Families)
  {
    compare(name, 2, false, 11);
    compare(name, 2, true, 5);
  }
  return lvlm_test::checkResult();
}
