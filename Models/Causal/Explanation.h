// SPDX-License-Identifier: Apache-2.0
/// @file Explanation.h
/// Which tokens explain an answer token, and how they depend on each other: the library's entry
/// point.
///
/// R. Y. Rohekar, Y. Gurwicz, S. Nisimov, "Causal interpretation of self-attention in pre-trained
/// transformers" (CLEANN), NeurIPS 2023, as LVLM-Interpret (arXiv 2404.03118) applies it to the
/// attention of one decoder layer.
#ifndef LVLM_CAUSAL_EXPLANATION_H
#define LVLM_CAUSAL_EXPLANATION_H

#include "IndependenceTest.h"
#include "PartialAncestralGraph.h"

#include "Models/Trace/Error.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace lvlm::causal
{

/// Attention of one layer, [heads, positions, positions]; element (h, i, j) is
/// data[h * headStride + i * rowStride + j * columnStride], strides in elements. Not owned.
struct AttentionView
{
  const float* data = nullptr;
  int heads = 0;
  int positions = 0; ///< K
  std::ptrdiff_t headStride = 0;
  std::ptrdiff_t rowStride = 0;
  std::ptrdiff_t columnStride = 1;

  /// C order without gaps.
  static AttentionView dense(const float* data, int heads, int positions)
  {
    const std::ptrdiff_t k = positions;
    return { data, heads, positions, k * k, k, 1 };
  }
  float at(int head, int row, int column) const
  {
    return this
      ->data[head * this->headStride + row * this->rowStride + column * this->columnStride];
  }
};

/// Where things are in the sequence.
struct TokenLayout
{
  int imageStart = 0;
  int imageCount = 0;   ///< 0 for a question without an image
  int promptLength = 1; ///< P
  int answerToken = 0;  ///< t
  /// Of the image's positions, in their order, those that are no patch: ends of rows.
  std::vector<int> notPatches{};
  /// The query that predicts answer token t.
  int target() const { return this->promptLength - 1 + this->answerToken; }
  bool isImage(int position) const
  {
    return position >= this->imageStart && position < this->imageStart + this->imageCount &&
      !std::binary_search(this->notPatches.begin(), this->notPatches.end(), position);
  }
};

struct ExplanationOptions
{
  double attentionThreshold = 0.005; ///< above it a token counts as attended
  double alpha = 1e-5;               ///< p-values above it mean independence
  int samples = 128;                ///< degrees of freedom behind the correlation of attention rows
  int range = 3;                    ///< largest search radius on the graph; 0 or less: no limit
  int maximumNodes = 50;            ///< image tokens taken at most
  int maximumConditioningSize = -1; ///< negative: no limit
  int threads = 1;                  ///< heads in parallel
};

struct ExplanationNode
{
  int position;
  int radius; ///< distance from the target on the possible-d-separating tree; 0 target, -1 not in
              ///< the explanation
  double weight; ///< 1 - p of dependence on the target given the explanation's other tokens of the
                 ///< same kind; in [0, 1]
  double attention; ///< that the target's row pays to it
};

struct ExplanationEdge
{
  int source, target; ///< positions, source < target
  Mark sourceMark, targetMark;
  double pValue; ///< the largest of all tests that the edge survived: at most alpha
};

/// A pair of tokens found independent.
struct Separation
{
  int first, second;      ///< positions, first < second
  std::vector<int> given; ///< positions of the separating set, ascending
  double pValue;          ///< above alpha
};

struct HeadExplanation
{
  int head = 0;
  std::vector<ExplanationNode> nodes; ///< by ascending position
  std::vector<ExplanationEdge> edges; ///< by ascending source, then target
  std::vector<Separation> separations;
  std::vector<std::int64_t>
    testsByOrder; ///< number of independence tests by size of the conditioning set
  /// [r - 1]: positions of the explanation within search radius r = 1 .. range, ascending.
  std::vector<std::vector<int>> explanationByRadius;
  /// max(attention to the image) / max(attention to the positions after it); 0 without image
  /// attention, infinite when there is image attention but none after it.
  double importance = 0.0;
};

/// Positions that become nodes for one head, ascending, the target last: the image tokens before
/// the target that its row attends most (as many as positions exceed the threshold in the whole
/// row, at least 2, at most maximumNodes; of equals the later), and the tokens between image and
/// target above the threshold. Throws Error when the layout does not fit the attention.
std::vector<int> selectPositions(const AttentionView& attention, int head,
  const TokenLayout& layout, const ExplanationOptions& options);

/// Explains one answer token by each of `heads` (all when empty), in parallel. Results are in the
/// order of `heads` and do not depend on the number of threads. `progress` is called on the calling
/// thread only. Throws Error for a head, span, target or option out of range, attention that is not
/// finite, or more than NodeSet::Capacity nodes; Aborted when `progress` answers false.
std::vector<HeadExplanation> explain(const AttentionView& attention, const TokenLayout& layout,
  const std::vector<int>& heads = {}, const ExplanationOptions& options = {},
  const Progress& progress = {});

} // namespace lvlm::causal

#endif
