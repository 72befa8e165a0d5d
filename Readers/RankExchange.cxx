// SPDX-License-Identifier: Apache-2.0
#include "RankExchange.h"

#include "vtkMultiProcessController.h"

#include <algorithm>
#include <new>

namespace lvlm
{

namespace
{
/// Between two looks at the other ranks while there is work of one's own.
constexpr std::chrono::milliseconds LookInterval(50);

/// Of the messages between two ranks; ParaView uses others.
constexpr int Tag = 0x4c564d;

void check(int done, const char* what)
{
  if (!done)
  {
    fail("the connection between the ranks is broken (", what, ")");
  }
}
}

RankExchange::RankExchange() : Controller(vtkMultiProcessController::GetGlobalController())
{
  if (this->Controller)
  {
    this->Rank = this->Controller->GetLocalProcessId();
    this->Ranks = this->Controller->GetNumberOfProcesses();
  }
}

std::vector<std::vector<char>> RankExchange::exchangeBytes(const void* own, std::size_t bytes)
{
  const auto ranks = static_cast<std::size_t>(this->Ranks);
  const auto length = static_cast<vtkIdType>(bytes);
  std::vector<vtkIdType> lengths(ranks), offsets(ranks + 1, 0);
  check(this->Controller->AllGather(&length, lengths.data(), 1), "lengths");
  for (std::size_t rank = 0; rank < ranks; ++rank)
  {
    offsets[rank + 1] = offsets[rank] + lengths[rank];
  }
  if (offsets.back() > VTK_INT_MAX) // MPI counts with int
  {
    fail("a message of ", offsets.back(), " bytes between the ranks is too long");
  }
  std::vector<char> content(static_cast<std::size_t>(offsets.back()) + 1); // never a null pointer
  check(this->Controller->AllGatherV(bytes > 0 ? static_cast<const char*>(own) : content.data(),
          content.data(), length, lengths.data(), offsets.data()),
    "contents");
  std::vector<std::vector<char>> all;
  for (std::size_t rank = 0; rank < ranks; ++rank)
  {
    all.emplace_back(content.begin() + offsets[rank], content.begin() + offsets[rank + 1]);
  }
  return all;
}

void RankExchange::giveUp(const std::string& message, const std::vector<State>& states)
{
  this->Broken = true;
  const auto messages = this->exchangeBytes(message.data(), message.size());
  const auto failed = std::find(states.begin(), states.end(), State::Failed);
  if (failed == states.end())
  {
    throw Aborted();
  }
  const auto rank = static_cast<std::size_t>(failed - states.begin());
  std::string text(messages[rank].begin(), messages[rank].end());
  const bool alike =
    std::all_of(states.begin(), states.end(), [](State s) { return s == State::Failed; }) &&
    std::all_of(messages.begin(), messages.end(), [&](const auto& m) { return m == messages[0]; });
  if (!alike)
  {
    text += " (on rank " + std::to_string(rank) + " of " + std::to_string(this->Ranks) + ")";
  }
  throw Error(text);
}

RankExchange::State RankExchange::look(State state, const std::string& message)
{
  std::vector<State> states(static_cast<std::size_t>(this->Ranks));
  const auto own = static_cast<long long>(state);
  std::vector<long long> all(states.size());
  check(this->Controller->AllGather(&own, all.data(), 1), "states");
  std::transform(
    all.begin(), all.end(), states.begin(), [](long long one) { return static_cast<State>(one); });
  this->LastLook = std::chrono::steady_clock::now();
  if (*std::max_element(states.begin(), states.end()) >= State::Aborted)
  {
    this->giveUp(message, states);
  }
  const bool same = std::all_of(states.begin(), states.end(), [&](State s) { return s == state; });
  if (!same && std::find(states.begin(), states.end(), State::Working) == states.end())
  {
    this->Broken = true;
    fail("the ranks do not do the same: a fault of this program"); // on all ranks alike
  }
  return same ? state : State::Working;
}

void RankExchange::meet(State state, const std::string& message)
{
  while (this->look(state, message) == State::Working)
  {
    // Others still work; rank 0 is the one that the user can stop.
    if (this->isFirst() && this->Asked && state < State::Aborted &&
      !this->Asked(0.5, "waiting for other ranks"))
    {
      this->Asked = nullptr;
      throw Aborted();
    }
  }
}

Progress RankExchange::progress(Progress own)
{
  if (this->Ranks == 1)
  {
    return own;
  }
  this->Asked = own;
  return [this, own = std::move(own)](double fraction, const std::string& text)
  {
    const bool goOn = !own || own(fraction, text);
    if (this->isFirst() && !goOn)
    {
      return false;
    }
    if (!this->Broken && std::chrono::steady_clock::now() - this->LastLook > LookInterval)
    {
      this->look(State::Working, {});
    }
    return true;
  };
}

std::vector<std::vector<char>> RankExchange::gatherBytes(const void* own, std::size_t bytes)
{
  if (this->Ranks == 1)
  {
    const auto* data = static_cast<const char*>(own);
    return { std::vector<char>(data, data + bytes) };
  }
  this->meet(State::Gathering);
  return this->exchangeBytes(own, bytes);
}

void RankExchange::broadcastBytes(const std::vector<char>& own, int root, std::vector<char>& result)
{
  if (this->Ranks == 1)
  {
    result = own;
    return;
  }
  this->meet(State::Broadcasting);
  std::vector<char> content = own;
  auto length = static_cast<vtkIdType>(content.size());
  check(this->Controller->Broadcast(&length, 1, root), "length");
  content.resize(static_cast<std::size_t>(length));
  if (length > 0)
  {
    check(this->Controller->Broadcast(content.data(), length, root), "content");
  }
  result = std::move(content);
}

void RankExchange::sendToFirst(std::vector<char>& bytes, int from)
{
  if (this->Ranks == 1)
  {
    return;
  }
  this->meet(State::Sending);
  if (from == 0 || (this->Rank != from && !this->isFirst()))
  {
    return;
  }
  auto length = static_cast<vtkIdType>(bytes.size());
  if (!this->isFirst())
  {
    check(this->Controller->Send(&length, 1, 0, Tag), "length to rank 0");
    check(this->Controller->Send(bytes.data(), length, 0, Tag), "content to rank 0");
    return;
  }
  check(this->Controller->Receive(&length, 1, from, Tag), "length");
  bytes.resize(static_cast<std::size_t>(length));
  check(this->Controller->Receive(bytes.data(), length, from, Tag), "content");
}

void RankExchange::finish(std::exception_ptr error)
{
  if (this->Ranks == 1 || this->Broken)
  {
    return; // nobody else, or all know already
  }
  State state = State::Done;
  std::string message;
  try
  {
    if (error)
    {
      std::rethrow_exception(error);
    }
  }
  catch (const Aborted&)
  {
    state = State::Aborted;
  }
  catch (const std::bad_alloc&)
  {
    state = State::Failed;
    message = "not enough memory";
  }
  catch (const std::exception& thrown)
  {
    state = State::Failed;
    message = thrown.what();
  }
  catch (...)
  {
    state = State::Failed;
    message = "an exception of unknown type";
  }
  this->meet(state, message);
}

} // namespace lvlm
