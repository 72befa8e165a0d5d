// SPDX-License-Identifier: Apache-2.0
#include "AnswerTrace.h"

#include "Models/Trace/Regions.h"

#include "Models/Llava/Network/ImageFeatures.h"
#include "Models/Llava/Network/TorchTensors.h"
#include "Models/Ranks/MessageHead.h"
#include "Models/Text/Chat/ChatTemplate.h"
#include "Models/Text/Chat/CheckpointTemplate.h"
#include "Models/Text/PieceTexts.h"
#include "Models/Trace/Json.h"

#include <algorithm>
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

/// What each position says. `ids` [P+T]; a picture's positions all say the same.
std::vector<std::string> textsOf(
  const LlavaModel::Impl& model, const Prompt& prompt, const std::vector<std::int64_t>& ids)
{
  std::vector<std::int64_t> once; // each picture at one position
  std::vector<std::size_t> repeats;
  auto image = prompt.images.begin();
  for (std::size_t position = 0; position < ids.size();)
  {
    const bool isImage =
      image != prompt.images.end() && image->start == static_cast<std::int64_t>(position);
    repeats.push_back(isImage ? static_cast<std::size_t>((image++)->tokens.count) : 1);
    once.push_back(ids[position]);
    position += repeats.back();
  }
  const std::vector<std::string> said = text::pieceTexts(model.tokenizer, once);
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < said.size(); ++i)
  {
    texts.insert(texts.end(), repeats[i], said[i]);
  }
  return texts;
}

/// u8 [H, W, 3]
Tensor imageTensor(const picture::RgbImage& seen)
{
  return Tensor::of(seen.pixels, { seen.height, seen.width, 3 });
}

/// u8 [tiles, h, w, 3]
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

/// Pictures, tiles and the sizes that decided how these were cut.
void describePictures(Trace& trace, const std::vector<picture::SeenPicture>& seen,
  const std::vector<picture::PictureSize>& given)
{
  std::string sizes;
  for (std::size_t i = 0; i < seen.size(); ++i)
  {
    const auto number = static_cast<std::int64_t>(i);
    trace.tensors[pictureName(number)] = imageTensor(seen[i].shown);
    if (!seen[i].tiles.empty())
    {
      trace.tensors[tilesName(number)] = tilesTensor(seen[i].tiles);
      sizes += (sizes.empty() ? "" : ";") + std::to_string(given[i].width) + "," +
        std::to_string(given[i].height);
    }
  }
  if (!sizes.empty())
  {
    trace.extra["picture_size"] = sizes;
  }
}
}

std::vector<Tensor> pictureTensors(const std::vector<picture::SeenPicture>& seen)
{
  std::vector<Tensor> tensors;
  for (const picture::SeenPicture& one : seen)
  {
    tensors.push_back(imageTensor(one.shown));
    if (!one.tiles.empty())
    {
      tensors.push_back(tilesTensor(one.tiles));
    }
  }
  return tensors;
}

std::vector<picture::SeenPicture> seenFrom(const LlavaModel::Impl& model,
  const std::vector<Tensor>& tensors, const std::vector<picture::PlacedImage>& images)
{
  const bool inTiles = model.config.readsTiles(images.size());
  std::vector<picture::SeenPicture> seen;
  std::size_t next = 0;
  for (const picture::PlacedImage& image : images)
  {
    const Tensor& shown = tensors.at(next++);
    seen.push_back(seenAs(model, shown, inTiles ? &tensors.at(next++) : nullptr, image.tokens));
  }
  return seen;
}

std::vector<Region> regionsOf(const Prompt& prompt)
{
  std::vector<Region> regions;
  for (std::size_t i = 0; i < prompt.images.size(); ++i)
  {
    for (Region region : prompt.images[i].tokens.regions)
    {
      region.image = static_cast<std::int64_t>(i);
      region.start += prompt.images[i].start;
      regions.push_back(region);
    }
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

std::vector<picture::PictureSize> sizesOf(const std::vector<picture::RgbImage>& pictures)
{
  std::vector<picture::PictureSize> sizes;
  for (const picture::RgbImage& picture : pictures)
  {
    sizes.push_back({ picture.width, picture.height });
  }
  return sizes;
}

Prompt promptOf(const LlavaModel::Impl& model, const Question& question,
  const std::vector<picture::PictureSize>& pictures)
{
  const std::int64_t imageId = model.config.imageTokenId;
  const std::string imageToken = model.tokenizer.piece(imageId);
  const std::vector<picture::ImageTokens> images = model.imageTokens(pictures);
  const auto own =
    question.chatTemplate.empty() ? text::CheckpointTemplate::find(model.directory) : std::nullopt;
  if (own)
  {
    return makePrompt(own->apply(question.prompt, question.system, imageToken, images.size()),
      model.tokenizer, imageId, images, own->beginToken());
  }
  const text::ChatTemplate chat{
    question.chatTemplate.empty() ? text::layoutForModel(model.directory) : question.chatTemplate
  };
  return makePrompt(chat.apply(question.prompt, question.system, imageToken, images.size()),
    model.tokenizer, imageId, images);
}

Trace traceOf(const LlavaModel::Impl& model, const Question& question, const Prompt& prompt,
  const Answer& answer, const std::vector<picture::SeenPicture>& seen,
  const std::vector<picture::PictureSize>& given)
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
  describePictures(trace, seen, given);
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
