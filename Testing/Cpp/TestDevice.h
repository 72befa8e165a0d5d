// SPDX-License-Identifier: Apache-2.0
/// @file TestDevice.h
/// Where the models of the unit tests compute.
#ifndef LVLM_TESTING_TESTDEVICE_H
#define LVLM_TESTING_TESTDEVICE_H

#include <cstdlib>
#include <string>

namespace lvlm_test
{

/// LVLM_TEST_DEVICE, "cuda" say, or the CPU: Testing/Device runs the same tests on a GPU.
inline std::string testDevice()
{
  const char* const name = std::getenv("LVLM_TEST_DEVICE");
  return name ? name : "cpu";
}

} // namespace lvlm_test

#endif
