// SPDX-License-Identifier: Apache-2.0
// With less memory left to the process than a computation needs, each says so before it begins, and
// with enough of it the same computation runs: `ulimit -d`, set and taken back while the test runs.
#include "Check.h"
#include "GoldenQuestion.h"

#include "Models/Llava/Intervention.h"
#include "Models/Llava/Lens.h"
#include "Models/Llava/Relevancy.h"
#include "Models/Llava/Runtime.h"
#include "Models/Llava/Weighting.h"
#include "Models/Ranks/Team.h"
#include "Testing/Benchmarks/Memory.h"

#include <functional>
#include <string>

#include <malloc.h>
#include <sys/resource.h>

namespace
{
using namespace lvlm;
using namespace lvlm::llava;

/// What the process may still allocate while the object lives.
class Left
{
public:
  explicit Left(std::size_t bytes)
  {
    ::getrlimit(RLIMIT_DATA, &this->Before);
    rlimit less = this->Before;
    less.rlim_cur = statusBytes("VmData:") + bytes;
    CHECK(::setrlimit(RLIMIT_DATA, &less) == 0);
  }
  ~Left() { ::setrlimit(RLIMIT_DATA, &this->Before); }
  Left(const Left&) = delete;
  Left& operator=(const Left&) = delete;

private:
  rlimit Before{};
};

/// Answers and traces of some thousand positions: what they need is told apart from what malloc has
/// kept.
Question longQuestion()
{
  Question question = lvlm_test::goldenQuestion("multihead-f32");
  for (int i = 0; i < 900; ++i)
  {
    question.prompt += " star";
  }
  question.maxNewTokens = 2;
  return question;
}

void checkRefused(const char* what, std::size_t left, const std::function<void()>& compute)
{
  std::cout << what << std::endl;
  {
    const Left little(left);
    CHECK(availableMemory() <= left);
    CHECK_THROWS(compute(), "of memory");
  }
  compute();
  CHECK(true);
}
}

int main()
{
  ::mallopt(M_TRIM_THRESHOLD, 1 << 30); // what was freed stays, so that an error can be told
  ::mallopt(M_MMAP_THRESHOLD, 1 << 30);
  const auto model = lvlm_test::openModel("multihead-f32");
  Question question = longQuestion();
  question.captureHidden = true;
  const Trace trace = model->ask(question);
  question.captureHidden = false;
  const Trace bare = model->ask(question);
  ranks::Team alone;
  constexpr std::size_t Little = 64 << 10;
  checkRefused("a question", Little, [&] { model->ask(question); });
  checkRefused("the lens of a trace without hidden states", Little,
    [&] { logitLens(*model, bare, {}, {}, 1, Progress(), alone); });
  checkRefused("relevancy", Little,
    [&] { relevancyMaps(*model, bare, { 0 }, RelevancyOptions(), Progress(), alone); });
  checkRefused("gradients of attention", Little,
    [&] { attentionGradients(*model, bare, { 0 }, Progress(), alone); });
  checkRefused("attention of another question", Little,
    [&] { attentionOfQuestion(*model, bare, question.prompt, Progress(), alone); });
  Variant hidden;
  hidden.patches = { 0 };
  checkRefused(
    "an intervention", Little, [&] { answerScores(*model, bare, { hidden }, Progress(), alone); });
  checkRefused("an answer under an intervention", Little,
    [&] { answerUnder(*model, bare, {}, 1, "nothing", Progress(), alone); });
  Transplant layer;
  layer.positions = { 5 };
  checkRefused("patching", Little,
    [&] { patchScores(*model, bare, bare, StatePart::Hidden, { layer }, Progress(), alone); });
  return lvlm_test::checkResult();
}
