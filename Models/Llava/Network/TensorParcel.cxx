// SPDX-License-Identifier: Apache-2.0
#include "TensorParcel.h"

#include "Models/Trace/Error.h"

#include <cstring>
#include <sstream>

namespace lvlm::llava
{

void putTensor(ranks::Parcel& parcel, const at::Tensor& tensor)
{
  const at::Tensor values = tensor.to(at::kCPU).contiguous();
  parcel.put(static_cast<std::int64_t>(values.scalar_type()));
  parcel.put(values.sizes().vec());
  parcel.putBytes(values.data_ptr(), values.nbytes());
}

at::Tensor takeTensor(
  ranks::Parcel& parcel, at::IntArrayRef shape, const at::TensorOptions& options)
{
  const auto type = static_cast<at::ScalarType>(parcel.take<std::int64_t>());
  const auto sizes = parcel.takeList<std::int64_t>();
  const at::ScalarType wanted = c10::typeMetaToScalarType(options.dtype());
  if (type != wanted || at::IntArrayRef(sizes) != shape)
  {
    std::ostringstream text;
    text << "a tensor from another rank has shape " << at::IntArrayRef(sizes) << " and type "
         << c10::toString(type) << ", expected " << shape << " and " << c10::toString(wanted);
    fail(text.str(), ": the ranks' model folders differ");
  }
  at::Tensor values = at::empty(sizes, at::TensorOptions(wanted));
  std::memcpy(values.data_ptr(), parcel.takeBytes(static_cast<std::int64_t>(values.nbytes())),
    values.nbytes());
  return values.to(options.device());
}

} // namespace lvlm::llava
