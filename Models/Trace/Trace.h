// SPDX-License-Identifier: Apache-2.0
/// @file Trace.h
/// Everything recorded about one question (DESIGN section 4): the object that inference produces,
/// that `.lvlm` files store and that every analysis takes.
#ifndef LVLM_TRACE_TRACE_H
#define LVLM_TRACE_TRACE_H

#include "Tensor.h"

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace lvlm
{

/// What a position of the sequence is.
enum class Role
{
  System,
  Image,
  Question,
  Answer,
  Special
};
const char* nameOf(Role role);
/// Throws Error for a name that is none of system, image, question, answer, special.
Role roleFromName(const std::string& name);

/// Rows x columns of image tokens, row 0 at the top of the picture.
struct PatchGrid
{
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::int64_t count() const { return this->rows * this->cols; }
};

/// Left, top, right, bottom in pixels of a picture, from its top left.
using Box = std::array<double, 4>;

/// One grid of image tokens and the part of a picture that it covers.
struct Region
{
  std::int64_t image = 0; ///< of which picture: 0 is `image`, 1 is `image.1` ...
  std::int64_t start = 0; ///< position of the first patch
  PatchGrid grid;
  std::int64_t stride = 0; ///< positions from a row to the next: the columns, and a newline token
                           ///< where rows end with one
  Box box{};

  std::int64_t position(std::int64_t patch) const
  {
    return this->start + patch / this->grid.cols * this->stride + patch % this->grid.cols;
  }
  /// -1 where none is.
  std::int64_t patchAt(std::int64_t position) const
  {
    const std::int64_t offset = position - this->start;
    const bool inside =
      offset >= 0 && position < this->end() && offset % this->stride < this->grid.cols;
    return inside ? offset / this->stride * this->grid.cols + offset % this->stride : -1;
  }
  /// x, y of a patch's middle, in pixels of the picture.
  std::array<double, 2> centre(std::int64_t patch) const
  {
    const auto& [left, top, right, bottom] = this->box;
    const auto part = [](std::int64_t index, std::int64_t count)
    { return (static_cast<double>(index) + 0.5) / static_cast<double>(count); };
    return { left + (right - left) * part(patch % this->grid.cols, this->grid.cols),
      top + (bottom - top) * part(patch / this->grid.cols, this->grid.rows) };
  }
  /// One past the last patch's position.
  std::int64_t end() const
  {
    return this->start + (this->grid.rows - 1) * this->stride + this->grid.cols;
  }
};

/// The model layer that hidden states number `hidden` (0: the embeddings) come with.
inline std::int64_t layerOfHidden(std::int64_t hidden)
{
  return hidden > 0 ? hidden - 1 : 0;
}

/// Names of the tensors of a trace, in memory and on disk.
namespace tensor_name
{
/// Of the first picture; further ones are `image.1` ...; where it was cut, `image.tiles`,
/// `image.1.tiles` ... are u8 [tiles, h, w, 3].
inline constexpr const char* Image = "image";                      // u8  [H, W, 3]
inline constexpr const char* TokenId = "tokens.id";                // i64 [P+T]
inline constexpr const char* AnswerLogprob = "answer.logprob";     // f32 [T]
inline constexpr const char* AnswerLogits = "answer.logits";       // f32 [T, V], on request
inline constexpr const char* TopkId = "answer.topk_id";            // i64 [T, k]
inline constexpr const char* TopkLogprob = "answer.topk_logprob";  // f32 [T, k]
inline constexpr const char* AttentionAnswer = "attention.answer"; // float [L, Hd, T, K]
inline constexpr const char* AttentionFull = "attention.full";     // float [Lf, Hd, K, K]
inline constexpr const char* AttentionFullLayers = "attention.full.layers"; // i64 [Lf]
inline constexpr const char* AttentionVision = "attention.vision";   // float [Lv, Hv, Nv, Nv]
inline constexpr const char* RelevancyDecoder = "relevancy.decoder"; // f32 [T, K]
inline constexpr const char* RelevancyVision = "relevancy.vision";   // f32 [T, rows*cols]
inline constexpr const char* RelevancyJoint = "relevancy.joint";     // f32 [T, rows*cols]
inline constexpr const char* RelevancyJointToken = "relevancy.joint_token"; // f32 [T, rows*cols]
inline constexpr const char* HiddenStates = "hidden.states";                // float [Lh, K, D]
inline constexpr const char* HiddenLayers = "hidden.layers"; // i64 [Lh], 0: the embeddings
inline constexpr const char* LensId = "lens.id";             // i64 [Lh, K, k]
inline constexpr const char* LensLogprob = "lens.logprob";   // f32 [Lh, K, k]
} // namespace tensor_name

struct Trace
{
  std::string model;               ///< name of the model, e.g. its folder's name
  std::string prompt;              ///< full text given to the tokenizer, chat template applied
  std::string answer;              ///< decoded answer
  std::vector<std::string> tokens; ///< [P+T] the tokenizer's own pieces
  /// [P+T] what each piece says when decoded, a character spread over several at the first of them;
  /// empty where nobody recorded it (see textAt() in Words.h).
  std::vector<std::string> texts;
  std::vector<Role> roles;       ///< [P+T]
  std::int64_t promptLength = 0; ///< P
  /// Of the grid that maps have, the first patch's position and its size. Regions.h has what
  /// belongs to which patch.
  std::int64_t imageStart = 0;
  PatchGrid grid;
  /// Empty: the picture is one grid in one piece of the sequence, `grid` from `imageStart`.
  std::vector<Region> regions;
  /// Tensors by the names above. In a parallel run `attention.answer` holds this rank's layers only
  /// (possibly none), and so do `attention.full` and `hidden.states`; `attention.full.layers` and
  /// `hidden.layers` list those of all ranks. Everything else is the same on all ranks.
  std::map<std::string, Tensor> tensors;
  std::int64_t layerBegin = 0; ///< model layer of the first slab of `attention.answer`
  std::int64_t layerTotal = 0; ///< L of the model; 0 when there is no `attention.answer`
  /// Further metadata, kept on a round trip: `model_directory`, `temperature`, ...
  std::map<std::string, std::string> extra;

  std::int64_t positions() const { return static_cast<std::int64_t>(this->tokens.size()); } ///< P+T
  std::int64_t answerLength() const { return this->positions() - this->promptLength; }      ///< T
  std::int64_t keys() const { return this->positions() - 1; }                               ///< K
  /// The model layers that `attention.full` has here, slab by slab: all of `attention.full.layers`,
  /// or those of them that are among this process's layers.
  std::vector<std::int64_t> fullLayers() const;
  /// The same of `hidden.states`: numbers of `hidden.layers`. States belong to the process that has
  /// the model layer that they come out of, the embeddings to the one with the first layer.
  std::vector<std::int64_t> hiddenLayers() const;
  /// What `extra` has under a key, or "".
  std::string told(const std::string& key) const;
  bool has(const std::string& name) const { return this->tensors.count(name) != 0; }
  /// Throws Error that names the missing tensor.
  const Tensor& tensor(const std::string& name) const;
  /// Throws Error naming the first contradiction: shapes, a span outside the sequence, roles ...
  void validate() const;
};

} // namespace lvlm

#endif
