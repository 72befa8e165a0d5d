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

/// Variants [begin, end) that go through the layers together, and their branches.
struct Group
{
  std::size_t begin = 0, end = 0;
  std::vector<Branch> branches;
};

/// The layers of one rank. First the trunk, then branches of it. After the decoder's last layer
/// only the answer's rows are there: of the trunk and of each branch the last ones.
class BranchedDecoder
{
public:
  /// `positions` of the sequence, S, of which the last T predict the answer.
  BranchedDecoder(
    const LlavaModel::Impl& model, std::int64_t positions, std::int64_t answer, Workspace& buffers);

  /// The sequence itself [S, D] -> [S, D], or [T, D]; keeps its keys and values.
  at::Tensor trunk(at::Tensor hidden, const Progress& progress, const std::string& what);
  /// A layer at work on two sequences, each [2 S, D].
  struct Pair
  {
    at::Tensor before, attended, middle, fed, after;
  };
  using PairTap = std::function<void(std::int64_t layer, const Pair& pair)>;
  /// trunk() and beside it another sequence of as many positions, that sees nothing but itself:
  /// [2 S, D] -> [2 S, D], or [2 T, D].
  at::Tensor pair(
    at::Tensor hidden, const PairTap& tap, const Progress& progress, const std::string& what);
  /// Rows of all branches, one after the other: of each, positions [first, S), T of them at least.
  /// [n, D] -> [n, D], or [branches * T, D]. They have gone through the layers before `begin`.
  at::Tensor branches(at::Tensor hidden, const std::vector<Branch>& branches,
    const Progress& progress, const std::string& what, std::int64_t begin = 0);
  std::int64_t rows(const std::vector<Branch>& branches) const;

private:
  /// The trunk's attention of some last rows; keeps its keys and values.
  at::Tensor seen(
    std::int64_t layer, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v);
  AttentionMask maskOf(std::int64_t queries) const;
  /// Rows that predict the answer, of branches one after the other: [branches * T].
  at::Tensor answerRows(const std::vector<Branch>& branches) const;
  /// Of all branches, what their last `queries` rows see; 0: all of their rows.
  at::Tensor mixed(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
    const std::vector<Branch>& branches, std::int64_t layer, std::int64_t queries);
  Rope angles(const std::vector<Branch>& branches) const;
  /// One layer of the trunk or of branches.
  at::Tensor forward(std::int64_t layer, const at::Tensor& hidden, const Rope& rope,
    const std::vector<Branch>& branches, const DecoderLayer::Mixer& mixer);
  bool isLast(std::int64_t layer) const { return layer + 1 == this->Model.decoder.layers(); }
  LayerCache& cache(std::int64_t layer)
  {
    return this->Cache[static_cast<std::size_t>(layer - this->Model.decoder.span().begin)];
  }
  void reportLayer(std::int64_t layer, const Progress& progress, const std::string& what) const;
  /// Attention is long work.
  AttentionTap beating();

  const LlavaModel::Impl& Model;
  std::int64_t Positions;
  std::int64_t Answer;
  Workspace& Buffers;
  std::vector<LayerCache> Cache;
};

} // namespace lvlm::llava

#endif
