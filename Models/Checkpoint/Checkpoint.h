// SPDX-License-Identifier: Apache-2.0
/// @file Checkpoint.h
/// The tensors of a LLaVA checkpoint folder under one set of names, whichever of the three forms
/// that Hugging Face has used the files have:
///
///   here                 old                                   new                         third
///   decoder.…            language_model.model.…                model.language_model.…
///   lm_head.weight       language_model.lm_head.weight         lm_head.weight
///   vision.…             vision_tower.vision_model.…           model.vision_tower.vision_model.…
///                                                              vision_tower.… (no `vision_model`)
///   projector.…          multi_modal_projector.…               model.multi_modal_projector.…
#ifndef LVLM_CHECKPOINT_CHECKPOINT_H
#define LVLM_CHECKPOINT_CHECKPOINT_H

#include "Models/Trace/Tensor.h"

#include <map>
#include <string>
#include <vector>

namespace lvlm::checkpoint
{

class Checkpoint
{
public:
  /// Maps `model.safetensors`, or all shards that `model.safetensors.index.json` names; a tensor
  /// that the index names is that of the shard it names. Throws Error when neither file is there
  /// (and says what to do with a folder of other weights), a shard is missing, damaged or outside
  /// the folder, or a name that the index leaves open comes twice.
  explicit Checkpoint(const std::string& directory);

  const std::string& directory() const { return this->Directory; }
  bool has(const std::string& name) const { return this->Tensors.count(name) != 0; }

  /// The tensor, checked to be floating and of this shape. Throws Error that names folder, tensor
  /// and shapes.
  const Tensor& tensor(const std::string& name, const std::vector<std::int64_t>& shape) const;

  /// Throws Error that names a file of weights which was changed since it was opened: what was
  /// computed with them means nothing then (see Models/Trace/MappedFile.h).
  void requireIntact() const;

  /// Bytes of all tensors as stored.
  std::size_t bytes() const;
  /// Element type of most of the weights.
  DType storedType() const;

  /// The name used here for a name in a file; the name itself when it has none of the known forms.
  static std::string canonicalName(const std::string& name);

private:
  void addShard(const std::string& path, const std::map<std::string, std::string>& weightMap);

  std::string Directory;
  std::map<std::string, Tensor> Tensors;
};

} // namespace lvlm::checkpoint

#endif
