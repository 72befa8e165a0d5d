// SPDX-License-Identifier: Apache-2.0
#include "AnswerTrace.h"

#include "Models/Trace/Regions.h"

#include "Models/Llava/Network/TorchTensors.h"
#include "Models/Ranks/MessageHead.h"
#include "Models/Text/Chat/ChatTemplate.h"
#include "Models/Text/Chat/CheckpointTemplate.h"
#include "Models/Text/PieceTexts.h"
#include "Models/Trace/Json.h"

#include <filesystem>
#include <sstream>

namespace lvlm::llava
{

namespace
{
namespace fs = std::filesystem;

template <typename T>
void append(std::vector<T>& all, const std::vector<T>& more)
{
  all.insert(all.end(), more.begin(), more.end());
}

template <typename T>
std::vector<T> listOf(const at::Tensor& tensor)
{
  const at::Tensor values = tensor.contiguous();
  return std::vector<T>(values.data_ptr<T>(), values.data_ptr<T>() + values.numel());
}

void describeQuestion(Trace& trace, const Question& question, const LlavaModel::Impl& model)
{
  constexpr const char* Modes[] = { "Default", "Crop", "Pad", "Resize" };
  constexpr const char* Precisions[] = { "Float32", "BFloat16", "Float64" };
  const auto number = [](double value)
  {
    std::ostringstream text;
    text << value;
    return text.str();
  };
  trace.extra["model_directory"] = fs::absolute(model.directory).string();
  trace.extra["question"] = question.prompt;
  trace.extra["system_prompt"] = question.system;
  trace.extra["chat_template"] =
    question.chatTemplate.empty() ? "Automatic" : question.chatTemplate;
  trace.extra["image_mode"] = Modes[static_cast<int>(question.imageMode)];
  trace.extra["temperature"] = number(question.temperature);
  trace.extra["top_p"] = number(question.topP);
  trace.extra["seed"] = std::to_string(question.seed);
  trace.extra["precision"] = Precisions[static_cast<int>(model.options.precision)];
  trace.extra["device"] = model.options.device;
}

/// JSON lists of the alternatives' pieces and of what these say, [T][k]: ids alone would mean
/// nothing without the tokenizer. `ids` [P+T]
void describeAlternatives(Trace& trace, const text::Tokenizer& tokenizer, const Answer& answer,
  const std::vector<std::int64_t>& ids)
{
  const std::size_t T = answer.ids.size(), k = answer.topkId.size() / T;
  nlohmann::json pieces(T, nlohmann::json::array()), texts = pieces;
  for (std::size_t i = 0; i < T * k; ++i)
  {
    const std::int64_t before = ids[ids.size() - T + i / k - 1];
    pieces[i / k].push_back(tokenizer.piece(answer.topkId[i]));
    texts[i / k].push_back(text::textAfter(tokenizer, before, answer.topkId[i]));
  }
  const auto written = [](const nlohmann::json& rows)
  { return rows.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace); };
  trace.extra["answer.topk_token"] = written(pieces);
  trace.extra["answer.topk_text"] = written(texts);
}

/// What each position says. `ids` [P+T]; the image's positions all say the same.
std::vector<std::string> textsOf(
  const LlavaModel::Impl& model, const Prompt& prompt, const std::vector<std::int64_t>& ids)
{
  const auto first = ids.begin() + static_cast<std::ptrdiff_t>(prompt.featureStart);
  const auto more = static_cast<std::size_t>(prompt.image.count - 1);
  std::vector<std::int64_t> once(ids.begin(), first);
  once.insert(once.end(), first + static_cast<std::ptrdiff_t>(more), ids.end());
  std::vector<std::string> texts = text::pieceTexts(model.tokenizer, once);
  const auto image = texts.begin() + static_cast<std::ptrdiff_t>(prompt.featureStart);
  const std::string said = *image;
  texts.insert(image, more, said);
  return texts;
}
}

Tensor imageTensor(const picture::RgbImage& seen)
{
  return Tensor::of(seen.pixels, { seen.height, seen.width, 3 });
}

Tensor tilesTensor(const std::vector<picture::RgbImage>& tiles)
{
  std::vector<std::uint8_t> pixels;
  for (const picture::RgbImage& tile : tiles)
  {
    append(pixels, tile.pixels);
  }
  const auto count = static_cast<std::int64_t>(tiles.size());
  return Tensor::of(pixels, { count, tiles.at(0).height, tiles.at(0).width, 3 });
}

std::vector<Region> regionsOf(const Prompt& prompt)
{
  std::vector<Region> regions = prompt.image.regions;
  for (Region& region : regions)
  {
    region.start += prompt.featureStart;
  }
  return regions;
}

ranks::Message scoredToken(
  std::int64_t id, const at::Tensor& logits, std::int64_t alternatives, bool withLogits)
{
  const at::Tensor logprobs = at::log_softmax(logits, 0).to(at::kCPU, at::kFloat);  // [V]
  const auto [best, index] = logprobs.topk(std::min(alternatives, logits.size(0))); // [k], [k]
  ranks::Message token;
  token.head = ranks::packed({ { "id", id }, { "logprob", logprobs[id].item<float>() },
    { "topkId", listOf<std::int64_t>(index) }, { "topkLogprob", listOf<float>(best) } });
  if (withLogits)
  {
    token.tensors.push_back(fromTorch(logits.to(at::kFloat)));
  }
  return token;
}

void Answer::add(const ranks::Message& token)
{
  const nlohmann::json head = ranks::unpacked(token.head);
  this->ids.push_back(head.at("id").get<std::int64_t>());
  this->logprob.push_back(head.at("logprob").get<float>());
  append(this->topkId, head.at("topkId").get<std::vector<std::int64_t>>());
  append(this->topkLogprob, head.at("topkLogprob").get<std::vector<float>>());
  if (!token.tensors.empty())
  {
    append(this->logits, ranks::listOf<float>(token));
  }
}

Prompt promptOf(
  const LlavaModel::Impl& model, const Question& question, const picture::PictureSize& picture)
{
  const std::int64_t imageId = model.config.imageTokenId;
  const std::string imageToken = model.tokenizer.piece(imageId);
  const picture::ImageTokens image = model.imageTokens(picture);
  const auto own =
    question.chatTemplate.empty() ? text::CheckpointTemplate::find(model.directory) : std::nullopt;
  if (own)
  {
    return makePrompt(own->apply(question.prompt, question.system, imageToken), model.tokenizer,
      imageId, image, own->beginToken());
  }
  const text::ChatTemplate chat{
    question.chatTemplate.empty() ? text::layoutForModel(model.directory) : question.chatTemplate
  };
  return makePrompt(
    chat.apply(question.prompt, question.system, imageToken), model.tokenizer, imageId, image);
}

Trace traceOf(const LlavaModel::Impl& model, const Question& question, const Prompt& prompt,
  const Answer& answer, const picture::SeenPicture& seen, const picture::PictureSize& given)
{
  namespace tn = tensor_name;
  const std::int64_t T = answer.length();
  Trace trace;
  trace.model = fs::path(fs::absolute(model.directory).lexically_normal()).filename().string();
  trace.prompt = prompt.text;
  trace.answer = model.tokenizer.decode(answer.ids);
  trace.tokens = prompt.pieces;
  trace.roles = prompt.roles;
  std::vector<std::int64_t> ids = prompt.ids;
  for (const std::int64_t id : answer.ids)
  {
    ids.push_back(id);
    trace.tokens.push_back(model.tokenizer.piece(id));
    trace.roles.push_back(Role::Answer);
  }
  trace.promptLength = static_cast<std::int64_t>(prompt.ids.size());
  trace.texts = textsOf(model, prompt, ids);
  const auto positions = static_cast<std::int64_t>(ids.size());
  trace.tensors[tn::Image] = imageTensor(seen.shown);
  if (!seen.tiles.empty())
  {
    trace.tensors[tn::ImageTiles] = tilesTensor(seen.tiles);
    trace.extra["picture_size"] = std::to_string(given.width) + "," + std::to_string(given.height);
  }
  trace.regions = regionsOf(prompt);
  settleRegions(trace);
  trace.tensors[tn::TokenId] = Tensor::of(ids, { positions });
  trace.tensors[tn::AnswerLogprob] = Tensor::of(answer.logprob, { T });
  const std::int64_t k = static_cast<std::int64_t>(answer.topkId.size()) / T;
  trace.tensors[tn::TopkId] = Tensor::of(answer.topkId, { T, k });
  trace.tensors[tn::TopkLogprob] = Tensor::of(answer.topkLogprob, { T, k });
  describeAlternatives(trace, model.tokenizer, answer, ids);
  if (!answer.logits.empty())
  {
    const std::int64_t V = static_cast<std::int64_t>(answer.logits.size()) / T;
    trace.tensors[tn::AnswerLogits] = Tensor::of(answer.logits, { T, V });
  }
  describeQuestion(trace, question, model);
  return trace;
}

} // namespace lvlm::llava
