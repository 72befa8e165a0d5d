// SPDX-License-Identifier: Apache-2.0
#include "MatrixProduct.h"

#include "TorchTensors.h"

#include "Models/Trace/Error.h"

#include <oneapi/dnnl/dnnl.hpp>

#include <unordered_map>

namespace lvlm::llava
{

namespace
{
using dnnl::memory;

const dnnl::engine& cpu()
{
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

memory::desc described(const at::Tensor& m)
{
  const auto type =
    m.scalar_type() == at::kBFloat16 ? memory::data_type::bf16 : memory::data_type::f32;
  return { m.sizes().vec(), type, m.strides().vec() };
}

dnnl::primitive_attr attributesOf(const Afterwards& afterwards)
{
  dnnl::post_ops operations;
  if (afterwards.factor != 1)
  {
    const auto factor = static_cast<float>(afterwards.factor);
#if DNNL_VERSION_MAJOR >= 3
    operations.append_eltwise(dnnl::algorithm::eltwise_linear, factor, 0);
#else
    operations.append_eltwise(1, dnnl::algorithm::eltwise_linear, factor, 0);
#endif
  }
  if (afterwards.addsToTarget)
  {
    operations.append_sum();
  }
  dnnl::primitive_attr attributes;
  attributes.set_post_ops(operations);
  // Whatever the environment says (ONEDNN_DEFAULT_FPMATH_MODE): float32 is not rounded.
  attributes.set_fpmath_mode(dnnl::fpmath_mode::strict);
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

void matrixProduct(
  const at::Tensor& a, const at::Tensor& b, const at::Tensor& y, const Afterwards& afterwards)
{
  const auto located = [](const at::Tensor& m)
  { return memory(described(m), cpu(), m.data_ptr()); };
  try
  {
    std::unordered_map<int, memory> arguments = { { DNNL_ARG_SRC, located(a) },
      { DNNL_ARG_WEIGHTS, located(b) }, { DNNL_ARG_DST, located(y) } };
    memory::desc bias;
    if (afterwards.bias.defined())
    {
      const at::Tensor row = afterwards.bias.unsqueeze(0); // [1, m]
      bias = described(row);
      arguments.emplace(DNNL_ARG_BIAS, located(row));
    }
    dnnl::stream stream(cpu());
    matmulOf(described(a), described(b), bias, described(y), attributesOf(afterwards))
      .execute(stream, arguments);
    stream.wait();
  }
  catch (const dnnl::error& error)
  {
    fail("oneDNN cannot multiply ", shapeText(a.sizes().vec()), " by ", shapeText(b.sizes().vec()),
      ": ", error.what());
  }
}

} // namespace lvlm::llava
