// SPDX-License-Identifier: Apache-2.0
/// @file TokenTable.h
/// What is known about the answer's tokens, as an information property can carry it to a GUI.
#ifndef LVLM_FILTERS_COMMON_TOKENTABLE_H
#define LVLM_FILTERS_COMMON_TOKENTABLE_H

class vtkStringArray;

namespace lvlm
{

struct Trace;

/// Appends the number of columns, their names (as in LVLMTokens: `token`, `probability`, `logprob`,
/// `top1_token`, `top1_logprob` ...), then the values row by row, a row an answer token. Not by a
/// pipeline: information is asked for on the first rank alone, and a filter needs all of them.
void answerRows(const Trace& trace, vtkStringArray* strings);

} // namespace lvlm

#endif
