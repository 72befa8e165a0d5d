// SPDX-License-Identifier: Apache-2.0
// Rollout of a small trace against the product of full matrices, written out here as the paper has
// it: R = A_L ... A_1 with A_l = (heads reduced + I), rows divided by their sum. Tolerance 1e-6:
// float32 results.
#include "Check.h"
#include "RolloutRows.h"

#include <algorithm>
#include <random>

namespace
{
using namespace lvlm;
using lvlm_test::rolloutRows;

constexpr std::int64_t L = 3, Hd = 2, P = 7, T = 3, K = P + T - 1;
using Matrix = std::vector<std::vector<double>>;

/// Random causal attention of L layers; the slabs are stored from the last layer to the first.
Trace randomTrace()
{
  std::mt19937 random(3);
  std::vector<float> full(L * Hd * K * K, 0.0f);
  for (std::int64_t head = 0; head < L * Hd; ++head)
  {
    for (std::int64_t row = 0; row < K; ++row)
    {
      float* values = full.data() + (head * K + row) * K;
      float sum = 0;
      for (std::int64_t key = 0; key <= row; ++key)
      {
        values[key] = static_cast<float>(random() % 1000 + 1);
        sum += values[key];
      }
      std::transform(values, values + K, values, [sum](float value) { return value / sum; });
    }
  }
  Trace trace;
  trace.promptLength = P;
  trace.imageStart = 1;
  trace.grid = { 2, 2 };
  trace.tokens.assign(P + T, "x");
  trace.roles.assign(P, Role::Question);
  trace.roles.resize(P + T, Role::Answer);
  std::fill_n(trace.roles.begin() + 1, 4, Role::Image);
  trace.tensors[tensor_name::TokenId] = Tensor::of(std::vector<std::int64_t>(P + T), { P + T });
  trace.tensors[tensor_name::AttentionFull] = Tensor::of(full, { L, Hd, K, K });
  trace.tensors[tensor_name::AttentionFullLayers] =
    Tensor::of(std::vector<std::int64_t>{ 2, 1, 0 }, { L });
  trace.layerTotal = L;
  return trace;
}

/// The paper's product with complete matrices, as float64.
Matrix product(const Trace& trace, bool mean)
{
  const float* full = trace.tensor(tensor_name::AttentionFull).as<float>();
  Matrix R(K, std::vector<double>(K, 0.0));
  for (std::size_t i = 0; i < K; ++i)
  {
    R[i][i] = 1;
  }
  for (std::int64_t layer = 0; layer < L; ++layer)
  {
    const std::int64_t slab = L - 1 - layer;
    Matrix next(K, std::vector<double>(K, 0.0));
    for (std::size_t i = 0; i < K; ++i)
    {
      std::vector<double> a(K);
      double sum = 0;
      for (std::size_t j = 0; j < K; ++j)
      {
        const auto value = [&](std::int64_t head)
        { return double(full[((slab * Hd + head) * K + std::int64_t(i)) * K + std::int64_t(j)]); };
        a[j] = (mean ? (value(0) + value(1)) / 2 : std::max(value(0), value(1))) + (i == j ? 1 : 0);
        sum += a[j];
      }
      for (std::size_t j = 0; j < K; ++j)
      {
        for (std::size_t k = 0; k < K; ++k)
        {
          next[i][k] += a[j] / sum * R[j][k];
        }
      }
    }
    R = next;
  }
  return R;
}

void testAgainstProduct()
{
  const Trace trace = randomTrace();
  trace.validate();
  for (const bool mean : { true, false })
  {
    const Matrix R = product(trace, mean);
    const std::vector<float> rows =
      rolloutRows(trace, { 2, 0, -2 }, mean ? Reduction::Mean : Reduction::Maximum);
    CHECK(rows.size() == 3 * K);
    const std::int64_t tokens[] = { 2, 0, 1 };
    for (std::size_t i = 0; i < 3; ++i)
    {
      double sum = 0;
      for (std::size_t key = 0; key < K; ++key)
      {
        CHECK_NEAR(rows[i * K + key], R[static_cast<std::size_t>(P - 1 + tokens[i])][key], 1e-6);
        sum += rows[i * K + key];
      }
      CHECK_NEAR(sum, 1, 1e-6);
    }
    const std::vector<float> image = imageSpan(trace, rows);
    CHECK(image.size() == 3 * 4 && image[4] == rows[K + 1] && image[11] == rows[2 * K + 4]);
  }
  CHECK(rolloutRows(trace, {}, Reduction::Mean).size() == T * K);
}

void testRefusals()
{
  CHECK_THROWS(rolloutRows(randomTrace(), { 3 }, Reduction::Mean), "AnswerTokens");
  Trace lacking = randomTrace();
  lacking.tensors.erase(tensor_name::AttentionFull);
  CHECK_THROWS(rolloutRows(lacking, {}, Reduction::Mean), "attention.full");
  const auto withLayers = [](const std::vector<std::int64_t>& layers, std::int64_t total)
  {
    Trace trace = randomTrace();
    trace.tensors[tensor_name::AttentionFullLayers] = Tensor::of(layers, { L });
    trace.layerTotal = total;
    return rolloutRows(trace, {}, Reduction::Mean);
  };
  CHECK_THROWS(withLayers({ 0, 1, 1 }, 0), "each once");
  CHECK_THROWS(withLayers({ 0, 1, 3 }, 0), "layer 3");
  CHECK_THROWS(withLayers({ 0, 1, 2 }, 4), "all 4 layers");
  Trace damaged = randomTrace();
  std::vector<float> values(L * Hd * K * K, NAN);
  damaged.tensors[tensor_name::AttentionFull] = Tensor::of(values, { L, Hd, K, K });
  CHECK_THROWS(rolloutRows(damaged, {}, Reduction::Mean), "not finite");
  Trace bidirectional = randomTrace();
  values.assign(values.size(), 0.25F);
  bidirectional.tensors[tensor_name::AttentionFull] = Tensor::of(values, { L, Hd, K, K });
  CHECK_THROWS(rolloutRows(bidirectional, {}, Reduction::Mean), "attends to the one after it");
  CHECK_THROWS(imageSpan(randomTrace(), std::vector<float>(K + 1)), "not rows");
}
}

int main()
{
  testAgainstProduct();
  testRefusals();
  return lvlm_test::checkResult();
}
