// SPDX-License-Identifier: Apache-2.0
#include "Lens.h"

#include "Json.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>

namespace lvlm
{

namespace
{
namespace tn = tensor_name;

constexpr const char* TextKey = "lens.text";

Indices listedLayers(const Trace& trace)
{
  const Tensor& listed = trace.tensor(tn::HiddenLayers);
  const auto* layers = listed.as<std::int64_t>();
  return { layers, layers + listed.count() };
}

std::string listText(const Indices& numbers)
{
  std::string text;
  for (const std::int64_t number : numbers)
  {
    text += (text.empty() ? "" : ", ") + std::to_string(number);
  }
  return text;
}

std::map<std::int64_t, std::string> recordedTexts(const Trace& trace)
{
  const auto found = trace.extra.find(TextKey);
  if (found == trace.extra.end())
  {
    return {};
  }
  const std::string what = std::string("metadata key '") + TextKey + "'";
  const nlohmann::json all = parseJson(found->second, what);
  std::map<std::int64_t, std::string> texts;
  if (!all.is_object())
  {
    fail(what, " is not a JSON object of ids and texts");
  }
  for (const auto& [id, text] : all.items())
  {
    const bool isNumber = !id.empty() && id.size() < 19 &&
      std::all_of(id.begin(), id.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (!isNumber || !text.is_string())
    {
      fail(what, " holds something that is not an id with its text");
    }
    texts[std::stoll(id)] = text.get<std::string>();
  }
  return texts;
}

std::string withoutSpace(const std::string& text)
{
  const std::size_t first = text.find_first_not_of(" \t\n");
  const std::size_t last = text.find_last_not_of(" \t\n");
  return first == std::string::npos ? "" : text.substr(first, last - first + 1);
}

/// [K]: the logarithm of a word's probability where it is among the best [K, k], minus infinity
/// elsewhere.
std::vector<float> amongBest(const Lens& lens, std::size_t layer, std::int64_t word)
{
  const auto k = static_cast<std::size_t>(lens.best);
  const auto K = static_cast<std::size_t>(lens.positions);
  std::vector<float> row(K, -std::numeric_limits<float>::infinity());
  for (std::size_t i = layer * K * k; i < (layer + 1) * K * k; ++i)
  {
    if (lens.ids[i] == word)
    {
      row[i / k - layer * K] = lens.logprobs[i];
    }
  }
  return row;
}
}

Indices lensLayers(const Trace& trace, const Indices& wanted)
{
  const bool listed = trace.has(tn::HiddenLayers);
  Indices there;
  std::int64_t depth = trace.has(tn::AttentionAnswer) ? trace.layerTotal + 1 : 0;
  if (listed)
  {
    there = listedLayers(trace);
    depth = std::max(depth, *std::max_element(there.begin(), there.end()) + 1);
  }
  else
  {
    there.resize(static_cast<std::size_t>(depth));
    std::iota(there.begin(), there.end(), 0);
  }
  if (there.empty())
  {
    fail("the trace has neither '", tn::AttentionAnswer, "' nor '", tn::HiddenLayers,
      "': how many layers its model has is not known");
  }
  std::sort(there.begin(), there.end());
  if (wanted.empty())
  {
    return there;
  }
  Indices layers = resolveIndices(wanted, depth, "Layers");
  std::sort(layers.begin(), layers.end());
  for (const std::int64_t layer : layers)
  {
    if (!std::binary_search(there.begin(), there.end(), layer))
    {
      fail("Layers: ", layer, " was not captured, the trace has the hidden states of layers ",
        listText(there), " (CaptureHiddenLayers of LLaVA Inference; 0: the embeddings)");
    }
  }
  return layers;
}

void recordLens(Trace& trace, const Lens& lens)
{
  const auto layers = static_cast<std::int64_t>(lens.layers.size());
  const std::vector<std::int64_t> shape{ layers, lens.positions, lens.best };
  trace.tensors[tn::LensId] = Tensor::of(lens.ids, shape);
  trace.tensors[tn::LensLogprob] = Tensor::of(lens.logprobs, shape);
  trace.tensors[tn::HiddenLayers] = Tensor::of(lens.layers, { layers });
  nlohmann::json texts = nlohmann::json::object();
  for (const auto& [id, text] : lens.texts)
  {
    texts[std::to_string(id)] = text;
  }
  trace.extra[TextKey] = texts.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

Lens recordedLens(const Trace& trace, const Indices& layers, const Indices& words)
{
  const Tensor& ids = trace.tensor(tn::LensId); // [Lh, K, k]
  const Tensor& logprobs = trace.tensor(tn::LensLogprob);
  const Indices listed = listedLayers(trace);
  Lens lens;
  lens.layers = layers;
  lens.positions = ids.extent(1);
  lens.best = ids.extent(2);
  lens.words = words;
  lens.texts = recordedTexts(trace);
  const std::int64_t slab = lens.positions * lens.best;
  for (const std::int64_t layer : layers)
  {
    const auto found = std::find(listed.begin(), listed.end(), layer);
    if (found == listed.end())
    {
      fail("the recorded lens has no layer ", layer);
    }
    const std::int64_t first = (found - listed.begin()) * slab;
    const auto* begin = ids.as<std::int64_t>() + first;
    lens.ids.insert(lens.ids.end(), begin, begin + slab);
    lens.logprobs.resize(lens.ids.size());
    logprobs.toFloat(
      first, slab, lens.logprobs.data() + lens.ids.size() - static_cast<std::size_t>(slab));
  }
  for (const float logprob : lens.logprobs)
  {
    if (!(logprob <= 1e-3f)) // a probability of more than 1, or NaN
    {
      fail("tensor '", tn::LensLogprob, "' holds ", logprob, ", the logarithm of no probability");
    }
  }
  for (const std::int64_t word : words)
  {
    for (std::size_t layer = 0; layer < layers.size(); ++layer)
    {
      const std::vector<float> row = amongBest(lens, layer, word);
      lens.wordLogprobs.insert(lens.wordLogprobs.end(), row.begin(), row.end());
    }
  }
  return lens;
}

std::int64_t recordedWord(const Trace& trace, const std::string& word)
{
  const std::map<std::int64_t, std::string> texts = recordedTexts(trace);
  const std::string wanted = withoutSpace(word);
  for (const std::string& form : { " " + wanted, wanted })
  {
    for (const auto& [id, text] : texts)
    {
      if (text == form)
      {
        return id;
      }
    }
  }
  fail("Word: '", word, "' is none of the ", texts.size(),
    " words that the trace recorded; any other word that is one token needs the model "
    "(ModelDirectory)");
}

Indices answerIds(const Trace& trace, const Indices& tokens)
{
  const auto* ids = trace.tensor(tn::TokenId).as<std::int64_t>() + trace.promptLength;
  std::set<std::int64_t> distinct;
  for (const std::int64_t token : resolveIndices(tokens, trace.answerLength(), "AnswerTokens"))
  {
    distinct.insert(ids[token]);
  }
  return { distinct.begin(), distinct.end() };
}

std::vector<float> wordProbability(const Lens& lens, const Indices& words)
{
  const std::size_t width = lens.layers.size() * static_cast<std::size_t>(lens.positions);
  std::vector<double> sum(width);
  for (const std::int64_t word : words)
  {
    const auto found = std::find(lens.words.begin(), lens.words.end(), word);
    if (found == lens.words.end())
    {
      fail("word ", word, " is none of those that the lens was made for");
    }
    const float* row =
      lens.wordLogprobs.data() + static_cast<std::size_t>(found - lens.words.begin()) * width;
    for (std::size_t i = 0; i < width; ++i)
    {
      sum[i] += std::exp(static_cast<double>(row[i]));
    }
  }
  return { sum.begin(), sum.end() };
}

std::vector<SeenWord> seenWords(const Lens& lens, const Trace& trace)
{
  std::map<std::int64_t, SeenWord> best; // by id
  const Indices positions = patchPositions(trace);
  for (std::size_t layer = 0; layer < lens.layers.size(); ++layer)
  {
    for (std::size_t patch = 0; patch < positions.size(); ++patch)
    {
      const std::int64_t position =
        static_cast<std::int64_t>(layer) * lens.positions + positions[patch];
      for (std::int64_t n = 0; n < lens.best; ++n)
      {
        const auto i = static_cast<std::size_t>(position * lens.best + n);
        const float probability = std::exp(lens.logprobs[i]);
        const SeenWord here{ lens.ids[i], probability, lens.layers[layer],
          static_cast<std::int64_t>(patch) };
        const auto [word, isNew] = best.try_emplace(here.id, here);
        if (!isNew && probability > word->second.probability)
        {
          word->second = here;
        }
      }
    }
  }
  std::vector<SeenWord> words;
  words.reserve(best.size());
  for (const auto& [id, word] : best)
  {
    words.push_back(word);
  }
  std::stable_sort(words.begin(), words.end(),
    [](const SeenWord& a, const SeenWord& b) { return a.probability > b.probability; });
  return words;
}

} // namespace lvlm
