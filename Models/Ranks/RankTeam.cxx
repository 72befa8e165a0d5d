// SPDX-License-Identifier: Apache-2.0
#include "RankTeam.h"

#include <array>
#include <new>
#include <utility>

#include <unistd.h>

namespace lvlm::ranks
{

namespace
{
enum class Kind : std::int64_t
{
  Good,
  Failed,
  Aborted,
  Report ///< of progress, during a pass
};

Parcel answerParcel(bool yes)
{
  Parcel parcel;
  parcel.put(static_cast<std::uint8_t>(yes));
  return parcel;
}

std::string hostName()
{
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "an unknown host";
}
}

/// How a rank's part ended. The parcel of a failure is its message.
struct RankTeam::Outcome
{
  Kind kind = Kind::Good;
  Parcel parcel;

  bool good() const { return this->kind == Kind::Good; }
  std::string message() const
  {
    Parcel parcel = this->parcel;
    return parcel.takeText();
  }

  static Outcome failed(const std::string& message)
  {
    Outcome outcome{ Kind::Failed, Parcel() };
    outcome.parcel.put(message);
    return outcome;
  }

  /// Of work that gives a parcel.
  template <typename Work>
  static Outcome of(Work&& work)
  {
    try
    {
      return { Kind::Good, work() };
    }
    catch (const Aborted&)
    {
      return { Kind::Aborted, Parcel() };
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

  /// The parcel, or the failure thrown.
  Parcel result() &&
  {
    if (this->kind == Kind::Aborted)
    {
      throw Aborted();
    }
    if (this->kind == Kind::Failed)
    {
      throw Error(this->message());
    }
    return std::move(this->parcel);
  }
};

void RankTeam::send(int to, const Outcome& outcome)
{
  const std::vector<std::byte>& content = outcome.parcel.content();
  const std::array<std::int64_t, 2> head{ static_cast<std::int64_t>(outcome.kind),
    static_cast<std::int64_t>(content.size()) };
  this->Channel.send(to, head.data(), sizeof head);
  if (!content.empty())
  {
    this->Channel.send(to, content.data(), content.size());
  }
}

RankTeam::Outcome RankTeam::receive(int from)
{
  std::array<std::int64_t, 2> head{};
  this->Channel.receive(from, head.data(), sizeof head);
  std::vector<std::byte> content(static_cast<std::size_t>(head[1]));
  if (!content.empty())
  {
    this->Channel.receive(from, content.data(), content.size());
  }
  return { static_cast<Kind>(head[0]), Parcel(std::move(content)) };
}

/// The root's outcome on all ranks.
RankTeam::Outcome RankTeam::spread(int root, const Outcome& outcome)
{
  const bool mine = this->rank() == root;
  std::vector<std::byte> content = mine ? outcome.parcel.content() : std::vector<std::byte>();
  std::array<std::int64_t, 2> head{ static_cast<std::int64_t>(outcome.kind),
    static_cast<std::int64_t>(content.size()) };
  this->Channel.broadcast(root, head.data(), sizeof head);
  content.resize(static_cast<std::size_t>(head[1]));
  if (!content.empty())
  {
    this->Channel.broadcast(root, content.data(), content.size());
  }
  return { static_cast<Kind>(head[0]), Parcel(std::move(content)) };
}

/// A failure's message with the rank and the host that it happened on: models may be missing on one
/// of them.
std::string RankTeam::placed(const std::string& message) const
{
  return "rank " + std::to_string(this->rank()) + " of " + std::to_string(this->size()) + " on " +
    hostName() + ": " + message;
}

/// What the outcomes of all ranks come to: the first failure, an abort, or whether all said yes.
RankTeam::Outcome RankTeam::combined(std::vector<Outcome> all)
{
  bool yes = true, aborted = false;
  std::string first, firstPlaced;
  std::size_t failures = 0, alike = 0;
  for (Outcome& outcome : all)
  {
    if (outcome.kind == Kind::Failed)
    {
      const std::string message = outcome.parcel.takeText(), placed = outcome.parcel.takeText();
      first = failures == 0 ? message : first;
      firstPlaced = failures == 0 ? placed : firstPlaced;
      alike += message == first ? 1 : 0;
      ++failures;
    }
    aborted = aborted || outcome.kind == Kind::Aborted;
    yes = yes && (!outcome.good() || outcome.parcel.take<std::uint8_t>() != 0);
  }
  if (failures > 0)
  {
    return Outcome::failed(alike == all.size() ? first : firstPlaced);
  }
  return aborted ? Outcome{ Kind::Aborted, Parcel() } : Outcome{ Kind::Good, answerParcel(yes) };
}

/// Of all ranks on rank 0; elsewhere it does not count.
RankTeam::Outcome RankTeam::gather(Outcome own)
{
  if (own.kind == Kind::Failed)
  {
    own.parcel.put(this->placed(own.message()));
  }
  if (!this->isFirst())
  {
    this->send(0, own);
    return own;
  }
  std::vector<Outcome> all{ std::move(own) };
  for (int rank = 1; rank < this->size(); ++rank)
  {
    all.push_back(this->receive(rank));
  }
  return combined(std::move(all));
}

bool RankTeam::allAgree(const std::function<bool()>& work)
{
  if (this->size() == 1)
  {
    return work();
  }
  Outcome own = Outcome::of([&work] { return answerParcel(work()); });
  Parcel answer = this->spread(0, this->gather(std::move(own))).result();
  return answer.take<std::uint8_t>() != 0;
}

void RankTeam::together(const std::function<void()>& work)
{
  this->allAgree(
    [&work]
    {
      work();
      return true;
    });
}

Parcel RankTeam::fromFirst(const std::function<Parcel()>& work)
{
  if (this->size() == 1)
  {
    return work();
  }
  return this->spread(0, this->isFirst() ? Outcome::of(work) : Outcome()).result();
}

/// Progress of a rank in its turn, as rank 0 answers it.
Progress RankTeam::toFirst()
{
  return [this](double fraction, const std::string& text)
  {
    Outcome report{ Kind::Report, Parcel() };
    report.parcel.put(fraction);
    report.parcel.put(text);
    this->send(0, report);
    std::uint8_t goOn = 0;
    this->Channel.receive(0, &goOn, sizeof goOn);
    return goOn != 0;
  };
}

/// Rank 0 while another one works.
void RankTeam::listen(int worker, const Progress& progress)
{
  for (Outcome said = this->receive(worker); said.kind == Kind::Report;
       said = this->receive(worker))
  {
    bool goOn = false;
    Outcome::of(
      [&]
      {
        const auto fraction = said.parcel.take<double>();
        goOn = !progress || progress(fraction, said.parcel.takeText());
        return Parcel();
      });
    const auto answer = static_cast<std::uint8_t>(goOn);
    this->Channel.send(worker, &answer, sizeof answer);
  }
}

RankTeam::Outcome RankTeam::takeTurn(
  int before, int after, const Turn& turn, const Progress& progress)
{
  Outcome outcome = before < 0 ? Outcome() : this->receive(before);
  if (outcome.good())
  {
    outcome = Outcome::of([&]
      { return turn(std::move(outcome.parcel), this->isFirst() ? progress : this->toFirst()); });
    outcome = outcome.kind == Kind::Failed ? Outcome::failed(this->placed(outcome.message()))
                                           : std::move(outcome);
  }
  if (!this->isFirst())
  {
    this->send(0, Outcome()); // done: first, since rank 0 listens for that before it takes a parcel
  }
  if (after >= 0)
  {
    this->send(after, outcome);
  }
  return outcome;
}

Parcel RankTeam::pass(Direction direction, int workers, const Turn& turn, const Progress& progress)
{
  if (this->size() == 1)
  {
    return turn(Parcel(), progress);
  }
  const int step = direction == Direction::Forwards ? 1 : -1;
  const int first = step > 0 ? 0 : workers - 1;
  const int last = workers - 1 - first;
  Outcome outcome;
  for (int worker = first; worker >= 0 && worker < workers; worker += step)
  {
    if (worker == this->rank())
    {
      outcome = this->takeTurn(
        worker == first ? -1 : worker - step, worker == last ? -1 : worker + step, turn, progress);
    }
    else if (this->isFirst())
    {
      this->listen(worker, progress);
    }
  }
  return this->spread(last, outcome).result();
}

} // namespace lvlm::ranks
