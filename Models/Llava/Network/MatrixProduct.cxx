// SPDX-License-Identifier: Apache-2.0
#include "MatrixProduct.h"

#include "TorchTensors.h"

#include "Models/Trace/Error.h"

#include <oneapi/dnnl/dnnl.hpp>

#include <algorithm>
#include <string>
#include <unordered_map>

namespace lvlm::llava
{

namespace
{
using dnnl::memory;

/// Each number of rows has code of its own, up to a quarter of a megabyte. oneDNN would keep 1024.
constexpr int KeptProducts = 128;

const dnnl::engine& cpu()
{
  static const dnnl::engine engine = []
  {
    dnnl::set_primitive_cache_capacity(KeptProducts);
    return dnnl::engine(dnnl::engine::kind::cpu, 0);
  }();
  return engine;
}

memory::desc described(const at::Tensor& m)
{
  const auto type =
    m.scalar_type() == at::kBFloat16 ? memory::data_type::bf16 : memory::data_type::f32;
  return { m.sizes().vec(), type, m.strides().vec() };
}

/// A single row or column lies without gaps: oneDNN 3.7 misreads a row [1, k] whose numbers do not.
at::Tensor withoutGaps(const at::Tensor& m)
{
  return m.size(-1) == 1 || m.size(-2) == 1 ? at::empty(m.sizes(), m.options()).copy_(m) : m;
}

dnnl::primitive_attr attributesOf(bool adds)
{
  dnnl::primitive_attr attributes;
  // Whatever the environment says (ONEDNN_DEFAULT_FPMATH_MODE): float32 is not rounded.
  attributes.set_fpmath_mode(dnnl::fpmath_mode::strict);
  if (adds)
  {
    dnnl::post_ops afterwards;
    afterwards.append_sum();
    attributes.set_post_ops(afterwards);
  }
  return attributes;
}

dnnl::matmul matmulOf(const memory::desc& a, const memory::desc& b, const memory::desc& bias,
  const memory::desc& y, const dnnl::primitive_attr& attributes)
{
#if DNNL_VERSION_MAJOR >= 3
  return dnnl::matmul::primitive_desc(cpu(), a, b, bias, y, attributes);
#else
  return dnnl::matmul::primitive_desc({ a, b, bias, y }, attributes, cpu());
#endif
}

/// A matrix of float32 for dnnl_sgemm(), [rows, cols], which counts along its rows or along its
/// columns.
struct FloatMatrix
{
  explicit FloatMatrix(const at::Tensor& m) // [..., rows, cols]
    : Data(m.data_ptr<float>()), Rows(m.size(-2)), Cols(m.size(-1))
  {
    const bool alongRows = m.stride(-1) == 1 || m.size(-1) == 1;
    this->Transposed = alongRows ? 'N' : 'T';
    this->Leading = std::max<std::int64_t>(
      { 1, alongRows ? m.size(-1) : m.size(-2), m.stride(alongRows ? -2 : -1) });
  }

  float* Data;
  std::int64_t Rows, Cols, Leading;
  char Transposed;
};

[[noreturn]] void refuse(const at::Tensor& a, const at::Tensor& b, const std::string& why)
{
  fail("oneDNN cannot multiply ", shapeText(a.sizes().vec()), " by ", shapeText(b.sizes().vec()),
    ": ", why);
}
}

bool hasBfloat16Units()
{
  static const bool has = [] // of a set of instructions each is a bit
  {
    const auto offered = static_cast<unsigned int>(dnnl::get_effective_cpu_isa());
    const auto wanted = static_cast<unsigned int>(dnnl::cpu_isa::avx512_core_bf16);
    return (offered & wanted) == wanted;
  }();
  return has;
}

void matrixProduct(const at::Tensor& left, const at::Tensor& right, const at::Tensor& bias,
  bool adds, const at::Tensor& y)
{
  const auto located = [](const at::Tensor& m)
  { return memory(described(m), cpu(), m.data_ptr()); };
  const at::Tensor a = withoutGaps(left), b = withoutGaps(right);
  try
  {
    std::unordered_map<int, memory> arguments = { { DNNL_ARG_SRC, located(a) },
      { DNNL_ARG_WEIGHTS, located(b) }, { DNNL_ARG_DST, located(y) } };
    memory::desc biasRow;
    if (bias.defined())
    {
      const at::Tensor row = bias.unsqueeze(0); // [1, m]
      biasRow = described(row);
      arguments.emplace(DNNL_ARG_BIAS, located(row));
    }
    dnnl::stream stream(cpu());
    matmulOf(described(a), described(b), biasRow, described(y), attributesOf(adds))
      .execute(stream, arguments);
    stream.wait();
  }
  catch (const dnnl::error& error)
  {
    refuse(a, b, error.what());
  }
}

void matrixProducts(const at::Tensor& a, const at::Tensor& b, double factor, const at::Tensor& y)
{
  const std::int64_t batch = a.size(0);
  const FloatMatrix left(a), right(b), result(y);
  const auto scale = static_cast<float>(factor);
  bool done = true;
  // Not oneDNN's own batches: it would make, and keep, code for each number of keys that a block of
  // rows sees.
#pragma omp parallel for schedule(dynamic) reduction(&& : done) if (batch > 1)
  for (std::int64_t i = 0; i < batch; ++i)
  {
    done = dnnl_sgemm(left.Transposed, right.Transposed, result.Rows, result.Cols, left.Cols, scale,
             left.Data + i * a.stride(0), left.Leading, right.Data + i * b.stride(0), right.Leading,
             0.0f, result.Data + i * y.stride(0), result.Leading) == dnnl_success &&
      done;
  }
  if (!done)
  {
    refuse(a, b, "one of a batch");
  }
}

} // namespace lvlm::llava
