// SPDX-License-Identifier: Apache-2.0
#include "vtkLVLMRelevancy.h"

#include "RelevancyRequest.h"

#include "Filters/Common/OutputVTK.h"
#include "Models/Trace/Regions.h"
#include "Models/Trace/Rollout.h"
#include "Models/Trace/Words.h"
#include "Readers/TensorVTK.h"
#include "Readers/TraceShape.h"
#include "Readers/vtkLVLMGuard.h"
#include "Readers/vtkLVLMTrace.h"

#include "vtkCellData.h"
#include "vtkFieldData.h"
#include "vtkImageData.h"
#include "vtkInformation.h"
#include "vtkObjectFactory.h"
#include "vtkTable.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

vtkStandardNewMacro(vtkLVLMRelevancy);

namespace
{
/// `relevancy.joint_token` -> `joint_token`.
std::string arrayName(const std::string& tensor)
{
  return tensor.substr(tensor.find('.') + 1);
}

/// The tokens of all words that a chosen token belongs to.
lvlm::Indices tokensOfWords(const lvlm::Trace& trace, const lvlm::Indices& chosen)
{
  const std::set<std::int64_t> wanted(chosen.begin(), chosen.end());
  lvlm::Indices tokens;
  for (const lvlm::Word& word : lvlm::answerWords(trace))
  {
    const std::int64_t begin = word.begin - trace.promptLength;
    const std::int64_t end = word.end - trace.promptLength;
    const auto first = wanted.lower_bound(begin);
    for (std::int64_t t = begin; first != wanted.end() && *first < end && t < end; ++t)
    {
      tokens.push_back(t);
    }
  }
  return tokens;
}

/// Of the row's sum, what falls on each word.
std::vector<float> sharesOf(const std::vector<lvlm::Word>& words, const std::vector<float>& row)
{
  double total = 0;
  for (const float value : row)
  {
    total += value;
  }
  std::vector<float> shares;
  shares.reserve(words.size());
  for (const lvlm::Word& word : words)
  {
    double sum = 0;
    for (std::int64_t at = word.begin; at < word.end; ++at)
    {
      sum += row[static_cast<std::size_t>(at)];
    }
    shares.push_back(total == 0 ? 0.0f : static_cast<float>(sum / total));
  }
  return shares;
}

/// Of the image, beside the words.
std::vector<std::pair<const char*, double>> numbersOf(const lvlm::TextRelevancy& text)
{
  return { { "image_mean", text.imageMean }, { "image_maximum", text.imageMaximum },
    { "image_share", text.imageShare }, { "image_percentile", text.imagePercentile } };
}

void fillTable(vtkTable* table, const lvlm::TextRelevancy& text, const std::vector<float>& row)
{
  std::vector<std::string> words, roles;
  lvlm::Indices position, positions;
  for (const lvlm::Word& word : text.words)
  {
    words.push_back(word.text);
    roles.emplace_back(lvlm::nameOf(word.role));
    position.push_back(word.begin);
    positions.push_back(word.end - word.begin);
  }
  lvlm::addColumn(table, "word", words);
  lvlm::addColumn(table, "role", roles);
  lvlm::addColumn(table, "position", position);
  lvlm::addColumn(table, "positions", positions);
  lvlm::addColumn(
    table, "relevancy", std::vector<float>(text.relevancy.begin(), text.relevancy.end()));
  lvlm::addColumn(table, "share", sharesOf(text.words, row));
  for (const auto& [name, value] : numbersOf(text))
  {
    lvlm::addColumn(table, name, std::vector<float>(text.words.size(), static_cast<float>(value)));
  }
}

void addNumbers(vtkDataObject* output, const lvlm::TextRelevancy& text)
{
  for (const auto& [name, value] : numbersOf(text))
  {
    output->GetFieldData()->AddArray(
      lvlm::arrayFromTensor(lvlm::Tensor::of(std::vector<double>{ value }, { 1 }), name));
  }
}

/// For a caption: "relevancy (exact)".
std::string methodText(int method, int mode)
{
  if (method == vtkLVLMRelevancy::GRADIENT)
  {
    return mode == vtkLVLMRelevancy::EXACT ? "relevancy (exact)" : "relevancy (as LVLM-Interpret)";
  }
  return method == vtkLVLMRelevancy::TOKEN_ACTIVATION ? "token activation map"
    : method == vtkLVLMRelevancy::ROLLOUT_MEAN        ? "attention rollout (mean of heads)"
                                                      : "attention rollout (maximum of heads)";
}

/// What a map follows and what that is worth (measured: relevancy.md), for captions.
struct MapText
{
  const char* title;
  const char* worth;
};

MapText gradientText(const std::string& name, bool visionTower)
{
  constexpr MapText rough{ "Through both, for the whole picture",
    "Rough: often beside the object" };
  if (name == "decoder")
  {
    return { "Through the language model", "Trust this one first" };
  }
  if (name == "vision")
  {
    return { "Through the vision tower", "Rough: often beside the object" };
  }
  // The joint map of a tower without CLS, which gives no map of its own.
  return name == "joint_token" ? MapText{ "Through both, for this token", "As good as the first" }
    : visionTower              ? rough
                               : MapText{ "Through both, for this token", "See also the first" };
}

/// Two lines `<name>_text` for every map that there could be; those that there
/// are not say so.
void addMapTexts(vtkImageData* image, int method)
{
  const bool tower = image->GetCellData()->GetArray("vision") != nullptr;
  std::vector<std::string> names{ arrayName(lvlm::ActivationName) };
  std::transform(std::begin(lvlm::RelevancyNames), std::end(lvlm::RelevancyNames),
    std::back_inserter(names), [](const char* name) { return arrayName(name); });
  for (const std::string& name : names)
  {
    MapText text{ "No map here",
      method == vtkLVLMRelevancy::GRADIENT             ? "The relevancy has none of this kind"
        : method == vtkLVLMRelevancy::TOKEN_ACTIVATION ? "A token activation map is a single one"
                                                       : "Attention rollout gives a single map" };
    if (image->GetCellData()->GetArray(name.c_str()))
    {
      text = method == vtkLVLMRelevancy::GRADIENT ? gradientText(name, tower)
        : method == vtkLVLMRelevancy::TOKEN_ACTIVATION
        ? MapText{ "Token activation map", "Where the picture says the token itself" }
        : MapText{ "Attention rollout through the language model",
            "Attention alone: it knows no gradient" };
    }
    lvlm::addTexts(image, (name + "_text").c_str(), { text.title, text.worth });
  }
}

/// For a colour legend.
const char* legendText(int method, bool normalized)
{
  return method == vtkLVLMRelevancy::TOKEN_ACTIVATION ? "Token activation of each patch"
    : method != vtkLVLMRelevancy::GRADIENT            ? "Rollout to each patch (part of 1)"
    : normalized                                      ? "Relevancy of each patch (part of 1)"
                                                      : "Relevancy of each patch (a sum)";
}

void addMap(vtkImageData* image, const lvlm::Trace& trace, const std::string& name,
  const std::vector<float>& map)
{
  const auto array = lvlm::arrayFromTensor(
    lvlm::Tensor::of(lvlm::rowsUp(map, trace.grid), { trace.grid.count() }), name);
  image->GetCellData()->AddArray(array);
  if (!image->GetCellData()->GetScalars())
  {
    image->GetCellData()->SetActiveScalars(name.c_str());
  }
}
}

vtkLVLMRelevancy::vtkLVLMRelevancy() : Known(std::make_unique<lvlm::RelevancyCache>())
{
  this->SetNumberOfOutputPorts(2);
}

vtkLVLMRelevancy::~vtkLVLMRelevancy() = default;

void vtkLVLMRelevancy::PrintSelf(ostream& os, vtkIndent indent)
{
  this->Superclass::PrintSelf(os, indent);
  os << indent << "Method: " << this->Method << endl;
  os << indent << "Mode: " << this->Mode << endl;
  os << indent << "Normalize: " << this->Normalize << endl;
  os << indent << "Words: " << this->Words << endl;
  os << indent << "ModelDirectory: " << this->ModelDirectory << endl;
  os << indent << "Precision: " << this->Precision << endl;
  os << indent << "Device: " << this->Device << endl;
}

int vtkLVLMRelevancy::FillOutputPortInformation(int port, vtkInformation* info)
{
  info->Set(vtkDataObject::DATA_TYPE_NAME(), port == 0 ? "vtkImageData" : "vtkTable");
  return 1;
}

void vtkLVLMRelevancy::Announce(const lvlm::TraceShape& shape, vtkInformationVector* outputs)
{
  lvlm::announceImage(outputs->GetInformationObject(0), lvlm::gridCells(shape));
}

lvlm::RelevancyRequest vtkLVLMRelevancy::GetRequest(
  const lvlm::Trace& trace, vtkInformationVector* outputs) const
{
  using Method = lvlm::RelevancyRequest::Method;
  lvlm::RelevancyRequest request;
  constexpr Method Methods[] = { Method::Gradient, Method::RolloutMean, Method::RolloutMaximum,
    Method::TokenActivation };
  request.method = Methods[this->Method];
  const lvlm::Indices tokens = lvlm::resolveIndices(
    this->GetTokensToUse(trace, outputs), trace.answerLength(), "AnswerTokens");
  request.tokens = this->Words ? tokensOfWords(trace, tokens) : tokens;
  request.compatible = this->Mode == COMPATIBLE;
  request.roundedGradients = this->Precision == BFLOAT16;
  request.normalize = this->Normalize;
  request.modelDirectory = this->ModelDirectory;
  request.device = this->Device;
  return request;
}

void vtkLVLMRelevancy::Compute(const lvlm::Trace& trace, vtkDataObject* data,
  vtkInformationVector**, vtkInformationVector* outputs)
{
  const lvlm::RelevancyRequest request = this->GetRequest(trace, outputs);
  const auto whole = vtkLVLMTrace::TraceOf(data); // `trace` may be one region's view of it
  if (this->Method == TOKEN_ACTIVATION &&
    lvlm::patchPositions(trace) != lvlm::patchPositions(*whole))
  {
    lvlm::fail("Region: ", this->Region,
      ": a token activation map is made of the finest patches "
      "alone (-1)");
  }
  const lvlm::AnswerMaps maps = lvlm::relevancyMaps(
    request, *whole, data, *this->Known, this->GetRanks(), lvlm::progressOf(this));
  const lvlm::TraceShape shape = lvlm::shapeOf(trace);
  auto* image = vtkImageData::GetData(outputs, 0);
  lvlm::shapeImage(image, lvlm::gridCells(shape));
  const bool normalize = this->Method == GRADIENT && this->Normalize;
  std::vector<const char*> names{ lvlm::ActivationName };
  if (this->Method != TOKEN_ACTIVATION)
  {
    names.assign(std::begin(lvlm::RelevancyNames), std::end(lvlm::RelevancyNames));
  }
  for (const char* name : names)
  {
    // What went through the tower is about the first picture.
    const bool shown = name == names[0] || lvlm::mapGrid(trace).image == 0;
    if (!shown || maps.begin()->second.count(name) == 0)
    {
      continue;
    }
    std::vector<float> map = lvlm::meanMap(maps, name, normalize);
    if (name == names[0]) // over the whole sequence
    {
      const bool compatible = this->Method == GRADIENT && this->Mode == COMPATIBLE;
      const lvlm::TextRelevancy text =
        lvlm::textRelevancy(trace, maps.rbegin()->first, map, compatible);
      auto* table = vtkTable::GetData(outputs, 1);
      fillTable(table, text, map);
      lvlm::addText(table, "method", methodText(this->Method, this->Mode));
      lvlm::addText(image, "method", methodText(this->Method, this->Mode));
      addNumbers(image, text);
      map = lvlm::imageSpan(trace, map);
    }
    addMap(image, trace, arrayName(name), map);
  }
  lvlm::addPatchIndices(image, trace.grid);
  lvlm::addPicture(image, data, lvlm::mapGrid(trace).image);
  this->TellTokens(trace, request.tokens, outputs);
  addMapTexts(image, this->Method);
  lvlm::addLegend(image, trace, legendText(this->Method, normalize), arrayName(names[0]));
}
