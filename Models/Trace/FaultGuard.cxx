// SPDX-License-Identifier: Apache-2.0
#include "FaultGuard.h"

#include "Error.h"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <mutex>

#include <sys/mman.h>
#include <unistd.h>

namespace lvlm
{

/// In a list that only grows, so that a signal handler can walk it while others change it: ranges
/// are used again, never freed. One with `end` 0 is free.
struct FaultGuard::Range
{
  std::atomic<std::uintptr_t> begin{ 0 };
  std::atomic<std::uintptr_t> end{ 0 };
  std::atomic<bool> faulted{ false };
  Range* next = nullptr;
};

namespace
{
static_assert(std::atomic<std::uintptr_t>::is_always_lock_free &&
    std::atomic<bool>::is_always_lock_free && std::atomic<void*>::is_always_lock_free,
  "a signal handler must not wait for locks");

std::atomic<FaultGuard::Range*> FirstRange{ nullptr };
/// Whose place ours took. Older ones may be in use by a handler: none is freed.
struct Handler
{
  struct sigaction action;
  const Handler* older;
};
std::atomic<const Handler*> Previous{ nullptr };
std::uintptr_t PageSize = 4096;

std::mutex& changes()
{
  static auto* mutex = new std::mutex; // never destroyed: files may be closed during exit
  return *mutex;
}

FaultGuard::Range* rangeOf(std::uintptr_t address)
{
  for (auto* range = FirstRange.load(); range; range = range->next)
  {
    const std::uintptr_t end = range->end.load();
    if (address < end && address >= range->begin.load() && end == range->end.load())
    {
      return range;
    }
  }
  return nullptr;
}

/// Whether the pages from `address` to the end of the range are zeros now.
bool putZeros(FaultGuard::Range& range, std::uintptr_t address)
{
  const std::uintptr_t page = address / PageSize * PageSize;
  range.faulted.store(true); // before anybody can read a zero
  return ::mmap(reinterpret_cast<void*>(page), range.end.load() - page, PROT_READ,
           MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) != MAP_FAILED;
}

/// Whether the handler that passOn() called has called ours in turn: it would go round for ever.
/// Then the signal is the same one, further down the stack. A count would stay wrong after a
/// handler that leaves by longjmp.
bool isRound(const void* context, const void* frame)
{
  // Not allocated at its first use, which may be in a signal handler.
  static thread_local const void* last[2] __attribute__((tls_model("initial-exec"))) = {};
  const bool round = context == last[0] && frame < last[1];
  last[0] = context;
  last[1] = frame;
  return round;
}

/// What would have happened without us.
void passOn(int signal, siginfo_t* info, void* context)
{
  const Handler* last = Previous.load();
  const struct sigaction* previous = last ? &last->action : nullptr;
  const bool handler = previous && previous->sa_handler != SIG_DFL &&
    previous->sa_handler != SIG_IGN; // the system ignores SIG_IGN for a fault
  if (handler && !isRound(context, __builtin_frame_address(0)))
  {
    if (previous->sa_flags & SA_SIGINFO)
    {
      previous->sa_sigaction(signal, info, context);
    }
    else
    {
      previous->sa_handler(signal);
    }
    return;
  }
  ::signal(signal, SIG_DFL); // the access is repeated on return, and ends the process where it is
  if (info->si_code <= 0)    // sent by a process: nothing would repeat it
  {
    ::raise(signal);
  }
}

void onFault(int signal, siginfo_t* info, void* context)
{
  const int before = errno;
  const auto address = reinterpret_cast<std::uintptr_t>(info->si_addr);
  FaultGuard::Range* range = info->si_code > 0 ? rangeOf(address) : nullptr;
  if (!range || !putZeros(*range, address))
  {
    passOn(signal, info, context);
  }
  errno = before;
}

/// Again whenever somebody else's handler has taken the place of ours.
void installHandler()
{
  struct sigaction now
  {
  };
  if (::sigaction(SIGBUS, nullptr, &now) != 0 ||
    ((now.sa_flags & SA_SIGINFO) != 0 && now.sa_sigaction == onFault))
  {
    return;
  }
  PageSize = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  Previous.store(new Handler{ now, Previous.load() });
  struct sigaction ours
  {
  };
  ours.sa_sigaction = onFault;
  ours.sa_flags = SA_SIGINFO | SA_ONSTACK;
  ::sigemptyset(&ours.sa_mask);
  ::sigaction(SIGBUS, &ours, nullptr);
}

FaultGuard::Range* freeRange()
{
  for (auto* range = FirstRange.load(); range; range = range->next)
  {
    if (range->end.load() == 0)
    {
      return range;
    }
  }
  auto* range = new FaultGuard::Range;
  range->next = FirstRange.load();
  FirstRange.store(range);
  return range;
}
}

FaultGuard::FaultGuard(const void* data, std::size_t size)
{
  const std::lock_guard<std::mutex> lock(changes());
  installHandler();
  this->Guarded = freeRange();
  const auto begin = reinterpret_cast<std::uintptr_t>(data);
  this->Guarded->faulted.store(false);
  this->Guarded->begin.store(begin);
  this->Guarded->end.store(begin + (size + PageSize - 1) / PageSize * PageSize);
}

FaultGuard::~FaultGuard()
{
  const std::lock_guard<std::mutex> lock(changes());
  this->Guarded->end.store(0);
}

bool FaultGuard::faulted() const
{
  return this->Guarded->faulted.load();
}

} // namespace lvlm
