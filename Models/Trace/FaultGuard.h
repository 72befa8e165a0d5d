// SPDX-License-Identifier: Apache-2.0
/// @file FaultGuard.h
/// Survives the loss of a mapped file's pages.
///
/// Reading a page of a mapping whose file has been cut off (or whose disk fails) raises SIGBUS,
/// which ends the process: an open session, or a server with everybody's work, for one file. Read
/// into memory a file cannot do that, but a model of 13 GB and a trace of tens of GB are mapped
/// because they do not fit there, and looking at a file's size before each use leaves the time
/// between the look and the use. So the fault itself is handled: zero pages take the place of the
/// lost ones, the range is marked, and whoever read from it asks for the mark before using what
/// came out (MappedFile::requireIntact()). Private to Models/Trace.
#ifndef LVLM_TRACE_FAULTGUARD_H
#define LVLM_TRACE_FAULTGUARD_H

#include <cstddef>

namespace lvlm
{

/// While it lives, a SIGBUS of an address in [data, data + size), the mapping of a file, puts zero
/// pages from the page at fault to the range's end. Faults at other addresses go to the handler
/// that was there before, or end the process as they would have done.
class FaultGuard
{
public:
  FaultGuard(const void* data, std::size_t size);
  ~FaultGuard();
  FaultGuard(const FaultGuard&) = delete;
  FaultGuard& operator=(const FaultGuard&) = delete;

  /// Whether there was a fault in the range.
  bool faulted() const;

  struct Range;

private:
  Range* Guarded;
};

} // namespace lvlm

#endif
