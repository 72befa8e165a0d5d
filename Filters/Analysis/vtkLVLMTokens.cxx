// SPDX-License-Identifier: Apache-2.0
#include "vtkLVLMTokens.h"

#include "Filters/Common/OutputVTK.h"
#include "Models/Trace/Analysis.h"
#include "Models/Trace/Regions.h"
#include "Models/Trace/Words.h"

#include "vtkInformation.h"
#include "vtkInformationVector.h"
#include "vtkObjectFactory.h"
#include "vtkTable.h"

#include <algorithm>
#include <cmath>
#include <limits>

vtkStandardNewMacro(vtkLVLMTokens);

namespace
{
namespace tn = lvlm::tensor_name;
using Integers = std::vector<std::int64_t>;

/// `values` [T] at the answer's positions, `outside` before.
template <typename T>
std::vector<T> besideAnswer(
  const lvlm::Trace& trace, const std::vector<T>& values, const T& outside)
{
  std::vector<T> column(static_cast<std::size_t>(trace.promptLength), outside);
  column.insert(column.end(), values.begin(), values.end());
  return column;
}

Integers indicesOfPatches(const lvlm::Trace& trace, bool rows)
{
  Integers column(trace.tokens.size(), -1);
  for (const lvlm::Region& region : lvlm::allRegions(trace))
  {
    for (std::int64_t patch = 0; patch < region.grid.count(); ++patch)
    {
      column[static_cast<std::size_t>(region.position(patch))] =
        rows ? patch / region.grid.cols : patch % region.grid.cols;
    }
  }
  return column;
}

void addAnswerColumns(const lvlm::Trace& trace, vtkTable* table)
{
  const auto T = static_cast<std::size_t>(trace.answerLength());
  const float unknown = std::numeric_limits<float>::quiet_NaN();
  Integers index(T);
  for (std::size_t t = 0; t < T; ++t)
  {
    index[t] = static_cast<std::int64_t>(t);
  }
  lvlm::addColumn(table, "answer_index", besideAnswer<std::int64_t>(trace, index, -1));
  lvlm::addColumn(table, "patch_row", indicesOfPatches(trace, true));
  lvlm::addColumn(table, "patch_col", indicesOfPatches(trace, false));
  std::vector<float> logprob(T, unknown);
  if (trace.has(tn::AnswerLogprob))
  {
    trace.tensor(tn::AnswerLogprob).toFloat(0, trace.answerLength(), logprob.data());
  }
  lvlm::addColumn(table, "logprob", besideAnswer(trace, logprob, unknown));
}

/// `probability` and `chosen`; behind the recorded columns, whose order others may rely on.
void addShownColumns(const lvlm::Trace& trace, const Integers& tokens, vtkTable* table)
{
  const auto T = static_cast<std::size_t>(trace.answerLength());
  const float unknown = std::numeric_limits<float>::quiet_NaN();
  std::vector<float> probability(T, unknown);
  if (trace.has(tn::AnswerLogprob))
  {
    trace.tensor(tn::AnswerLogprob).toFloat(0, trace.answerLength(), probability.data());
    std::transform(probability.begin(), probability.end(), probability.begin(),
      [](float logprob) { return std::exp(logprob); });
  }
  Integers chosen(T, 0);
  for (const std::int64_t token : tokens)
  {
    chosen[static_cast<std::size_t>(token)] = 1;
  }
  lvlm::addColumn(table, "probability", besideAnswer(trace, probability, unknown));
  lvlm::addColumn(table, "chosen", besideAnswer<std::int64_t>(trace, chosen, 0));
}

void addAlternatives(const lvlm::Trace& trace, vtkTable* table)
{
  const lvlm::Tensor& ids = trace.tensor(tn::TopkId); // [T, k]
  const lvlm::Tensor& logprobs = trace.tensor(tn::TopkLogprob);
  const std::vector<std::string> pieces = lvlm::alternativeTokens(trace);
  const std::vector<std::string> texts = lvlm::alternativeTexts(trace);
  const auto T = static_cast<std::size_t>(ids.extent(0));
  const auto k = static_cast<std::size_t>(ids.extent(1));
  std::vector<float> all(T * k);
  logprobs.toFloat(0, logprobs.count(), all.data());
  for (std::size_t n = 0; n < k; ++n)
  {
    Integers id(T);
    std::vector<std::string> token(T), text(T);
    std::vector<float> logprob(T);
    for (std::size_t t = 0; t < T; ++t)
    {
      id[t] = ids.as<std::int64_t>()[t * k + n];
      token[t] = pieces[t * k + n];
      text[t] = texts[t * k + n];
      logprob[t] = all[t * k + n];
    }
    const std::string name = "top" + std::to_string(n + 1);
    const float unknown = std::numeric_limits<float>::quiet_NaN();
    lvlm::addColumn(table, name + "_id", besideAnswer<std::int64_t>(trace, id, -1));
    lvlm::addColumn(table, name + "_token", besideAnswer<std::string>(trace, token, ""));
    lvlm::addColumn(table, name + "_text", besideAnswer<std::string>(trace, text, ""));
    lvlm::addColumn(table, name + "_logprob", besideAnswer(trace, logprob, unknown));
  }
}
}

int vtkLVLMTokens::FillOutputPortInformation(int, vtkInformation* info)
{
  info->Set(vtkDataObject::DATA_TYPE_NAME(), "vtkTable");
  return 1;
}

void vtkLVLMTokens::Compute(const lvlm::Trace& trace, vtkDataObject*, vtkInformationVector** inputs,
  vtkInformationVector* outputs)
{
  auto* table = vtkTable::GetData(outputs);
  Integers position(trace.tokens.size());
  std::vector<std::string> roles, texts;
  for (std::size_t p = 0; p < position.size(); ++p)
  {
    texts.push_back(lvlm::textAt(trace, p));
    position[p] = static_cast<std::int64_t>(p);
    roles.emplace_back(lvlm::nameOf(trace.roles[p]));
  }
  const auto* ids = trace.tensor(tn::TokenId).as<std::int64_t>();
  lvlm::addColumn(table, "position", position);
  lvlm::addColumn(table, "id", Integers(ids, ids + position.size()));
  lvlm::addColumn(table, "token", trace.tokens);
  lvlm::addColumn(table, "text", texts);
  lvlm::addColumn(table, "role", roles);
  addAnswerColumns(trace, table);
  if (trace.has(tn::TopkId))
  {
    addAlternatives(trace, table);
  }
  addShownColumns(trace, this->GetTokensToMark(trace, inputs, outputs).value_or(Integers()), table);
  lvlm::addText(
    table, "grid", std::to_string(trace.grid.rows) + "," + std::to_string(trace.grid.cols));
  if (!trace.regions.empty()) // the whole picture comes first
  {
    std::string content;
    for (const double edge : trace.regions.front().box)
    {
      content += (content.empty() ? "" : ",") + std::to_string(std::lround(edge));
    }
    lvlm::addText(table, "content", content);
  }
  if (const std::int64_t pictures = lvlm::pictureCount(trace); pictures > 1)
  {
    lvlm::addText(table, "pictures", std::to_string(pictures));
  }
  lvlm::addText(table, "question", lvlm::questionOf(trace));
  lvlm::addText(table, "model", trace.model);
}
