// SPDX-License-Identifier: Apache-2.0
#include "TokenTable.h"

#include "Models/Trace/Analysis.h"
#include "Models/Trace/Trace.h"
#include "Models/Trace/Words.h"

#include "vtkStringArray.h"

#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

namespace
{
namespace tn = lvlm::tensor_name;

std::vector<float> floatsOf(const lvlm::Trace& trace, const char* name)
{
  const lvlm::Tensor& tensor = trace.tensor(name);
  std::vector<float> values(static_cast<std::size_t>(tensor.count()));
  tensor.toFloat(0, tensor.count(), values.data());
  return values;
}

std::string number(double value)
{
  char text[32];
  std::snprintf(text, sizeof(text), "%.6g", value);
  return text;
}

/// Name and values, a value an answer token.
struct Column
{
  std::string name;
  std::vector<std::string> values;
};

void addProbabilities(const lvlm::Trace& trace, std::vector<Column>& columns)
{
  Column logprob{ "logprob", {} };
  Column probability{ "probability", {} };
  for (const float value : floatsOf(trace, tn::AnswerLogprob))
  {
    logprob.values.push_back(number(value));
    probability.values.push_back(number(std::exp(static_cast<double>(value))));
  }
  columns.push_back(std::move(probability));
  columns.push_back(std::move(logprob));
}

void addAlternatives(const lvlm::Trace& trace, std::vector<Column>& columns)
{
  const std::vector<std::string> pieces = lvlm::alternativeTokens(trace); // [T, k]
  const std::vector<std::string> texts = lvlm::alternativeTexts(trace);   // [T, k]
  const std::vector<float> logprobs = floatsOf(trace, tn::TopkLogprob);   // [T, k]
  const auto k = static_cast<std::size_t>(trace.tensor(tn::TopkId).extent(1));
  for (std::size_t n = 0; n < k; ++n)
  {
    const std::string name = "top" + std::to_string(n + 1);
    Column token{ name + "_token", {} };
    Column text{ name + "_text", {} };
    Column logprob{ name + "_logprob", {} };
    for (std::size_t i = n; i < pieces.size(); i += k)
    {
      token.values.push_back(pieces[i]);
      text.values.push_back(texts[i]);
      logprob.values.push_back(number(logprobs[i]));
    }
    columns.push_back(std::move(token));
    columns.push_back(std::move(text));
    columns.push_back(std::move(logprob));
  }
}
}

namespace lvlm
{

void answerRows(const Trace& trace, vtkStringArray* strings)
{
  std::vector<Column> columns{ { "token",
    { trace.tokens.begin() + trace.promptLength, trace.tokens.end() } } };
  columns.push_back({ "text", {} });
  for (auto at = static_cast<std::size_t>(trace.promptLength); at < trace.tokens.size(); ++at)
  {
    columns.back().values.push_back(textAt(trace, at));
  }
  if (trace.has(tn::AnswerLogprob))
  {
    addProbabilities(trace, columns);
  }
  if (trace.has(tn::TopkId))
  {
    addAlternatives(trace, columns);
  }
  strings->InsertNextValue(std::to_string(columns.size()));
  for (const Column& column : columns)
  {
    strings->InsertNextValue(column.name);
  }
  for (std::size_t row = 0; row < columns[0].values.size(); ++row)
  {
    for (const Column& column : columns)
    {
      strings->InsertNextValue(column.values[row]);
    }
  }
}

} // namespace lvlm
