// SPDX-License-Identifier: Apache-2.0
/// @file LensOutputs.h
/// A logit lens as images and tables. For vtkLVLMLogitLens alone.
#ifndef LVLM_FILTERS_ANALYSIS_LENSOUTPUTS_H
#define LVLM_FILTERS_ANALYSIS_LENSOUTPUTS_H

#include "LensRequest.h"

class vtkDataObject;
class vtkImageData;
class vtkTable;

namespace lvlm
{

class LensOutputs
{
public:
  /// `word`: what is looked for, in words. All arguments stay.
  LensOutputs(const Trace& trace, const LensAnswer& answer, std::string word);

  void fillVolume(vtkImageData* volume) const;
  void fillPositions(vtkTable* table) const;
  void fillMap(vtkImageData* map) const;
  void fillWords(vtkTable* table) const;
  /// What an output is about, into its field data.
  void describe(vtkDataObject* output) const;

private:
  /// What the n-th best word of each position says: [layers, K].
  std::vector<std::string> texts(std::int64_t n) const;
  Indices ids(std::int64_t n) const;
  std::vector<float> probabilities(std::int64_t n) const;

  const Trace& Recorded;
  const Lens& Seen;
  const LensAnswer& Answer;
  std::string Word;
  std::vector<float> Probability; ///< of the word: [layers, K]
  std::vector<float> Patches;     ///< of the word: [layers, rows*cols]
  std::size_t Strongest = 0;      ///< where that is largest
};

} // namespace lvlm

#endif
