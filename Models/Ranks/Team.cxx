// SPDX-License-Identifier: Apache-2.0
#include "Team.h"

#include "MessageHead.h"

#include <algorithm>
#include <array>
#include <new>
#include <utility>

#include <unistd.h>

namespace lvlm::ranks
{

namespace
{
/// Between two looks at the other ranks while there is work of one's own.
constexpr std::chrono::milliseconds LookInterval(50);

/// How far a rank is.
enum class State
{
  Working,
  Gathering,
  Broadcasting,
  Handing,
  Done,
  Aborted, ///< this and the next one end the work of all
  Failed
};

class SingleRank : public Channel
{
public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  void send(int, const void*, std::size_t) override {}
  void receive(int, void*, std::size_t) override {}
  void broadcast(int, void*, std::size_t) override {}
};

/// Models may be missing on one host.
std::string hostName()
{
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "an unknown host";
}
}

/// What a rank says at a meeting, and what all have come to.
struct Team::Outcome
{
  State state = State::Working;
  std::string text;    ///< of progress, or of what went wrong
  double fraction = 0; ///< of progress
  std::string host{};  ///< where it went wrong

  bool ends() const { return this->state >= State::Aborted; }

  /// Of work that ends in `state` unless it throws.
  static Outcome of(State state, const std::function<void()>& work)
  {
    const auto failed = [](const std::string& text) {
      return Outcome{ State::Failed, text, 0, hostName() };
    };
    try
    {
      work();
      return { state, {} };
    }
    catch (const lvlm::Aborted&)
    {
      return { State::Aborted, {} };
    }
    catch (const std::bad_alloc&)
    {
      return failed("not enough memory");
    }
    catch (const std::exception& error)
    {
      return failed(error.what());
    }
    catch (...)
    {
      return failed("an exception of unknown type");
    }
  }

  [[noreturn]] void raise() const
  {
    if (this->state == State::Aborted)
    {
      throw lvlm::Aborted();
    }
    throw Error(this->text);
  }

  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Outcome, state, text, fraction, host)
};

Team::Team(std::unique_ptr<Channel> channel)
  : Link(std::move(channel)), Verdict(std::make_unique<Outcome>())
{
  if (!this->Link)
  {
    this->Link = std::make_unique<SingleRank>();
  }
}

Team::~Team() = default;

void Team::send(const Message& message, int to)
{
  transferred(
    message, true, [&](void* data, std::size_t bytes) { this->Link->send(to, data, bytes); });
}

Message Team::receive(int from)
{
  return transferred(
    {}, false, [&](void* data, std::size_t bytes) { this->Link->receive(from, data, bytes); });
}

/// The root's message on all ranks, without a meeting.
Message Team::spread(Message message, int root)
{
  return transferred(std::move(message), this->rank() == root,
    [&](void* data, std::size_t bytes) { this->Link->broadcast(root, data, bytes); });
}

/// Of ranks of which some have failed: the message of the first, with rank and host unless all say
/// the same.
Team::Outcome Team::failure(const std::vector<Outcome>& all) const
{
  const auto failed = std::find_if(
    all.begin(), all.end(), [](const Outcome& one) { return one.state == State::Failed; });
  const bool alike = std::all_of(all.begin(), all.end(),
    [&](const Outcome& one) { return one.state == State::Failed && one.text == failed->text; });
  const std::string place = "rank " + std::to_string(failed - all.begin()) + " of " +
    std::to_string(this->size()) + " on " + failed->host + ": ";
  return { State::Failed, alike ? failed->text : place + failed->text };
}

/// On rank 0: what the outcomes of all ranks come to.
Team::Outcome Team::judged(const std::vector<Outcome>& all)
{
  const auto any = [&](State state)
  {
    return std::find_if(
      all.begin(), all.end(), [&](const Outcome& one) { return one.state == state; });
  };
  if (any(State::Failed) != all.end())
  {
    return this->failure(all);
  }
  if (any(State::Aborted) != all.end())
  {
    return { State::Aborted, {} };
  }
  const auto working = any(State::Working);
  if (working == all.end())
  {
    const bool same = std::all_of(
      all.begin(), all.end(), [&](const Outcome& one) { return one.state == all[0].state; });
    return same ? all[0]
                : Outcome{ State::Failed, "the ranks do not do the same: a fault of this program" };
  }
  return Outcome::of(State::Working,
    [&]
    {
      if (working != all.begin()) // rank 0 waits: it is the one that the user can stop
      {
        report(this->Watcher, working->fraction, working->text);
      }
    });
}

/// One look at all ranks.
void Team::look(const Outcome& own)
{
  Message verdict;
  if (this->isFirst())
  {
    std::vector<Outcome> all{ own };
    for (int rank = 1; rank < this->size(); ++rank)
    {
      all.push_back(unpacked(this->receive(rank).head).get<Outcome>());
    }
    verdict.head = packed(this->judged(all));
  }
  else
  {
    this->send({ packed(own), {} }, 0);
  }
  *this->Verdict = unpacked(this->spread(std::move(verdict), 0).head).get<Outcome>();
  this->LastLook = std::chrono::steady_clock::now();
}

/// Returns once all ranks are in the same state, which is not Working. Throws when one has given
/// up.
void Team::meet(const Outcome& own)
{
  while (!this->Verdict->ends())
  {
    this->look(own);
    if (this->Verdict->state == own.state && !own.ends())
    {
      return;
    }
  }
  this->Verdict->raise();
}

/// A report of a rank that works while others may wait; whether to go on. Throws when another rank
/// has failed.
bool Team::tell(double fraction, const std::string& text)
{
  if (!this->Verdict->ends())
  {
    this->look({ State::Working, text, fraction });
  }
  if (this->Verdict->state == State::Failed)
  {
    this->Verdict->raise();
  }
  return !this->Verdict->ends();
}

void Team::together(const std::function<void()>& work)
{
  if (this->size() == 1)
  {
    work();
    return;
  }
  if (this->Depth++ == 0) // what an earlier one came to does not matter any more
  {
    this->Verdict->state = State::Working;
    this->Watcher = nullptr;
  }
  const Outcome own = Outcome::of(State::Done, work);
  --this->Depth;
  this->meet(own);
}

bool Team::allAgree(const std::function<bool()>& work)
{
  bool all = true;
  this->together(
    [&]
    {
      const bool own = work();
      for (const Message& one : this->gather({ packed(own), {} }))
      {
        all = all && unpacked(one.head).get<bool>();
      }
    });
  return all;
}

Message Team::fromFirst(const std::function<Message()>& work)
{
  Message result;
  this->together([&] { result = this->broadcast(this->isFirst() ? work() : Message(), 0); });
  return result;
}

Message Team::pass(Direction direction, int workers, const Turn& turn, const Progress& progress)
{
  const int step = direction == Direction::Forwards ? 1 : -1;
  const int first = step > 0 ? 0 : workers - 1;
  const int last = workers - 1 - first;
  const Progress mine = this->isFirst() ? progress
                                        : [this](double fraction, const std::string& text)
  { return this->tell(fraction, text); };
  Message given;
  this->together(
    [&]
    {
      const Progress before = std::exchange(this->Watcher, progress);
      for (int worker = first; worker >= 0 && worker < workers; worker += step)
      {
        if (worker == this->rank())
        {
          given = turn(std::move(given), mine);
        }
        if (worker != last)
        {
          given = this->hand(std::move(given), worker, worker + step);
        }
      }
      given = this->broadcast(std::move(given), last);
      this->Watcher = before;
    });
  return given;
}

std::vector<Message> Team::gather(Message own)
{
  std::vector<Message> all(static_cast<std::size_t>(this->size()));
  all[static_cast<std::size_t>(this->rank())] = std::move(own);
  if (this->size() > 1)
  {
    this->meet({ State::Gathering, {} });
    for (int root = 0; root < this->size(); ++root)
    {
      Message& one = all[static_cast<std::size_t>(root)];
      one = this->spread(std::move(one), root);
    }
  }
  return all;
}

Message Team::broadcast(Message message, int root)
{
  if (this->size() == 1)
  {
    return message;
  }
  this->meet({ State::Broadcasting, {} });
  return this->spread(std::move(message), root);
}

Message Team::hand(Message message, int from, int to)
{
  if (this->size() > 1)
  {
    this->meet({ State::Handing, {} });
  }
  if (from != to && this->rank() == from)
  {
    this->send(message, to);
  }
  else if (from != to && this->rank() == to)
  {
    return this->receive(from);
  }
  return this->rank() == to ? message : Message();
}

Progress Team::progress(Progress own)
{
  if (this->size() == 1)
  {
    return own;
  }
  this->Watcher = own;
  return [this, own = std::move(own)](double fraction, const std::string& text)
  {
    const bool goOn = !own || own(fraction, text);
    if (this->isFirst() && !goOn)
    {
      return false;
    }
    return std::chrono::steady_clock::now() - this->LastLook <= LookInterval ||
      this->tell(fraction, text);
  };
}

} // namespace lvlm::ranks
