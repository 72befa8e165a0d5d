// SPDX-License-Identifier: Apache-2.0
/**
 * @class   vtkLVLMTrace
 * @brief   a trace as a VTK data object: owned, and shown as named blocks
 *
 * Sources make one from a trace and filters take the trace out of it as it is. ParaView and its
 * users see the blocks, which share the trace's memory and carry the names of its tensors:
 *
 *   image             vtkImageData, point array `image` (u8 RGB) at the pixel centres, y up
 *   tokens            vtkTable, a row a position: position, id, token, text (if recorded), role
 *   answer            vtkTable, a row an answer token: answer_index, id, token, text, logprob,
 *                     topk_id, topk_logprob
 *   attention.answer  vtkImageData: x = key, y = answer row, z = layer * heads + head
 *   attention.full    vtkImageData: x = key, y = query, z = slab * heads + head
 *   attention.vision  the same for the vision tower
 *   relevancy.*       vtkImageData: x = key or patch (row-major), y = answer row
 *   image.1 ...       the same of further pictures
 *   image.tiles       vtkImageData: x = color of a pixel, y = row (down), z = tile
 *   hidden.states     vtkImageData: x = number of the state, y = position, z = slab
 *   lens.*            vtkImageData: x = place among the best words, y = position, z = slab
 *
 * In a parallel run each rank's `attention.answer`, `attention.full` and `hidden.states` have this
 * rank's layers alone (see Models/Trace/Trace.h); a rank without any has an empty block of that
 * name. All other blocks and fields are the same on all ranks.
 *
 * Each image block has one point array, named as the block. Field data of the root: the metadata
 * strings of a `.lvlm` file and whole numbers `prompt_length`, `image_start`, `heads`,
 * `layer_begin`, `layer_total`, `attention.full.layers`, `hidden.layers`, ...
 *
 * To VTK it is a vtkMultiBlockDataSet (its type id, too: VTK's table of types cannot be extended),
 * and any vtkMultiBlockDataSet with these blocks is taken for a trace: what a script made, or what
 * another filter or a process boundary left of one. TraceOf() makes the trace from such blocks
 * once; it does the same where somebody has changed the blocks of a vtkLVLMTrace.
 */
#ifndef vtkLVLMTrace_h
#define vtkLVLMTrace_h

#include "lvlmReadersModule.h"

#include "vtkMultiBlockDataSet.h"

#include <cstdint>
#include <memory>

class vtkImageData;
class vtkInformationVector;

namespace lvlm
{
struct Trace;
}

class LVLMREADERS_EXPORT vtkLVLMTrace : public vtkMultiBlockDataSet
{
public:
  static vtkLVLMTrace* New();
  vtkTypeMacro(vtkLVLMTrace, vtkMultiBlockDataSet);

  /// Owns the trace and shows it. Throws lvlm::Error when it is not valid.
  void SetTrace(const std::shared_ptr<const lvlm::Trace>& trace);

  /// The trace in a data object: never null. As long as nobody changes the data object it is the
  /// same one, also for shallow copies of a vtkLVLMTrace: compare pointers (or keep a weak one) to
  /// know whether a result is still that of the input. Throws lvlm::Error for what is no trace.
  static std::shared_ptr<const lvlm::Trace> TraceOf(vtkDataObject* data);

  /// Whether TraceOf() has something to look at: the data object says that it is a trace.
  static bool IsTrace(vtkDataObject* data);

  /// The block `image` of a trace, of another picture `image.1` ..., or nullptr.
  static vtkImageData* PictureOf(vtkDataObject* data, std::int64_t image = 0);

  /// For the RequestDataObject of a source or filter: makes an output a vtkLVLMTrace.
  static int MakeOutput(vtkInformationVector* outputs, int port = 0);

  ///@{
  /** A shallow copy has the same trace. A deep copy has numbers of its own, from which its trace is
   * made when somebody asks for it. */
  void ShallowCopy(vtkDataObject* source) override;
  void CompositeShallowCopy(vtkCompositeDataSet* source) override;
  void DeepCopy(vtkDataObject* source) override;
  ///@}

  void CopyStructure(vtkCompositeDataSet* source) override;
  void Initialize() override;

  /// In KiB. The blocks share their memory with the trace, all but the picture, which is there
  /// upright for VTK and top row first for models.
  unsigned long GetActualMemorySize() override;

protected:
  vtkLVLMTrace() = default;
  ~vtkLVLMTrace() override = default;

private:
  vtkLVLMTrace(const vtkLVLMTrace&) = delete;
  void operator=(const vtkLVLMTrace&) = delete;
};

#endif
