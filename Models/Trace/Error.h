// SPDX-License-Identifier: Apache-2.0
/// @file Error.h
/// The one exception type that Models/ throws on purpose, and how long work reports and is stopped.
#ifndef LVLM_TRACE_ERROR_H
#define LVLM_TRACE_ERROR_H

#include <cstring>
#include <functional>
#include <sstream>
#include <stdexcept>
#include <string>

namespace lvlm
{

/// Bad input, unsupported architecture, not enough memory: the message names the file and the
/// value.
class Error : public std::runtime_error
{
public:
  using std::runtime_error::runtime_error;
};

/// The operating system refused a file.
class SystemError : public Error
{
public:
  SystemError(const std::string& message, int reason) : Error(message), Reason(reason) {}
  int reason() const { return this->Reason; } ///< an errno

private:
  int Reason;
};

/// Thrown out of a long computation after its Progress callback answered false.
class Aborted : public Error
{
public:
  Aborted() : Error("aborted by the user") {}
};

/// Called with a fraction in [0, 1] and a short text; answering false aborts the work.
using Progress = std::function<bool(double fraction, const std::string& text)>;

/// Reports to `progress` (may be empty). Throws Aborted when it answers false.
inline void report(const Progress& progress, double fraction, const std::string& text)
{
  if (progress && !progress(fraction, text))
  {
    throw Aborted();
  }
}

/// The part of a progress from `from` on, `size` long, for what takes so much of the whole. The
/// progress must outlive it.
inline Progress part(const Progress& progress, double from, double size)
{
  return [&progress, from, size](double fraction, const std::string& text)
  { return !progress || progress(from + size * fraction, text); };
}

/// Throws Error with all the parts written one after the other: fail(path, ": no tensor ", name).
template <typename... Parts>
[[noreturn]] void fail(const Parts&... parts)
{
  std::ostringstream text;
  (text << ... << parts);
  throw Error(text.str());
}

/// Throws SystemError with the parts and what the system says of `reason`, an errno.
template <typename... Parts>
[[noreturn]] void failSystem(int reason, const Parts&... parts)
{
  std::ostringstream text;
  (text << ... << parts) << ": " << std::strerror(reason);
  throw SystemError(text.str(), reason);
}

} // namespace lvlm

#endif
