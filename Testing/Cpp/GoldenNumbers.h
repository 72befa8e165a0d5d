// SPDX-License-Identifier: Apache-2.0
/// @file GoldenNumbers.h
/// Tensors of a golden file, and ours against them.
///
/// Tolerances: in float32 1e-5 or three times Hugging Face's own float32 error, whichever is
/// larger; in float64 1e-9 and the rounding to float32.
#ifndef LVLM_TESTING_GOLDENNUMBERS_H
#define LVLM_TESTING_GOLDENNUMBERS_H

#include "Check.h"

#include "Models/Picture/Image.h"
#include "Models/Trace/Safetensors.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

namespace lvlm_test
{

/// Tensors and metadata of a file that begin with a name: a picture's number, a checkpoint.
struct Golden
{
  const lvlm::SafetensorsFile& file;
  std::string name;

  const lvlm::Tensor& tensor(const std::string& of) const
  {
    return this->file.tensor(this->name + "." + of);
  }
  double theirError(const std::string& of) const
  {
    return std::stod(this->file.metadata().at("float32_error." + this->name + "." + of));
  }
  lvlm::picture::RgbImage picture(const std::string& of) const
  {
    const lvlm::Tensor& picture = this->tensor(of); // u8 [H, W, 3]
    const auto* pixels = picture.as<std::uint8_t>();
    return { picture.extent(1), picture.extent(0), { pixels, pixels + picture.count() } };
  }
};

inline bool sameBytes(const lvlm::Tensor& ours, const lvlm::Tensor& theirs)
{
  return ours.shape == theirs.shape && ours.dtype == theirs.dtype &&
    std::memcmp(ours.data, theirs.data, theirs.bytes()) == 0;
}

/// Of our float32 numbers to as many float64 ones, beyond the rounding of each to float32 where
/// `rounded`.
inline double largestDifference(const lvlm::Tensor& ours, const lvlm::Tensor& theirs, bool rounded)
{
  double largest = 0;
  for (std::int64_t i = 0; i < theirs.count(); ++i)
  {
    const double expected = theirs.as<double>()[i];
    const double difference = std::abs(static_cast<double>(ours.as<float>()[i]) - expected) -
      (rounded ? 0x1p-24 * std::abs(expected) : 0);
    largest = difference <= largest ? largest : difference; // NaN counts as large
  }
  return largest;
}

/// `wide`: ours was computed in float64.
inline void compareNumbers(
  const lvlm::Tensor& ours, const Golden& golden, const std::string& name, bool wide)
{
  const lvlm::Tensor& theirs = golden.tensor(name);
  if (!CHECK(ours.count() == theirs.count()))
  {
    return;
  }
  const double largest = largestDifference(ours, theirs, wide);
  const double allowed = wide ? 1e-9 : std::max(1e-5, 3 * golden.theirError(name));
  CHECK(largest <= allowed);
  std::cout << "    " << name << " " << largest << " of " << allowed << std::endl;
}
} // namespace lvlm_test

#endif
