// SPDX-License-Identifier: Apache-2.0
#include "vtkLVLMTokenFilter.h"

#include "Models/Trace/Analysis.h"
#include "Models/Trace/Trace.h"

#include "vtkDataArray.h"
#include "vtkDataObject.h"
#include "vtkFieldData.h"
#include "vtkInformation.h"
#include "vtkInformationVector.h"
#include "vtkStreamingDemandDrivenPipeline.h"

#include <algorithm>

vtkLVLMTokenFilter::vtkLVLMTokenFilter()
{
  this->SetNumberOfInputPorts(2);
}

void vtkLVLMTokenFilter::SetAboutConnection(vtkAlgorithmOutput* about)
{
  this->SetInputConnection(1, about);
}

int vtkLVLMTokenFilter::FillInputPortInformation(int port, vtkInformation* info)
{
  if (port == 0)
  {
    return this->Superclass::FillInputPortInformation(port, info);
  }
  info->Set(vtkAlgorithm::INPUT_REQUIRED_DATA_TYPE(), "vtkDataObject");
  info->Set(vtkAlgorithm::INPUT_IS_OPTIONAL(), 1);
  return 1;
}

vtkDataObject* vtkLVLMTokenFilter::GetAbout(vtkInformationVector** inputs)
{
  return vtkDataObject::GetData(inputs[1]);
}

bool vtkLVLMTokenFilter::FollowsTime(vtkInformationVector** inputs) const
{
  vtkInformation* about = inputs[1]->GetInformationObject(0);
  return about ? about->Has(vtkStreamingDemandDrivenPipeline::TIME_STEPS()) != 0
               : this->Superclass::FollowsTime(inputs);
}

std::optional<std::vector<std::int64_t>> vtkLVLMTokenFilter::GetTokensToMark(
  const lvlm::Trace& trace, vtkInformationVector** inputs, vtkInformationVector* outputs) const
{
  vtkDataObject* about = GetAbout(inputs);
  if (!about)
  {
    return lvlm::resolveIndices(
      this->GetTokensToUse(trace, outputs), trace.answerLength(), "AnswerTokens");
  }
  vtkDataArray* told = about->GetFieldData()->GetArray("answer_tokens");
  if (!told)
  {
    return std::nullopt;
  }
  std::vector<std::int64_t> tokens;
  for (vtkIdType i = 0; i < told->GetNumberOfTuples(); ++i)
  {
    const auto token = static_cast<std::int64_t>(told->GetComponent(i, 0));
    if (token >= 0 && token < trace.answerLength()) // it may be of another trace
    {
      tokens.push_back(token);
    }
  }
  std::sort(tokens.begin(), tokens.end());
  return tokens;
}
