// SPDX-License-Identifier: Apache-2.0
#include "Models/Llava/Library.h"

const lvlm::llava::Library* lvlmLlavaLibrary()
{
  static const lvlm::llava::Library library{ &lvlm::llava::LlavaModel::open,
    &lvlm::llava::relevancyMaps, &lvlm::llava::logitLens, &lvlm::llava::lastLens,
    &lvlm::llava::wordId, &lvlm::llava::attentionGradients, &lvlm::llava::attentionOfQuestion,
    &lvlm::llava::answerScores, &lvlm::llava::answerUnder, &lvlm::llava::patchScores,
    &lvlm::llava::seePicture };
  return &library;
}
