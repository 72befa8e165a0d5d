// SPDX-License-Identifier: Apache-2.0
/// @file RelevancyAttention.h
/// Attention of one layer and its back-propagation in blocks of query rows: no [heads, S, S] tensor
/// is ever alive. Internal to Models/Llava.
#ifndef LVLM_LLAVA_RELEVANCYATTENTION_H
#define LVLM_LLAVA_RELEVANCYATTENTION_H

#include "Models/Llava/Network/Layers.h"

#include <vector>

namespace lvlm::llava
{

/// See the blocks of a back-propagation go by; both may be empty.
struct GradientTaps
{
  /// dz/dA of query rows from `firstRow` on: [Hd, n, keys], keys counted from position 0.
  std::function<void(std::int64_t firstRow, const at::Tensor& gradient)> gradient;
  /// C = mean over heads of max(0, dz/dA * A) of the same rows: [n, keys] (Chefer et al. 2021,
  /// equation 5).
  std::function<void(std::int64_t firstRow, const at::Tensor& relevance)> relevance;
};

/// Which rows a back-propagation covers.
struct GradientRows
{
  std::int64_t first = 0;  ///< the first row whose output has a gradient
  std::int64_t result = 0; ///< the first row whose input gradient is wanted
  /// Each row is a computation of its own that ends with it: what it gives to other rows is
  /// dropped.
  bool ownOnly = false;
};

class BlockedAttention
{
public:
  struct Gradient
  {
    at::Tensor q; ///< [Hd, rows from GradientRows::first, d]
    at::Tensor k; ///< [Hkv, rows from GradientRows::result, d]
    at::Tensor v; ///< as k
  };

  /// q [Hd, S, d], k and v [Hkv, S, d]; the mask's first query is position 0.
  BlockedAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, double scale,
    const AttentionMask& mask, BufferPool& pool);

  /// softmax(q k^T scale) v: [S, Hd * d]
  at::Tensor output();

  /// Gradient of the output [n, Hd * d], rows [rows.first, rows.first + n) -> gradients of q, k and
  /// v.
  Gradient back(const at::Tensor& output, const GradientRows& rows, const GradientTaps& taps) const;

private:
  at::Tensor grouped(const at::Tensor& x) const;
  at::Tensor probabilities(std::int64_t begin, std::int64_t end) const;
  void backBlock(std::int64_t begin, const at::Tensor& dOut, const GradientRows& rows,
    const GradientTaps& taps, Gradient& gradient) const;
  at::Tensor ownRows(std::int64_t begin, const at::Tensor& weights, const at::Tensor& values) const;
  void addSeen(const at::Tensor& weights, const at::Tensor& values, std::int64_t first,
    at::Tensor& into) const;

  BufferPool* Pool;
  at::Tensor Q, K, V;
  double Scale;
  AttentionMask Mask;
  std::int64_t BlockRows;
  std::vector<at::Tensor>
    Kept; ///< probabilities of each block, where all of them fit in a fixed budget
};

} // namespace lvlm::llava

#endif
