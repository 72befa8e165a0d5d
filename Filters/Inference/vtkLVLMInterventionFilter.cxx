// SPDX-License-Identifier: Apache-2.0
#include "vtkLVLMInterventionFilter.h"

#include "InferenceLibrary.h"
#include "TraceModel.h"

#include "Models/Ranks/Team.h"
#include "Readers/vtkLVLMGuard.h"
#include "Readers/vtkLVLMTrace.h"

/// The scores of the last call, and what they are of.
struct vtkLVLMInterventionFilter::Known
{
  std::weak_ptr<const lvlm::Trace> trace;
  std::shared_ptr<const lvlm::llava::LlavaModel> model;
  std::vector<lvlm::llava::Variant> variants;
  lvlm::llava::AnswerScores scores;
};

vtkLVLMInterventionFilter::vtkLVLMInterventionFilter() = default;
vtkLVLMInterventionFilter::~vtkLVLMInterventionFilter() = default;

void vtkLVLMInterventionFilter::PrintSelf(ostream& os, vtkIndent indent)
{
  this->Superclass::PrintSelf(os, indent);
  os << indent << "Fill: " << this->Fill << endl;
  os << indent << "ModelDirectory: " << this->ModelDirectory << endl;
  os << indent << "Device: " << this->Device << endl;
}

std::vector<std::int64_t> vtkLVLMInterventionFilter::GetScoredTokens(
  const lvlm::Trace& trace, vtkInformationVector* outputs) const
{
  lvlm::Indices tokens = lvlm::resolveIndices(
    this->GetTokensToUse(trace, outputs), trace.answerLength(), "AnswerTokens");
  if (tokens.empty())
  {
    lvlm::fail("the answer has no tokens");
  }
  this->TellTokens(trace, tokens, outputs);
  return tokens;
}

std::shared_ptr<const lvlm::llava::LlavaModel> vtkLVLMInterventionFilter::OpenModel(
  const lvlm::Trace& trace)
{
  lvlm::ranks::Team& team = this->GetRanks();
  std::shared_ptr<const lvlm::llava::LlavaModel> model;
  team.together(
    [&]
    {
      model = lvlm::openTraceModel(
        trace, this->ModelDirectory, this->Device, "no model to ask again", team);
    });
  return model;
}

lvlm::llava::Variant vtkLVLMInterventionFilter::Hiding(std::vector<std::int64_t> patches) const
{
  lvlm::llava::Variant variant;
  variant.patches = std::move(patches);
  variant.fill = static_cast<lvlm::llava::PatchFill>(this->Fill);
  return variant;
}

const lvlm::llava::AnswerScores& vtkLVLMInterventionFilter::GetScores(
  vtkDataObject* data, const std::vector<lvlm::llava::Variant>& variants)
{
  return this->GetScores(data, variants, lvlm::progressOf(this));
}

const lvlm::llava::AnswerScores& vtkLVLMInterventionFilter::GetScores(vtkDataObject* data,
  const std::vector<lvlm::llava::Variant>& variants, const lvlm::Progress& progress)
{
  lvlm::ranks::Team& team = this->GetRanks();
  const auto trace = vtkLVLMTrace::TraceOf(data);
  const auto model = this->OpenModel(*trace);
  // What one rank does not know any more, none does.
  const bool known = team.allAgree(
    [&]
    {
      return this->Last && this->Last->trace.lock() == trace && this->Last->model == model &&
        this->Last->variants == variants;
    });
  if (!known)
  {
    this->Last.reset();
    lvlm::llava::AnswerScores scores =
      lvlm::inference().answerScores(*model, *trace, variants, progress, team);
    this->Last = std::make_unique<Known>(Known{ trace, model, variants, std::move(scores) });
  }
  return this->Last->scores;
}
