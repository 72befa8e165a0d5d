// SPDX-License-Identifier: Apache-2.0
/// @file pqLVLMSession.h
/// What the GUI asks about the pipeline: pictures, traces, the selected patches, the chosen answer
/// token.
#ifndef pqLVLMSession_h
#define pqLVLMSession_h

#include <QList>
#include <QString>

class pqOutputPort;
class pqPipelineSource;
class pqSelectionManager;
class pqView;

namespace lvlm
{

/// LLaVA Inference filters and LVLM Trace Readers, oldest first.
QList<pqPipelineSource*> traces();

/// The trace that the source is, or lies below; nullptr if none.
pqPipelineSource* traceOf(pqPipelineSource* source);

/// The output that the source takes first; nullptr if none.
pqOutputPort* inputPortOf(pqPipelineSource* source);

/// Whether the view shows a trace or something made of one.
bool showsTrace(pqView* view);

/// The trace that a preset is for: that of the active source, else the newest; nullptr if there is
/// none.
pqPipelineSource* currentTrace();

/// Sources of flat pictures, oldest first.
QList<pqPipelineSource*> pictures();

/// The picture that the source is, or that the trace it lies below is about; nullptr if none.
pqPipelineSource* pictureOf(pqPipelineSource* source);

/// The answer token that the active source shows, when it is a single one; -1 else.
int currentToken();

/// The map whose patches are selected (the port of a filter below a trace), or nullptr.
pqOutputPort* selectedMap();

/// ParaView's selection manager.
pqSelectionManager* selectionManager();

/// Whether the trace has a block of this name (`attention.full`). True while that is not known.
bool mayHaveBlock(pqPipelineSource* trace, const char* name);

} // namespace lvlm

#endif
