// SPDX-License-Identifier: Apache-2.0
// What variants of a question cost, as a ratio within one run:
//
//   BenchInterventions CHECKPOINT [variants] [runs]
//
//   embeddings   a window of patches hidden behind the projector, each variant at another place
//   pixels       the same hidden in the pixels: the tower runs for each variant
//   attention    the last position cut off from the picture in all layers
//   patching     a patch's state taken over from another picture, each variant another one, after
//                the layers in turn; both pictures are read, too
//
// against as many readings of the prompt without capture, picture included. The fastest of the runs
// counts.
#include "Models/Llava/Intervention.h"
#include "Models/Ranks/Team.h"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <iostream>

namespace
{
using namespace lvlm;
using namespace lvlm::llava;

/// Of the process's threads together, which another process does not lengthen as it does the time
/// on the clock. Set OMP_WAIT_POLICY=passive, or waiting counts.
template <typename Work>
double seconds(const Work& work)
{
  const std::clock_t start = std::clock();
  work();
  return static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
}

std::vector<Variant> variantsOf(const std::string& kind, std::int64_t count, const Trace& trace)
{
  std::vector<Variant> variants(static_cast<std::size_t>(count));
  const std::int64_t patches = trace.grid.count();
  for (std::int64_t i = 0; i < count; ++i)
  {
    Variant& variant = variants[static_cast<std::size_t>(i)];
    if (kind == "attention")
    {
      Indices image;
      for (std::int64_t p = 0; p < patches; ++p)
      {
        image.push_back(trace.imageStart + p);
      }
      variant.cuts = { { { trace.promptLength - 1 }, image, { i % trace.layerTotal } } };
      continue;
    }
    variant.fill = kind == "pixels" ? PatchFill::MeanColor : PatchFill::MeanEmbedding;
    variant.patches = { i * patches / count, i * patches / count + 1 };
  }
  return variants;
}

std::vector<Transplant> transplantsOf(std::int64_t count, const Trace& trace)
{
  std::vector<Transplant> variants;
  for (std::int64_t i = 0; i < count; ++i)
  {
    variants.push_back(
      { { trace.imageStart + i * trace.grid.count() / count }, i % trace.layerTotal });
  }
  return variants;
}
}

int main(int argc, char** argv)
{
  if (argc < 2)
  {
    std::cerr << "usage: BenchInterventions CHECKPOINT [variants] [runs]" << std::endl;
    return 2;
  }
  const std::int64_t count = argc > 2 ? std::stoll(argv[2]) : 20;
  const int runs = argc > 3 ? std::stoi(argv[3]) : 2;
  const auto model = LlavaModel::open(argv[1]);
  Question question;
  question.images = { { 336, 336, std::vector<std::uint8_t>(336 * 336 * 3, 100) } };
  question.prompt = "What is in it?";
  question.maxNewTokens = 1;
  const Trace trace = model->ask(question); // with capture, which tells the layers; pages come in
  std::fill(question.images[0].pixels.begin(), question.images[0].pixels.end(), 200);
  const Trace other = model->ask(question);
  question.captureAnswer = false;
  question.fullLayers.clear();
  std::vector<std::string> kinds{ "embeddings", "pixels", "attention", "patching" };
  double reading = 1e9;
  std::vector<double> times(kinds.size(), 1e9);
  double longest = 0;
  for (int run = 0; run < runs; ++run)
  {
    reading = std::min(reading, seconds([&] { model->ask(question); }));
    for (std::size_t k = 0; k < kinds.size(); ++k)
    {
      const std::vector<Variant> variants = variantsOf(kinds[k], count, trace);
      ranks::Team alone;
      auto last = std::chrono::steady_clock::now();
      const auto watch = [&](double, const std::string&)
      {
        const auto now = std::chrono::steady_clock::now();
        longest = std::max(longest, std::chrono::duration<double>(now - last).count());
        last = now;
        return true;
      };
      const auto work = [&]
      {
        if (kinds[k] == "patching")
        {
          patchScores(
            *model, trace, other, StatePart::Hidden, transplantsOf(count, trace), watch, alone);
          return;
        }
        answerScores(*model, trace, variants, watch, alone);
      };
      times[k] = std::min(times[k], seconds(work));
    }
    reading = std::min(reading, seconds([&] { model->ask(question); }));
  }
  std::cout << trace.promptLength << " positions, a reading " << reading << " s of CPU time"
            << std::endl;
  for (std::size_t k = 0; k < kinds.size(); ++k)
  {
    std::cout << count << " variants, " << kinds[k] << ": " << times[k] << " s of CPU time, "
              << times[k] / (static_cast<double>(count) * reading) << " of " << count << " readings"
              << std::endl;
  }
  std::cout << "longest time between two reports: " << longest << " s" << std::endl;
  return 0;
}
