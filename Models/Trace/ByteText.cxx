// SPDX-License-Identifier: Apache-2.0
#include "ByteText.h"

#include <sstream>

namespace lvlm
{

std::string byteText(std::size_t bytes)
{
  const char* units[] = { "bytes", "kB", "MB", "GB", "TB" };
  double value = static_cast<double>(bytes);
  int unit = 0;
  for (; value >= 1000 && unit < 4; ++unit)
  {
    value /= 1000;
  }
  std::ostringstream text;
  text.precision(3);
  text << value << " " << units[unit];
  return text.str();
}

} // namespace lvlm
