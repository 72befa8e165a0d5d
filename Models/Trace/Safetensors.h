// SPDX-License-Identifier: Apache-2.0
/// @file Safetensors.h
/// Reader (memory-mapped, every length checked) and writer of the safetensors format:
///
///   u64 little-endian N | N bytes of JSON header | tensor data
///
/// The header maps each name to {"dtype", "shape", "data_offsets": [begin, end)} relative to the
/// data, plus optional "__metadata__" of strings. See https://github.com/huggingface/safetensors.
#ifndef LVLM_TRACE_SAFETENSORS_H
#define LVLM_TRACE_SAFETENSORS_H

#include "Tensor.h"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace lvlm
{

class MappedFile;

class SafetensorsFile
{
public:
  /// Maps the file and checks its header: sizes, offsets, overlaps, types. Opening touches the
  /// header's pages only. Throws Error that names the file and what is wrong with it.
  explicit SafetensorsFile(const std::string& path);

  const std::string& path() const { return this->Path; }
  const std::map<std::string, std::string>& metadata() const { return this->Metadata; }
  const std::map<std::string, Tensor>& tensors() const { return this->Tensors; }
  bool has(const std::string& name) const { return this->Tensors.count(name) != 0; }
  /// Throws Error that names file and tensor when there is none.
  const Tensor& tensor(const std::string& name) const;

private:
  void read(const std::shared_ptr<const MappedFile>& file);

  std::string Path;
  std::map<std::string, std::string> Metadata;
  std::map<std::string, Tensor> Tensors;
};

/// Gives the bytes of a tensor, in order, to `put`; any number of times.
using PutBytes = std::function<void(const void* data, std::size_t bytes)>;
using TensorBytes =
  std::function<void(const std::string& name, const Tensor& tensor, const PutBytes& put)>;

/// Writes all tensors, largest alignment first as the reference writer does, so that each starts
/// aligned. The file appears under `path` only once it is complete. Throws Error.
void writeSafetensors(const std::string& path, const std::map<std::string, Tensor>& tensors,
  const std::map<std::string, std::string>& metadata);

/// The same for tensors that are described only: `bytes` is called once for each, in the order of
/// the file.
void writeSafetensors(const std::string& path, const std::map<std::string, Tensor>& tensors,
  const std::map<std::string, std::string>& metadata, const TensorBytes& bytes);

/// Calls `bytes` as writeSafetensors does, for a process that helps another one that writes.
void visitInFileOrder(const std::map<std::string, Tensor>& tensors, const TensorBytes& bytes);

} // namespace lvlm

#endif
