// SPDX-License-Identifier: Apache-2.0
// How close inference comes to what the machine gives, as ratios within one run:
//
//   BenchInference CHECKPOINT [answer tokens] [Float32 | BFloat16] [runs] [cpu | cuda] [TRACE.lvlm]
//
//   prefill   rate of the decoder's linear maps, capture included, against the products alone on
//             the same shapes, as this library makes them
//   decode    bytes of weights read per second against a plain read of memory
//   memory    peak of anonymous memory while asking, beside the size of the weights
//
// The fastest of the runs counts. The last line is JSON, for compare.py; TRACE is the last answer.
#include "Models/Llava/LlavaModel.h"
#include "Models/Llava/Network/WeightStore.h"
#include "Models/Llava/Runtime.h"
#include "Models/Trace/ByteText.h"
#include "Models/Trace/TraceFile.h"
#include "Testing/Benchmarks/Memory.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <chrono>
#include <iostream>

namespace
{
using namespace lvlm;
using namespace lvlm::llava;
using Clock = std::chrono::steady_clock;

double seconds(Clock::time_point from, Clock::time_point to)
{
  return std::chrono::duration<double>(to - from).count();
}

struct Shapes
{
  std::vector<std::pair<std::int64_t, std::int64_t>> outIn; ///< linear maps of one layer
  explicit Shapes(const checkpoint::TextConfig& text)
  {
    const std::int64_t q = text.heads * text.headSize, kv = text.keyValueHeads * text.headSize;
    this->outIn = { { q, text.hidden }, { kv, text.hidden }, { kv, text.hidden },
      { text.hidden, q }, { text.intermediate, text.hidden }, { text.intermediate, text.hidden },
      { text.hidden, text.intermediate } };
  }
  double weights() const
  {
    double sum = 0;
    for (const auto& [out, in] : this->outIn)
    {
      sum += static_cast<double>(out) * static_cast<double>(in);
    }
    return sum;
  }
};

/// FLOP/s of this library's products on one layer's shapes, weights in bfloat16.
double productRate(
  const Shapes& shapes, std::int64_t positions, at::ScalarType type, const at::Device& device)
{
  const at::NoGradGuard guard;
  Workspace workspace;
  double flops = 0, time = 0;
  for (const auto& [out, in] : shapes.outIn)
  {
    const at::Tensor x = at::rand({ positions, in }).to(device, type);
    Linear map;
    map.weight = at::rand({ out, in }).to(device, at::kBFloat16);
    const auto finished = [](const at::Tensor& y) { return y[0][0].item<float>(); };
    finished(apply(map, x, workspace)); // warm-up
    const auto start = Clock::now();
    at::Tensor y;
    for (int i = 0; i < 3; ++i)
    {
      y = apply(map, x, workspace);
    }
    finished(y);
    time += seconds(start, Clock::now());
    flops += 3 * 2.0 * static_cast<double>(positions) * static_cast<double>(out * in);
  }
  return flops / time;
}

/// Bytes per second of summing a buffer that no cache holds.
double memoryBandwidth(const at::Device& device)
{
  const at::Tensor buffer = at::ones({ std::int64_t{ 1 } << 28 }, device); // 1 GiB
  double best = 0;
  for (int i = 0; i < 5; ++i)
  {
    const auto start = Clock::now();
    at::sum(buffer).item<float>();
    best = std::max(best, static_cast<double>(buffer.nbytes()) / seconds(start, Clock::now()));
  }
  return best;
}

struct Times
{
  Clock::time_point start = Clock::now(), decoder, answer, end;
  double longest = 0;       ///< seconds between two reports
  std::string longestAfter; ///< the report that it followed
};

Times timedAsk(const LlavaModel& model, const Question& question, Trace& trace)
{
  Times times;
  bool inDecoder = false, inAnswer = false;
  Clock::time_point last = Clock::now();
  std::string lastText = "the start";
  trace = model.ask(question,
    [&](double, const std::string& text)
    {
      if (const double interval = seconds(last, Clock::now()); interval > times.longest)
      {
        times.longest = interval;
        times.longestAfter = lastText;
      }
      last = Clock::now();
      lastText = text;
      if (!inDecoder && text.rfind("Reading", 0) == 0)
      {
        inDecoder = true;
        times.decoder = Clock::now();
      }
      if (!inAnswer && text.rfind("Answering", 0) == 0)
      {
        inAnswer = true;
        times.answer = Clock::now();
      }
      return true;
    });
  times.end = Clock::now();
  return times;
}

void run(const std::string& directory, std::int64_t tokens, bool bfloat16, int runs,
  const std::string& device, const std::string& tracePath)
{
  useThreads(0);
  ModelOptions options;
  options.precision = bfloat16 ? Precision::BFloat16 : Precision::Float32;
  options.device = device;
  const auto model = LlavaModel::open(directory, options);
  const checkpoint::TextConfig& text = model->config().text;
  std::cout << model->description() << "\nthreads " << at::get_num_threads() << std::endl;

  Question question;
  question.images = { { 336, 336, std::vector<std::uint8_t>(336 * 336 * 3, 100) } };
  question.prompt = "What is in it?";
  question.maxNewTokens = tokens;
  Trace trace;
  PeakMemory memory;
  Times times = timedAsk(*model, question, trace); // the files' pages come in
  for (int i = 0; i < runs; ++i)
  {
    trace = Trace();
    const Times next = timedAsk(*model, question, trace);
    times = i == 0 || next.end - next.start < times.end - times.start ? next : times;
  }
  const std::size_t anonymous = memory.growth();
  if (!tracePath.empty())
  {
    writeTrace(tracePath, trace);
  }

  const Shapes shapes(text);
  const double P = static_cast<double>(trace.promptLength);
  const double layers = static_cast<double>(text.layers);
  const double prefill = 2 * P * shapes.weights() * layers / seconds(times.decoder, times.answer);
  const double products =
    productRate(shapes, trace.promptLength, bfloat16 ? at::kBFloat16 : at::kFloat, device);
  const double bytesPerToken = 2 *
    (shapes.weights() * layers +
      static_cast<double>(text.hidden) * static_cast<double>(text.vocabulary));
  const double steps = static_cast<double>(trace.answerLength() - 1);
  const double decode = bytesPerToken * steps / seconds(times.answer, times.end);
  const double bandwidth = memoryBandwidth(device);
  std::size_t captured = 0;
  for (const auto& [name, tensor] : trace.tensors)
  {
    captured += tensor.bytes();
  }
  std::cout << "positions " << P << ", answer tokens " << trace.answerLength() << "\n"
            << "prefill  " << prefill / 1e9 << " GFLOPS, products alone " << products / 1e9
            << " GFLOPS: ratio " << prefill / products << "\n"
            << "decode   " << decode / 1e9 << " GB/s of weights, memory " << bandwidth / 1e9
            << " GB/s: ratio " << decode / bandwidth << "\n"
            << "memory   " << byteText(anonymous) << " anonymous at the peak, of which captured "
            << byteText(captured) << "\n"
            << "reports  " << times.longest << " s at most between two, after '"
            << times.longestAfter << "'\n"
            << R"({"first": )" << seconds(times.start, times.answer) << R"(, "further": )"
            << seconds(times.answer, times.end) / steps << R"(, "memory": )" << anonymous
            << R"(, "prefill_of_products": )" << prefill / products
            << R"(, "decode_of_bandwidth": )" << decode / bandwidth << "}" << std::endl;
}
}

int main(int argc, char** argv)
{
  if (argc < 2)
  {
    std::cerr << "usage: BenchInference CHECKPOINT [answer tokens] [Float32 | BFloat16] [runs] "
                 "[cpu | cuda] [TRACE.lvlm]\n";
    return 2;
  }
  try
  {
    run(argv[1], argc > 2 ? std::stol(argv[2]) : 16, argc > 3 && argv[3] == std::string("BFloat16"),
      argc > 4 ? std::stoi(argv[4]) : 1, argc > 5 ? argv[5] : "cpu", argc > 6 ? argv[6] : "");
  }
  catch (const std::exception& error)
  {
    std::cerr << error.what() << std::endl;
    return 1;
  }
  return 0;
}
