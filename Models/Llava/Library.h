// SPDX-License-Identifier: Apache-2.0
/// @file Library.h
/// What this room's library offers to a program that loads it while it runs (dlopen) instead of
/// linking it. LibTorch brings libraries of its own along (Debian 13's has LLVM inside): linked,
/// they would take the place of those that ParaView draws with, and whoever only reads recorded
/// traces would load them too.
#ifndef LVLM_LLAVA_LIBRARY_H
#define LVLM_LLAVA_LIBRARY_H

#include "Intervention.h"
#include "Lens.h"
#include "LlavaModel.h"
#include "Relevancy.h"
#include "Seeing.h"
#include "Weighting.h"

namespace lvlm::llava
{

/// The functions of this room; a model that open() gives has virtual ones.
struct Library
{
  decltype(&LlavaModel::open) open;
  decltype(&llava::relevancyMaps) relevancyMaps;
  decltype(&llava::logitLens) logitLens;
  decltype(&llava::lastLens) lastLens;
  decltype(&llava::wordId) wordId;
  decltype(&llava::attentionGradients) attentionGradients;
  decltype(&llava::attentionOfQuestion) attentionOfQuestion;
  decltype(&llava::answerScores) answerScores;
  decltype(&llava::answerUnder) answerUnder;
  decltype(&llava::patchScores) patchScores;
  decltype(&llava::seePicture) seePicture;
};

} // namespace lvlm::llava

/// The one name to look up; `library.open(...)` and so on then do what they say. Never a nullptr.
extern "C" const lvlm::llava::Library* lvlmLlavaLibrary();

#endif
