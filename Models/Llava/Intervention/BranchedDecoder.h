// SPDX-License-Identifier: Apache-2.0
/// @file BranchedDecoder.h
/// The decoder on one sequence and on variants of it that share its beginning, each from its first
/// change on. Internal to Models/Llava.
#ifndef LVLM_LLAVA_BRANCHEDDECODER_H
#define LVLM_LLAVA_BRANCHEDDECODER_H

#include "Models/Llava/Intervention.h"

#include "Models/Llava/Network/LlavaModelImpl.h"

namespace lvlm::llava
{

/// A variant of the sequence, as long as that.
struct Branch
{
  std::int64_t first = 0; ///< its first position that is not the sequence's own
  const std::vector<AttentionCut>* cuts = nullptr;
};

/// The layers of one rank. First the trunk, then branches of it.
class BranchedDecoder
{
public:
  BranchedDecoder(const LlavaModel::Impl& model, std::int64_t positions, Workspace& buffers);

  /// The sequence itself [S, D] -> [S, D]; keeps its keys and values.
  at::Tensor trunk(at::Tensor hidden, const Progress& progress, const std::string& what);
  /// Rows of all branches, one after the other: of each, positions [first, S). [n, D] -> [n, D]
  at::Tensor branches(at::Tensor hidden, const std::vector<Branch>& branches,
    const Progress& progress, const std::string& what);
  /// Rows of that many positions and branches.
  std::int64_t rows(const std::vector<Branch>& branches) const;

private:
  at::Tensor mixed(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
    const std::vector<Branch>& branches, std::int64_t layer);
  Rope angles(const std::vector<Branch>& branches) const;
  at::Tensor blocked(const Branch& branch, std::int64_t layer) const;
  void reportLayer(std::int64_t layer, const Progress& progress, const std::string& what) const;
  /// Attention is long work.
  AttentionTap beating();

  const LlavaModel::Impl& Model;
  std::int64_t Positions;
  Workspace& Buffers;
  std::vector<LayerCache> Cache;
};

} // namespace lvlm::llava

#endif
