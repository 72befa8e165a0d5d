// SPDX-License-Identifier: Apache-2.0
/// @file Check.h
/// A unit test is a program: CHECK counts and prints what failed, and main returns checkResult().
#ifndef LVLM_TESTING_CHECK_H
#define LVLM_TESTING_CHECK_H

#include <cmath>
#include <cstdio>
#include <exception>
#include <iostream>
#include <string>

namespace lvlm_test
{
inline int failures = 0;
inline int checks = 0;

inline bool check(bool good, const char* what, const char* file, int line)
{
  ++checks;
  if (!good)
  {
    ++failures;
    std::cerr << file << ":" << line << ": failed: " << what << std::endl;
  }
  return good;
}

/// 0 when at least one check ran and none failed.
inline int checkResult()
{
  std::cout << checks << " checks, " << failures << " failed" << std::endl;
  return checks > 0 && failures == 0 ? 0 : 1;
}

/// True when `work` throws an exception whose message holds `needle`.
template <typename Work>
bool throwsWith(Work&& work, const std::string& needle)
{
  try
  {
    work();
  }
  catch (const std::exception& error)
  {
    const std::string text = error.what();
    if (text.find(needle) != std::string::npos)
    {
      return true;
    }
    std::cerr << "the message was: " << text << std::endl;
    return false;
  }
  std::cerr << "nothing was thrown" << std::endl;
  return false;
}
} // namespace lvlm_test

#define CHECK(condition) lvlm_test::check((condition), #condition, __FILE__, __LINE__)
#define CHECK_NEAR(a, b, tolerance)                                                                \
  do                                                                                               \
  {                                                                                                \
    const double checkA = static_cast<double>(a);                                                  \
    const double checkB = static_cast<double>(b);                                                  \
    if (!lvlm_test::check(                                                                         \
          std::abs(checkA - checkB) <= (tolerance), #a " near " #b, __FILE__, __LINE__))           \
    {                                                                                              \
      std::cerr << "  " << checkA << " against " << checkB << std::endl;                           \
    }                                                                                              \
  } while (false)
/// The work must throw, with `needle` somewhere in its message.
#define CHECK_THROWS(work, needle)                                                                 \
  lvlm_test::check(lvlm_test::throwsWith([&] { work; }, needle), #work, __FILE__, __LINE__)

#endif
