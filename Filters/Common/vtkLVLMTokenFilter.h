// SPDX-License-Identifier: Apache-2.0
/**
 * @class   vtkLVLMTokenFilter
 * @brief   what the filters have in common that name or mark answer tokens
 *
 * Port 1 is optional: an output that they are about, such as a map. Then the tokens are those that
 * it says it shows (field array `answer_tokens`, see vtkLVLMTraceFilter::TellTokens()), whatever
 * chose them; without it they are the filter's own: a list, or the token of the time.
 */
#ifndef vtkLVLMTokenFilter_h
#define vtkLVLMTokenFilter_h

#include "lvlmFiltersCommonModule.h"

#include "vtkLVLMTraceFilter.h"

#include <cstdint>
#include <optional>
#include <vector>

class vtkAlgorithmOutput;
class vtkDataObject;

class LVLMFILTERSCOMMON_EXPORT vtkLVLMTokenFilter : public vtkLVLMTraceFilter
{
public:
  vtkAbstractTypeMacro(vtkLVLMTokenFilter, vtkLVLMTraceFilter);

  /// What the tokens are taken from, such as a map.
  void SetAboutConnection(vtkAlgorithmOutput* about);

protected:
  vtkLVLMTokenFilter();
  ~vtkLVLMTokenFilter() override = default;

  int FillInputPortInformation(int port, vtkInformation* info) override;
  bool FollowsTime(vtkInformationVector** inputs) const override;

  /// What the tokens are taken from; null where there is nothing.
  static vtkDataObject* GetAbout(vtkInformationVector** inputs);
  /// The tokens, ascending; none where there is something that they are taken from, but it does not
  /// say (a filter that failed).
  std::optional<std::vector<std::int64_t>> GetTokensToMark(
    const lvlm::Trace& trace, vtkInformationVector** inputs, vtkInformationVector* outputs) const;

private:
  vtkLVLMTokenFilter(const vtkLVLMTokenFilter&) = delete;
  void operator=(const vtkLVLMTokenFilter&) = delete;
};

#endif
