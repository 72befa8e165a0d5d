// SPDX-License-Identifier: Apache-2.0
// One side of compare.py: relevancy of all answer tokens of a recorded trace.
//
//   BenchRelevancy CHECKPOINT TRACE.lvlm OUTPUT.lvlm (exact | compatible) TEMPERATURE [all |
//   decoder] [cpu | cuda] [BFloat16]
//
// Writes the trace with its maps, and one line of JSON: seconds, seconds of all threads, peak of
// anonymous memory in bytes.
#include "Models/Llava/Relevancy.h"
#include "Models/Ranks/Team.h"
#include "Models/Trace/TraceFile.h"
#include "Testing/Benchmarks/Memory.h"

#include <chrono>
#include <ctime>
#include <iostream>

namespace
{
using namespace lvlm;
using namespace lvlm::llava;

/// The normalized maps of all tokens as `relevancy.*`.
void store(Trace& trace, const AnswerMaps& maps)
{
  for (const auto& first : maps.at(0))
  {
    const std::string& name = first.first;
    std::vector<float> all;
    for (const auto& [token, byName] : maps)
    {
      const std::vector<float> row = meanMap({ { token, byName } }, name, true);
      all.insert(all.end(), row.begin(), row.end());
    }
    trace.tensors[name] =
      Tensor::of(all, { trace.answerLength(), static_cast<std::int64_t>(first.second.row.size()) });
  }
}

int run(int argc, char** argv)
{
  if (argc < 6)
  {
    std::cerr << "usage: BenchRelevancy CHECKPOINT TRACE OUTPUT exact|compatible TEMPERATURE "
                 "[all|decoder] [cpu|cuda] [BFloat16]\n";
    return 2;
  }
  Trace trace = readTrace(argv[2]);
  RelevancyOptions options;
  options.mode = std::string(argv[4]) == "exact" ? RelevancyMode::Exact : RelevancyMode::Compatible;
  options.temperature = std::stod(argv[5]);
  options.tower = argc < 7 || std::string(argv[6]) == "all";
  options.roundedGradients = argc > 8 && std::string(argv[8]) == "BFloat16";
  ModelOptions where;
  where.device = argc > 7 ? argv[7] : "cpu";
  PeakMemory memory;
  const auto model = LlavaModel::open(argv[1], where);
  ranks::Team alone;
  if (where.device != "cpu")
  {
    // Weights go to a device with the first question.
    relevancyMaps(*model, trace, { 0 }, options, {}, alone);
  }
  const std::clock_t cpuStart = std::clock();
  const auto start = std::chrono::steady_clock::now();
  const AnswerMaps maps = relevancyMaps(*model, trace, {}, options, {}, alone);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  const double cpu = static_cast<double>(std::clock() - cpuStart) / CLOCKS_PER_SEC;
  const std::size_t growth = memory.growth();
  store(trace, maps);
  writeTrace(argv[3], trace);
  std::cout << "{\"seconds\": " << seconds.count() << ", \"cpu\": " << cpu
            << ", \"memory\": " << growth << "}" << std::endl;
  return 0;
}
}

int main(int argc, char** argv)
{
  try
  {
    return run(argc, argv);
  }
  catch (const std::exception& error)
  {
    std::cerr << error.what() << std::endl;
    return 1;
  }
}
