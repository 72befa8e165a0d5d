// SPDX-License-Identifier: Apache-2.0
#include "TileProduct.h"

#include "CpuFeatures.h"

#include "Models/Trace/Error.h"

#ifdef LVLM_X86
#include <algorithm>

#include <immintrin.h>
#include <omp.h>
#endif

namespace lvlm::llava
{

#ifdef LVLM_X86
#define LVLM_TILES                                                                                 \
  __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,amx-tile,amx-bf16")))

namespace
{
constexpr std::int64_t TileRows = 16;
constexpr std::int64_t Panel = 32;         // rows or columns of a panel: two tiles
constexpr std::int64_t Block = 32;         // bfloat16 numbers of a tile's row
constexpr std::int64_t TileNumbers = 512;  // bfloat16 numbers of a tile
constexpr std::int64_t PanelBlock = 1024;  // bfloat16 numbers of a panel's block
constexpr std::int64_t SumNumbers = 1024;  // float32 numbers of a product of two panels
constexpr std::int64_t PanelsTogether = 8; // of weights: they share each reading of the activations
constexpr std::int64_t BlocksTogether = 32; // before sums are added up: 1024 numbers
constexpr std::int64_t RowsTogether = 1024; // of activations, so that their copies stay bounded
constexpr int MaximumTerms = 3;

/// All eight tiles with 16 rows of 64 bytes.
struct alignas(64) TileShapes
{
  std::uint8_t palette = 1;
  std::uint8_t startRow = 0;
  std::uint8_t reserved[14] = {};
  std::uint16_t bytes[16] = { 64, 64, 64, 64, 64, 64, 64, 64 };
  std::uint8_t rows[16] = { 16, 16, 16, 16, 16, 16, 16, 16 };
};

/// Two times 16 float32 numbers.
struct Pair
{
  __m512 low, high;
};

LVLM_TILES Pair widened(__m512i bits)
{
  const __m512i low = _mm512_cvtepu16_epi32(_mm512_castsi512_si256(bits));
  const __m512i high = _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(bits, 1));
  return { _mm512_castsi512_ps(_mm512_slli_epi32(low, 16)),
    _mm512_castsi512_ps(_mm512_slli_epi32(high, 16)) };
}

/// Up to 32 numbers of a row from `col` on; beyond the matrix they are 0.
LVLM_TILES __m512i load16(const StoredMatrix& m, std::int64_t row, std::int64_t col)
{
  const std::int64_t count = row < m.rows ? std::clamp<std::int64_t>(m.cols - col, 0, Block) : 0;
  const __mmask32 mask = count == Block ? ~__mmask32(0) : (__mmask32(1) << count) - 1;
  const auto* from = static_cast<const std::uint16_t*>(m.data) + row * m.cols + col;
  return mask == 0 ? _mm512_setzero_si512() : _mm512_maskz_loadu_epi16(mask, from);
}

LVLM_TILES Pair loadFloats(const StoredMatrix& m, std::int64_t row, std::int64_t col)
{
  if (m.type == DType::F16)
  {
    const __m512i bits = load16(m, row, col);
    return { _mm512_cvtph_ps(_mm512_castsi512_si256(bits)),
      _mm512_cvtph_ps(_mm512_extracti64x4_epi64(bits, 1)) };
  }
  const std::int64_t count = row < m.rows ? std::clamp<std::int64_t>(m.cols - col, 0, Block) : 0;
  const auto maskOf = [](std::int64_t n)
  { return static_cast<__mmask16>((1u << std::clamp<std::int64_t>(n, 0, 16)) - 1); };
  if (count == 0)
  {
    return { _mm512_setzero_ps(), _mm512_setzero_ps() };
  }
  const auto* from = static_cast<const float*>(m.data) + row * m.cols + col;
  return { _mm512_maskz_loadu_ps(maskOf(count), from),
    count > 16 ? _mm512_maskz_loadu_ps(maskOf(count - 16), from + 16) : _mm512_setzero_ps() };
}

/// 32 numbers of a row as the sum of `terms` lines of bfloat16; with one term they are rounded.
LVLM_TILES void split(
  const StoredMatrix& m, std::int64_t row, std::int64_t col, int terms, __m512i* lines)
{
  if (m.type == DType::BF16)
  {
    lines[0] = load16(m, row, col);
    return;
  }
  Pair rest = loadFloats(m, row, col);
  for (int term = 0; term < terms; ++term)
  {
    lines[term] = reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(rest.high, rest.low));
    const Pair taken = widened(lines[term]);
    rest = { _mm512_sub_ps(rest.low, taken.low), _mm512_sub_ps(rest.high, taken.high) };
  }
}

/// 16 x 16 numbers of 32 bits, rows to columns.
LVLM_TILES void transpose(__m512i* r)
{
  __m512i t[16];
  for (int i = 0; i < 16; i += 4)
  {
    const __m512i a = _mm512_unpacklo_epi32(r[i], r[i + 1]);
    const __m512i b = _mm512_unpackhi_epi32(r[i], r[i + 1]);
    const __m512i c = _mm512_unpacklo_epi32(r[i + 2], r[i + 3]);
    const __m512i d = _mm512_unpackhi_epi32(r[i + 2], r[i + 3]);
    t[i] = _mm512_unpacklo_epi64(a, c);
    t[i + 1] = _mm512_unpackhi_epi64(a, c);
    t[i + 2] = _mm512_unpacklo_epi64(b, d);
    t[i + 3] = _mm512_unpackhi_epi64(b, d);
  }
  for (int i = 0; i < 4; ++i)
  {
    const __m512i a = _mm512_shuffle_i32x4(t[i], t[i + 4], 0x88);
    const __m512i b = _mm512_shuffle_i32x4(t[i + 8], t[i + 12], 0x88);
    const __m512i c = _mm512_shuffle_i32x4(t[i], t[i + 4], 0xdd);
    const __m512i d = _mm512_shuffle_i32x4(t[i + 8], t[i + 12], 0xdd);
    r[i] = _mm512_shuffle_i32x4(a, b, 0x88);
    r[i + 8] = _mm512_shuffle_i32x4(a, b, 0xdd);
    r[i + 4] = _mm512_shuffle_i32x4(c, d, 0x88);
    r[i + 12] = _mm512_shuffle_i32x4(c, d, 0xdd);
  }
}

/// How a matrix goes into tiles.
enum class Side
{
  Left,         ///< its rows are the rows of the left operand
  Right,        ///< its rows are the columns of the right operand
  RightByColumn ///< its columns are the columns of the right operand
};

/// Blocks of a left panel as they lie in rows of bfloat16: a row at a time, which is how memory is
/// read fastest.
LVLM_TILES void copyRows(const StoredMatrix& m, std::int64_t first, std::int64_t inner,
  std::int64_t blocks, std::uint16_t* out)
{
  for (std::int64_t i = 0; i < Panel; ++i)
  {
    for (std::int64_t block = 0; block < blocks; ++block)
    {
      _mm512_store_si512(
        out + block * PanelBlock + i * Block, load16(m, first + i, inner + block * Block));
    }
  }
}

/// One block of a panel, as tiles: [terms][2 tiles][16][32]. `first` is the panel's first row (or
/// column), `inner` the block's first number along the inner axis.
LVLM_TILES void packBlock(const StoredMatrix& m, Side side, std::int64_t first, std::int64_t inner,
  int terms, std::uint16_t* out)
{
  __m512i lines[MaximumTerms][Panel];
  for (std::int64_t i = 0; i < Panel; ++i)
  {
    __m512i line[MaximumTerms];
    side == Side::RightByColumn ? split(m, inner + i, first, terms, line)
                                : split(m, first + i, inner, terms, line);
    for (int term = 0; term < terms; ++term)
    {
      lines[term][i] = line[term];
    }
  }
  // A right operand's row holds two numbers of the inner axis for each of 16 columns.
  const __m512i pairs = _mm512_set_epi16(47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40,
    8, 39, 7, 38, 6, 37, 5, 36, 4, 35, 3, 34, 2, 33, 1, 32, 0);
  const __m512i laterPairs = _mm512_add_epi16(pairs, _mm512_set1_epi16(16));
  for (int term = 0; term < terms; ++term, out += PanelBlock)
  {
    __m512i* l = lines[term];
    if (side == Side::RightByColumn)
    {
      for (std::int64_t i = 0; i < TileRows; ++i)
      {
        _mm512_store_si512(
          out + i * Block, _mm512_permutex2var_epi16(l[2 * i], pairs, l[2 * i + 1]));
        _mm512_store_si512(out + TileNumbers + i * Block,
          _mm512_permutex2var_epi16(l[2 * i], laterPairs, l[2 * i + 1]));
      }
      continue;
    }
    if (side == Side::Right)
    {
      transpose(l);
      transpose(l + TileRows);
    }
    for (std::int64_t i = 0; i < Panel; ++i)
    {
      _mm512_store_si512(out + i * Block, l[i]);
    }
  }
}

/// sums [4 tiles][16][16] (+)= left panel times right panel over `blocks`; the tiles are (left
/// half, right half) = (0, 0), (1, 0), (0, 1), (1, 1).
template <int LeftTerms, int RightTerms>
LVLM_TILES void multiplyPanels(
  const std::uint16_t* left, const std::uint16_t* right, std::int64_t blocks, bool add, float* sums)
{
  constexpr int smallest = MaximumTerms - 1; // terms l and r with l + r beyond it are left out
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (std::int64_t block = 0; block < blocks; ++block)
  {
    for (int l = 0; l < LeftTerms; ++l)
    {
      const std::uint16_t* a = left + (block * LeftTerms + l) * PanelBlock;
      _tile_loadd(4, a, 64);
      _tile_loadd(5, a + TileNumbers, 64);
      for (int r = std::min(RightTerms - 1, smallest - l); r >= 0; --r)
      {
        const std::uint16_t* b = right + (block * RightTerms + r) * PanelBlock;
        _tile_loadd(6, b, 64);
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 5, 6);
        _tile_loadd(7, b + TileNumbers, 64);
        _tile_dpbf16ps(2, 4, 7);
        _tile_dpbf16ps(3, 5, 7);
      }
    }
  }
  alignas(64) float fresh[SumNumbers];
  float* to = add ? fresh : sums;
  _tile_stored(0, to, 64);
  _tile_stored(1, to + SumNumbers / 4, 64);
  _tile_stored(2, to + SumNumbers / 2, 64);
  _tile_stored(3, to + SumNumbers / 4 * 3, 64);
  for (std::int64_t i = 0; add && i < SumNumbers; i += 16)
  {
    _mm512_store_ps(sums + i, _mm512_add_ps(_mm512_load_ps(sums + i), _mm512_load_ps(fresh + i)));
  }
}

using Multiply = void (*)(const std::uint16_t*, const std::uint16_t*, std::int64_t, bool, float*);

Multiply multiplyFor(int leftTerms, int rightTerms)
{
  switch (10 * leftTerms + rightTerms)
  {
    case 11:
      return &multiplyPanels<1, 1>;
    case 13:
      return &multiplyPanels<1, 3>;
    case 23:
      return &multiplyPanels<2, 3>;
    case 31:
      return &multiplyPanels<3, 1>;
    default:
      return &multiplyPanels<3, 2>;
  }
}

/// Where a product goes: [rows, cols], float32 or bfloat16.
struct Target
{
  DType type;
  void* data;
  std::int64_t rows, cols;
  const float* bias; ///< [cols] or null
};

/// One tile of sums to the rows from `row`, the columns from `col`.
LVLM_TILES void store(__m512i* sums, const Target& y, std::int64_t row, std::int64_t col)
{
  const std::int64_t cols = std::clamp<std::int64_t>(y.cols - col, 0, 16);
  const auto mask = static_cast<__mmask16>((1u << cols) - 1);
  if (mask == 0)
  {
    return;
  }
  const __m512 bias = y.bias ? _mm512_maskz_loadu_ps(mask, y.bias + col) : _mm512_setzero_ps();
  for (std::int64_t i = 0; i < std::min<std::int64_t>(TileRows, y.rows - row); ++i)
  {
    const std::int64_t at = (row + i) * y.cols + col;
    __m512 value = _mm512_castsi512_ps(sums[i]);
    value = y.bias ? _mm512_add_ps(value, bias) : value;
    if (y.type == DType::F32)
    {
      _mm512_mask_storeu_ps(static_cast<float*>(y.data) + at, mask, value);
    }
    else
    {
      _mm256_mask_storeu_epi16(static_cast<std::uint16_t*>(y.data) + at, mask,
        reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(value)));
    }
  }
}

/// The sums of two panels to the target: of weights from `col` on, of activations from `row` on.
LVLM_TILES void storePanels(
  const float* sums, bool weightsLeft, const Target& y, std::int64_t row, std::int64_t col)
{
  for (std::int64_t tile = 0; tile < 4; ++tile)
  {
    __m512i r[TileRows];
    for (std::int64_t i = 0; i < TileRows; ++i)
    {
      r[i] = _mm512_load_si512(sums + tile * SumNumbers / 4 + i * 16);
    }
    const std::int64_t left = tile % 2 * TileRows, right = tile / 2 * TileRows;
    if (weightsLeft)
    {
      transpose(r);
    }
    store(r, y, row + (weightsLeft ? right : left), col + (weightsLeft ? left : right));
  }
}

int termsOf(const StoredMatrix& m, bool exact)
{
  return !exact || m.type == DType::BF16 ? 1 : m.type == DType::F16 ? 2 : MaximumTerms;
}

std::int64_t panelsOf(std::int64_t rows)
{
  return (rows + Panel - 1) / Panel;
}

std::int64_t blocksOf(std::int64_t inner)
{
  return (inner + Block - 1) / Block;
}

/// bfloat16 numbers of the activations' tiles.
std::int64_t activationNumbers(const StoredMatrix& x)
{
  return panelsOf(std::min(x.rows, RowsTogether)) * blocksOf(x.cols) * termsOf(x, true) *
    PanelBlock;
}

/// bfloat16 numbers of one thread's weights, with as many terms as any have.
constexpr std::int64_t WeightNumbers = PanelsTogether * BlocksTogether * 2 * PanelBlock;

/// float32 numbers of one thread's sums.
std::int64_t sumNumbers(std::int64_t rows)
{
  return panelsOf(std::min(rows, RowsTogether)) * PanelsTogether * SumNumbers;
}

/// All rows of x (few enough for their tiles to be kept) times the weights.
class Product
{
public:
  Product(const StoredMatrix& x, const StoredMatrix& weight, bool weightsLeft, const Target& y,
    void* scratch)
    : Weight(weight), Y(y), WeightsLeft(weightsLeft), Blocks(blocksOf(x.cols)),
      Panels(panelsOf(x.rows)), WeightTerms(termsOf(weight, x.type == DType::F32)),
      Terms(termsOf(x, true)), Activations(static_cast<std::uint16_t*>(scratch)),
      Weights(this->Activations + activationNumbers(x)),
      Run(weightsLeft ? multiplyFor(this->WeightTerms, this->Terms)
                      : multiplyFor(this->Terms, this->WeightTerms))
  {
#pragma omp parallel for schedule(static)
    for (std::int64_t part = 0; part < this->Panels * this->Blocks; ++part)
    {
      packBlock(x, weightsLeft ? Side::Right : Side::Left, part / this->Blocks * Panel,
        part % this->Blocks * Block, this->Terms,
        this->Activations + part * this->Terms * PanelBlock);
    }
  }

  LVLM_TILES void run() const
  {
    const std::int64_t groups =
      (this->Y.cols + PanelsTogether * Panel - 1) / (PanelsTogether * Panel);
    const int threads = omp_get_max_threads();
    auto* sums = reinterpret_cast<float*>(this->Weights + threads * WeightNumbers);
#pragma omp parallel num_threads(threads)
    {
      const TileShapes shapes;
      _tile_loadconfig(&shapes);
      const int self = omp_get_thread_num();
#pragma omp for schedule(dynamic)
      for (std::int64_t group = 0; group < groups; ++group)
      {
        this->group(group * PanelsTogether * Panel, this->Weights + self * WeightNumbers,
          sums + self * sumNumbers(this->Y.rows));
      }
      _tile_release();
    }
  }

private:
  /// Blocks of one panel of weights, from block `first` on.
  void packWeights(
    std::int64_t col, std::int64_t first, std::int64_t blocks, std::uint16_t* out) const
  {
    if (this->WeightsLeft && this->Weight.type == DType::BF16)
    {
      copyRows(this->Weight, col, first * Block, blocks, out);
      return;
    }
    for (std::int64_t block = 0; block < blocks; ++block)
    {
      packBlock(this->Weight, this->WeightsLeft ? Side::Left : Side::RightByColumn, col,
        (first + block) * Block, this->WeightTerms, out + block * this->WeightTerms * PanelBlock);
    }
  }

  /// The target's columns from `col` on, as many as a group has.
  void group(std::int64_t col, std::uint16_t* weights, float* sums) const
  {
    const std::int64_t panels = std::min(PanelsTogether, (this->Y.cols - col + Panel - 1) / Panel);
    for (std::int64_t first = 0; first < this->Blocks; first += BlocksTogether)
    {
      const std::int64_t blocks = std::min(BlocksTogether, this->Blocks - first);
      for (std::int64_t panel = 0; panel < panels; ++panel)
      {
        this->packWeights(col + panel * Panel, first, blocks,
          weights + panel * BlocksTogether * this->WeightTerms * PanelBlock);
      }
      for (std::int64_t row = 0; row < this->Panels; ++row)
      {
        const std::uint16_t* x =
          this->Activations + (row * this->Blocks + first) * this->Terms * PanelBlock;
        for (std::int64_t panel = 0; panel < panels; ++panel)
        {
          const std::uint16_t* w =
            weights + panel * BlocksTogether * this->WeightTerms * PanelBlock;
          this->Run(this->WeightsLeft ? w : x, this->WeightsLeft ? x : w, blocks, first > 0,
            sums + (row * PanelsTogether + panel) * SumNumbers);
        }
      }
    }
    for (std::int64_t row = 0; row < this->Panels; ++row)
    {
      for (std::int64_t panel = 0; panel < panels; ++panel)
      {
        storePanels(sums + (row * PanelsTogether + panel) * SumNumbers, this->WeightsLeft, this->Y,
          row * Panel, col + panel * Panel);
      }
    }
  }

  const StoredMatrix& Weight;
  const Target& Y;
  bool WeightsLeft;
  std::int64_t Blocks, Panels;
  int WeightTerms, Terms;
  std::uint16_t* Activations; ///< [panels][blocks][terms][2 tiles][16][32]
  std::uint16_t* Weights;     ///< of each thread
  Multiply Run;
};

void multiply(const StoredMatrix& x, const StoredMatrix& weight, bool weightsLeft, const Target& y,
  void* scratch)
{
  const std::int64_t bytes = x.type == DType::F32 ? 4 : 2;
  for (std::int64_t row = 0; row < x.rows; row += RowsTogether)
  {
    StoredMatrix part = x;
    part.rows = std::min(RowsTogether, x.rows - row);
    part.data = static_cast<const char*>(x.data) + row * x.cols * bytes;
    Target to = y;
    to.rows = part.rows;
    to.data = static_cast<char*>(y.data) + row * y.cols * bytes;
    Product(part, weight, weightsLeft, to, scratch).run();
  }
}
}

std::int64_t tileScratch(const StoredMatrix& x)
{
  return activationNumbers(x) * 2 +
    omp_get_max_threads() * (WeightNumbers * 2 + sumNumbers(x.rows) * 4);
}

void tileProduct(
  const StoredMatrix& x, const StoredMatrix& weight, const float* bias, void* y, void* scratch)
{
  multiply(x, weight, true, { x.type, y, x.rows, weight.rows, bias }, scratch);
}

void tileTransposedProduct(
  const StoredMatrix& g, const StoredMatrix& weight, void* y, void* scratch)
{
  multiply(g, weight, false, { g.type, y, g.rows, weight.cols, nullptr }, scratch);
}
#else
std::int64_t tileScratch(const StoredMatrix&)
{
  return 0;
}

void tileProduct(const StoredMatrix&, const StoredMatrix&, const float*, void*, void*)
{
  fail("this CPU has no tiles");
}

void tileTransposedProduct(const StoredMatrix&, const StoredMatrix&, void*, void*)
{
  fail("this CPU has no tiles");
}
#endif

} // namespace lvlm::llava
