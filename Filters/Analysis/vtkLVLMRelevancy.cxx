// SPDX-License-Identifier: Apache-2.0
#include "vtkLVLMRelevancy.h"

#include "GradientRelevancy.h"

#include "Filters/Common/OutputVTK.h"
#include "Models/Trace/Rollout.h"
#include "Models/Trace/Words.h"
#include "Readers/RankExchange.h"
#include "Readers/TensorVTK.h"
#include "Readers/TraceVTK.h"
#include "Readers/vtkLVLMGuard.h"

#include "vtkCellData.h"
#include "vtkFieldData.h"
#include "vtkImageData.h"
#include "vtkInformation.h"
#include "vtkObjectFactory.h"
#include "vtkTable.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

vtkStandardNewMacro(vtkLVLMRelevancy);

namespace tn = lvlm::tensor_name;

namespace
{
/// One row a token under each name of `relevancy.*`: f32 [n, K] (decoder) or [n, rows*cols].
using Rows = std::map<std::string, lvlm::Tensor>;

/// In the order of the output; the first one that is there is shown.
constexpr const char* MapNames[] = { tn::RelevancyDecoder, tn::RelevancyVision, tn::RelevancyJoint,
  tn::RelevancyJointToken };

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

/// Whether the trace carries relevancy, of the wanted kind as far as it says which kind it is.
bool carriesRelevancy(const lvlm::Trace& trace, bool compatible, bool normalize)
{
  const auto fits = [&trace](const char* key, const char* wanted)
  {
    const auto found = trace.extra.find(key);
    return found == trace.extra.end() || found->second == wanted;
  };
  return std::any_of(std::begin(MapNames), std::end(MapNames),
           [&trace](const char* name) { return trace.has(name); }) &&
    fits("relevancy.mode", compatible ? "compatible" : "exact") &&
    fits("relevancy.normalized", normalize ? "1" : "0");
}

/// The recorded rows of some tokens.
Rows recordedRows(const lvlm::Trace& trace, const lvlm::Indices& tokens)
{
  Rows rows;
  for (const char* name : MapNames)
  {
    if (!trace.has(name))
    {
      continue;
    }
    const lvlm::Tensor& all = trace.tensor(name); // [T, width]
    const std::int64_t width = all.extent(1);
    std::vector<float> values(tokens.size() * static_cast<std::size_t>(width));
    for (std::size_t i = 0; i < tokens.size(); ++i)
    {
      all.toFloat(tokens[i] * width, width, values.data() + i * static_cast<std::size_t>(width));
    }
    rows[name] = lvlm::Tensor::of(values, { static_cast<std::int64_t>(tokens.size()), width });
  }
  return rows;
}

/// Attention rollout whose rows go from rank to rank, each taking them through its own layers.
std::vector<float> rolloutOfRanks(const lvlm::Trace& trace, const lvlm::Indices& tokens,
  lvlm::Reduction reduction, lvlm::RankExchange& ranks, const lvlm::Progress& progress)
{
  lvlm::Rollout rollout(trace, tokens, reduction);
  std::vector<std::int64_t> held;
  for (std::int64_t layer = 0; layer < rollout.layers(); ++layer)
  {
    held.push_back(rollout.holds(layer) ? 1 : 0);
  }
  const auto holders = ranks.gather(held); // [ranks, layers]
  int owner = -1;
  for (std::int64_t layer = rollout.layers(); layer-- > 0;)
  {
    const int before = owner;
    const auto has = [layer](const auto& one) { return one[static_cast<std::size_t>(layer)] != 0; };
    const auto found = std::find_if(holders.begin(), holders.end(), has);
    if (found == holders.end())
    {
      lvlm::fail("the complete attention of layer ", layer, " is on none of the ranks");
    }
    owner = static_cast<int>(found - holders.begin());
    if (before >= 0 && before != owner)
    {
      ranks.broadcast(rollout.rows, before);
    }
    if (owner == ranks.rank())
    {
      lvlm::report(progress,
        1 - static_cast<double>(layer + 1) / static_cast<double>(rollout.layers()),
        "Rollout, layer " + std::to_string(layer));
      rollout.descend(layer);
    }
  }
  ranks.broadcast(rollout.rows, owner);
  return { rollout.rows.begin(), rollout.rows.end() };
}

/// [n, width] -> [width]. Throws for a number that is not finite, as a recorded one may be.
std::vector<float> meanRow(const lvlm::Tensor& rows, const std::string& name)
{
  const auto n = static_cast<std::size_t>(rows.extent(0));
  const auto width = static_cast<std::size_t>(rows.extent(1));
  const float* values = rows.as<float>();
  std::vector<float> mean(width);
  for (std::size_t i = 0; i < width; ++i)
  {
    double sum = 0;
    for (std::size_t row = 0; row < n; ++row)
    {
      sum += values[row * width + i];
    }
    if (!std::isfinite(sum))
    {
      lvlm::fail(name, " has a value that is not finite at element ", i, " of a chosen token");
    }
    mean[i] = static_cast<float>(sum / static_cast<double>(n));
  }
  return mean;
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
  const auto same = [&](double value)
  { return std::vector<float>(text.words.size(), static_cast<float>(value)); };
  lvlm::addColumn(table, "word", words);
  lvlm::addColumn(table, "role", roles);
  lvlm::addColumn(table, "position", position);
  lvlm::addColumn(table, "positions", positions);
  lvlm::addColumn(
    table, "relevancy", std::vector<float>(text.relevancy.begin(), text.relevancy.end()));
  lvlm::addColumn(table, "share", sharesOf(text.words, row));
  lvlm::addColumn(table, "image_mean", same(text.imageMean));
  lvlm::addColumn(table, "image_maximum", same(text.imageMaximum));
  lvlm::addColumn(table, "image_share", same(text.imageShare));
  lvlm::addColumn(table, "image_percentile", same(text.imagePercentile));
}

void addNumber(vtkDataObject* output, const char* name, double value)
{
  output->GetFieldData()->AddArray(
    lvlm::arrayFromTensor(lvlm::Tensor::of(std::vector<double>{ value }, { 1 }), name));
}

/// For a caption: "relevancy (exact)".
std::string methodText(int method, int mode)
{
  if (method == vtkLVLMRelevancy::GRADIENT)
  {
    return mode == vtkLVLMRelevancy::EXACT ? "relevancy (exact)" : "relevancy (as LVLM-Interpret)";
  }
  return method == vtkLVLMRelevancy::ROLLOUT_MEAN ? "attention rollout (mean of heads)"
                                                  : "attention rollout (maximum of heads)";
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

struct vtkLVLMRelevancy::Internals
{
  std::unique_ptr<lvlm::GradientRelevancy> Gradient;
  /// Rollout rows [K] by reduction and token, of the input as it was at a time.
  std::map<std::pair<int, std::int64_t>, std::vector<float>> Rollout;
  vtkDataObject* RolloutInput = nullptr; // compared, never followed
  vtkMTimeType RolloutTime = 0;

  Rows rollout(const lvlm::Trace& trace, vtkDataObject* data, const lvlm::Indices& tokens,
    int method, lvlm::RankExchange& ranks, const lvlm::Progress& progress)
  {
    if (this->RolloutInput != data || this->RolloutTime != data->GetMTime())
    {
      this->Rollout.clear();
      this->RolloutInput = data;
      this->RolloutTime = data->GetMTime();
    }
    lvlm::Indices missing;
    std::copy_if(tokens.begin(), tokens.end(), std::back_inserter(missing),
      [&](std::int64_t t) {
        return this->Rollout.count({ method, t }) == 0;
      });
    const auto K = static_cast<std::size_t>(trace.keys());
    if (!missing.empty())
    {
      const auto reduction =
        method == vtkLVLMRelevancy::ROLLOUT_MEAN ? lvlm::Reduction::Mean : lvlm::Reduction::Maximum;
      const std::vector<float> rows = rolloutOfRanks(trace, missing, reduction, ranks, progress);
      for (std::size_t i = 0; i < missing.size(); ++i)
      {
        const auto begin = rows.begin() + static_cast<std::ptrdiff_t>(i * K);
        this->Rollout[{ method, missing[i] }].assign(begin, begin + static_cast<std::ptrdiff_t>(K));
      }
    }
    std::vector<float> all;
    for (const std::int64_t t : tokens)
    {
      const std::vector<float>& row = this->Rollout.at({ method, t });
      all.insert(all.end(), row.begin(), row.end());
    }
    return { { tn::RelevancyDecoder,
      lvlm::Tensor::of(all, { static_cast<std::int64_t>(tokens.size()), trace.keys() }) } };
  }
};

vtkLVLMRelevancy::vtkLVLMRelevancy() : Self(std::make_unique<Internals>())
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

void vtkLVLMRelevancy::Compute(const lvlm::Trace& trace, vtkDataObject* data,
  vtkInformationVector**, vtkInformationVector* outputs)
{
  lvlm::Indices tokens = lvlm::resolveIndices(
    this->GetTokensToUse(trace, outputs), trace.answerLength(), "AnswerTokens");
  tokens = this->Words ? tokensOfWords(trace, tokens) : tokens;
  Rows rows;
  if (this->Method != GRADIENT)
  {
    rows = this->Self->rollout(
      trace, data, tokens, this->Method, this->GetRanks(), this->GetRankProgress());
  }
  else if (carriesRelevancy(trace, this->Mode == COMPATIBLE, this->Normalize))
  {
    rows = recordedRows(trace, tokens);
  }
  else
  {
    if (!this->Self->Gradient)
    {
      this->Self->Gradient = lvlm::makeGradientRelevancy();
    }
    rows = this->Self->Gradient->compute(lvlm::traceFromVTK(data, true),
      { tokens, this->Mode == COMPATIBLE, this->Normalize, this->ModelDirectory, this->Device },
      lvlm::progressOf(this));
  }

  lvlm::TraceShape shape;
  lvlm::shapeOf(data, shape);
  auto* image = vtkImageData::GetData(outputs, 0);
  lvlm::shapeImage(image, lvlm::gridCells(shape));
  for (const char* name : MapNames)
  {
    if (rows.count(name) == 0)
    {
      continue;
    }
    std::vector<float> map = meanRow(rows.at(name), name);
    if (name == MapNames[0])
    {
      const std::int64_t last = *std::max_element(tokens.begin(), tokens.end());
      const bool compatible = this->Method == GRADIENT && this->Mode == COMPATIBLE;
      const lvlm::TextRelevancy text = lvlm::textRelevancy(trace, last, map, compatible);
      fillTable(vtkTable::GetData(outputs, 1), text, map);
      lvlm::addText(vtkTable::GetData(outputs, 1), "method", methodText(this->Method, this->Mode));
      addNumber(image, "image_mean", text.imageMean);
      addNumber(image, "image_maximum", text.imageMaximum);
      addNumber(image, "image_share", text.imageShare);
      addNumber(image, "image_percentile", text.imagePercentile);
      map = lvlm::imageSpan(trace, map);
    }
    addMap(image, trace, arrayName(name), map);
  }
  lvlm::addPatchIndices(image, trace.grid);
  lvlm::addPicture(image, data);
}
