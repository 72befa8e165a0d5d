// SPDX-License-Identifier: Apache-2.0
#include "Answering.h"

#include "Models/Llava/Network/AttentionCuts.h"
#include "Models/Llava/Network/ImageFeatures.h"
#include "Models/Llava/Network/LensRows.h"
#include "Models/Llava/Network/TorchTensors.h"
#include "Models/Llava/Runtime.h"
#include "Models/Trace/ByteText.h"

#include <algorithm>
#include <sstream>
#include <utility>

namespace lvlm::llava
{

namespace
{
void checkQuestion(const Question& question)
{
  if (question.maxNewTokens < 1 || question.maxNewTokens > (1 << 20))
  {
    fail("MaxNewTokens ", question.maxNewTokens, " is not in [1, ", 1 << 20, "]");
  }
  if (question.alternatives < 1)
  {
    fail("the number of alternatives ", question.alternatives, " is less than 1");
  }
}
}

Answering::Answering(const LlavaModel& model, const Question& question, ranks::Team& team)
  : Owner(model), Model(model.impl()), Asked(question), Team(team)
{
}

Answering::Answering(
  const LlavaModel& model, const Question& question, ReadBefore before, ranks::Team& team)
  : Owner(model), Model(model.impl()), Asked(question), Team(team), Before(std::move(before))
{
}

/// What can be wrong with the question, and the memory that it takes.
void Answering::prepare()
{
  const ModelOptions& options = this->Model.options;
  if (options.rank != this->Team.rank() || options.ranks != this->Team.size())
  {
    fail(this->Model.directory, ": opened as rank ", options.rank, " of ", options.ranks,
      ", asked on rank ", this->Team.rank(), " of ", this->Team.size());
  }
  checkQuestion(this->Asked);
  if (this->Given.empty())
  {
    fail("there is no picture");
  }
  this->Input =
    this->Before ? this->Before->prompt : promptOf(this->Model, this->Asked, this->Given);
  this->checkMemory();
  this->Processors.emplace(this->Model.config.generation,
    static_cast<std::int64_t>(this->Input.ids.size()), this->Asked.maxNewTokens,
    this->Model.config.text.vocabulary);
  this->Choice.emplace(this->Asked.temperature, this->Asked.topP, this->Asked.seed);
  const auto cuts = this->Before ? this->Before->cuts : std::vector<AttentionCut>();
  checkCuts(cuts, this->Model.config.text,
    static_cast<std::int64_t>(this->Input.ids.size()) + this->Asked.maxNewTokens - 1);
  this->Steps.emplace(this->Model, this->Asked, this->Input, cuts);
}

void Answering::checkMemory() const
{
  const QuestionCost cost =
    this->Owner.cost(this->Asked, static_cast<std::int64_t>(this->Input.ids.size()));
  const std::size_t available = availableMemory(this->Team.size());
  if (cost.total() > available)
  {
    fail("this question needs up to ", byteText(cost.total()), " of memory (attention.answer ",
      byteText(cost.attentionAnswer), ", attention.full ", byteText(cost.attentionFull),
      ", attention.vision ", byteText(cost.attentionVision), ", hidden states ",
      byteText(cost.hidden + cost.lens), ", cache ", byteText(cost.cache), ", buffers ",
      byteText(cost.buffers), "), ", byteText(available),
      " are available: capture fewer layers or lower MaxNewTokens (", this->Asked.maxNewTokens,
      ")");
  }
}

/// Hosts may hold different folders under one path; and passes need the same number of tokens
/// everywhere.
void Answering::checkAlike() const
{
  const auto summary = [this]
  {
    const checkpoint::TextConfig& text = this->Model.config.text;
    std::ostringstream all;
    all << text.layers << " layers of width " << text.hidden << ", vocabulary " << text.vocabulary
        << ", " << this->Model.checkpoint->bytes() << " bytes of weights, "
        << this->Input.ids.size() << " prompt positions, MaxNewTokens " << this->Asked.maxNewTokens
        << ", end tokens";
    for (const std::int64_t token : this->Model.config.generation.endTokens)
    {
      all << " " << token; // ranks that end at different ones would wait for each other
    }
    return all.str();
  };
  const auto wanted = this->Team.fromFirst(
                                  [&summary] {
                                    return ranks::Message{ summary(), {} };
                                  })
                        .head;
  this->Team.together(
    [&]
    {
      if (const std::string own = summary(); own != wanted)
      {
        fail(this->Model.directory, ": model and question are not those of rank 0: ", own,
          "; rank 0 has ", wanted);
      }
    });
}

/// The pictures are rank 0's, and how many tokens they have may depend on their sizes.
void Answering::sharePictureSizes()
{
  if (this->Before)
  {
    this->Given = this->Before->given;
    return;
  }
  const ranks::Message sizes = this->Team.fromFirst(
    [this]
    {
      std::vector<std::int64_t> edges; // [pictures, 2]
      for (const picture::PictureSize& own : sizesOf(this->Asked.images))
      {
        edges.insert(edges.end(), { own.width, own.height });
      }
      const auto pictures = static_cast<std::int64_t>(this->Asked.images.size());
      return ranks::Message{ {}, { Tensor::of(edges, { pictures, 2 }) } };
    });
  const auto edges = ranks::listOf<std::int64_t>(sizes);
  for (std::size_t i = 0; i + 1 < edges.size(); i += 2)
  {
    this->Given.push_back({ edges[i], edges[i + 1] });
  }
}

void Answering::sharePictures()
{
  if (this->Before)
  {
    this->Seen = this->Before->seen;
    return;
  }
  const ranks::Message seen = this->Team.fromFirst(
    [this]
    {
      return ranks::Message{ {},
        pictureTensors(this->Model.see(this->Asked.images, this->Asked.imageMode)) };
    });
  this->Seen = seenFrom(this->Model, seen.tensors, this->Input.images);
}

/// What enters the first layer: the prompt, or the last token.
at::Tensor Answering::embed(const Answer& soFar, const Progress& progress)
{
  return soFar.ids.empty() ? this->Steps->embedPrompt(this->Seen, progress)
                           : this->Steps->embedToken(soFar.ids.back());
}

/// The next token, of logits [V].
std::int64_t Answering::choose(const Answer& soFar, const at::Tensor& logits)
{
  std::vector<std::int64_t> ids = this->Input.ids;
  ids.insert(ids.end(), soFar.ids.begin(), soFar.ids.end());
  return this->Choice->next(this->Processors->apply(ids, logits));
}

ranks::Message Answering::turn(
  const Answer& soFar, const ranks::Message& given, const Progress& progress)
{
  const bool prompt = soFar.ids.empty();
  const Decoder& decoder = this->Model.decoder;
  // Vision and text prefill share the bar by their layers, which cost about the same.
  const double visionShare = !prompt ? 0
                                     : static_cast<double>(this->Model.vision.layers()) /
      static_cast<double>(this->Model.vision.layers() + decoder.layers());
  const std::int64_t n = prompt ? this->Steps->promptLength() : 1;
  const at::Tensor entering = decoder.hasFirst()
    ? this->embed(soFar, part(progress, 0, visionShare))
    : received(given.tensors.at(0), { n, decoder.config().hidden },
        this->Steps->tensorOptions()); // [n, D]
  const at::Tensor hidden = this->Steps->layers(entering,
    part(progress, visionShare, 1 - visionShare), prompt ? "Reading the prompt" : "Answering");
  if (decoder.hasLast())
  {
    const at::Tensor logits = this->Steps->logits(hidden); // [V]
    return scoredToken(
      this->choose(soFar, logits), logits, this->Asked.alternatives, this->Asked.captureLogits);
  }
  return { {}, { fromTorch(hidden) } };
}

/// `lens.*` of the captured hidden states, which stay only if they are wanted for themselves.
void Answering::addLens(Trace& trace, const Progress& progress)
{
  const Progress last = part(progress, 1, 0); // the answer is there
  const LensWanted wanted{ lensLayers(trace, {}), {}, this->Asked.alternatives };
  Lens lens = lensOfStates(this->Model, trace, wanted, this->Team, last);
  lens.texts = lensTexts(this->Model, lens, this->Input.ids.back());
  recordLens(trace, lens);
  if (!this->Asked.captureHidden)
  {
    trace.tensors.erase(tensor_name::HiddenStates);
  }
}

Trace Answering::finish(const Answer& answer, const Progress& progress)
{
  Trace trace = traceOf(this->Model, this->Asked, this->Input, answer, this->Seen, this->Given);
  this->Steps->moveCapture(trace, answer.length());
  if (this->Asked.captureLens)
  {
    this->addLens(trace, progress);
  }
  trace.validate();
  if (this->Team.isFirst())
  {
    report(progress, 1, "Done");
  }
  return trace;
}

Trace Answering::run(const Progress& progress)
{
  this->sharePictureSizes();
  this->Team.together([this] { translated([this] { this->prepare(); }); });
  this->checkAlike();
  this->sharePictures();
  const auto workers =
    static_cast<int>(std::min<std::int64_t>(this->Team.size(), this->Model.decoder.layers()));
  // The prompt's prefill counts as much as the whole answer: true enough for a progress bar.
  const double step = 0.5 / static_cast<double>(this->Asked.maxNewTokens);
  Answer answer;
  do
  {
    const auto t = static_cast<double>(answer.length());
    const Progress share =
      answer.ids.empty() ? part(progress, 0, 0.5) : part(progress, 0.5 + (t - 1) * step, step);
    answer.add(this->Team.pass(
      ranks::Direction::Forwards, workers,
      [&](const ranks::Message& given, const Progress& own)
      {
        const Pulse::Scope scope(this->Steps->pulse(), own);
        return translated([&] { return this->turn(answer, given, scope.progress()); });
      },
      share));
  } while (answer.length() < this->Asked.maxNewTokens &&
    this->Model.config.generation.endTokens.count(answer.ids.back()) == 0);
  Trace trace;
  this->Team.together([&] { translated([&] { trace = this->finish(answer, progress); }); });
  return trace;
}

} // namespace lvlm::llava
