// SPDX-License-Identifier: Apache-2.0
// Work shared by ranks ends in the same way on all of them, whoever fails, and the next piece of
// work is not disturbed.
#include "Check.h"
#include "ThreadRanks.h"

#include "Models/Ranks/RankTeam.h"

#include <algorithm>
#include <atomic>
#include <new>

namespace
{
using namespace lvlm;
using namespace lvlm::ranks;
using lvlm_test::allThrew;
using lvlm_test::noneThrew;
using lvlm_test::ThreadRanks;

constexpr RankTeam::Direction Directions[] = { RankTeam::Direction::Forwards,
  RankTeam::Direction::Backwards };

enum class Failure
{
  Error,
  Abort,
  Memory
};

[[noreturn]] void failAs(Failure failure)
{
  switch (failure)
  {
    case Failure::Abort:
      throw Aborted();
    case Failure::Memory:
      throw std::bad_alloc();
    default:
      fail("no such file /x");
  }
}

/// One rank is a plain function call: what it throws is not touched.
const char* messageOf(Failure failure, int size)
{
  return failure == Failure::Abort ? "aborted"
    : failure == Failure::Memory   ? (size > 1 ? "not enough memory" : "bad_alloc")
                                   : "no such file /x";
}

constexpr Failure Failures[] = { Failure::Error, Failure::Abort, Failure::Memory };

void testParcel()
{
  Parcel parcel;
  parcel.put(std::int64_t{ -3 });
  parcel.put(std::string("a\0b", 3));
  parcel.put(std::vector<float>{ 1, 2 });
  parcel.put(std::vector<std::uint8_t>());
  Parcel arrived(parcel.content());
  CHECK(arrived.take<std::int64_t>() == -3);
  CHECK(arrived.takeText() == std::string("a\0b", 3));
  CHECK((arrived.takeList<float>() == std::vector<float>{ 1, 2 }));
  CHECK(arrived.takeList<std::uint8_t>().empty());
  CHECK_THROWS(arrived.take<double>(), "ends 0 bytes from here, 8 were expected");
  Parcel huge;
  huge.put(std::int64_t{ 1 } << 62);
  CHECK_THROWS(huge.takeList<double>(), "were expected");
}

/// The turns' ranks in their order, carried by the parcel.
Parcel withRank(Parcel given, int rank)
{
  std::vector<int> seen = given.content().empty() ? std::vector<int>() : given.takeList<int>();
  seen.push_back(rank);
  Parcel result;
  result.put(seen);
  return result;
}

/// All ranks hold the order in which the turns were taken.
void checkPass(RankTeam& team, RankTeam::Direction direction, int workers)
{
  Parcel result = team.pass(
    direction, workers,
    [&](Parcel given, const Progress&) { return withRank(std::move(given), team.rank()); },
    Progress());
  std::vector<int> expected;
  for (int rank = 0; rank < workers; ++rank)
  {
    expected.push_back(rank);
  }
  if (direction == RankTeam::Direction::Backwards)
  {
    std::reverse(expected.begin(), expected.end());
  }
  if (result.takeList<int>() != expected)
  {
    fail("the turns were taken in another order");
  }
}

void testSuccess(int size)
{
  ThreadRanks ranks(size);
  CHECK(noneThrew(ranks.run(
    [size](RankChannel& channel)
    {
      RankTeam team(channel);
      for (int workers = 1; workers <= size; ++workers)
      {
        checkPass(team, Directions[0], workers);
        checkPass(team, Directions[1], workers);
      }
      Parcel first = team.fromFirst(
        [&]
        {
          Parcel parcel;
          parcel.put(team.rank() + 7);
          return parcel;
        });
      const bool all = team.allAgree([] { return true; });
      const bool most = team.allAgree([&] { return team.rank() != size - 1; });
      if (first.take<int>() != 7 || !all || most)
      {
        fail("a wrong answer");
      }
    })));
  CHECK(ranks.leftOver() == 0);
}

/// The rank fails in each kind of work; afterwards all go on together.
void testFailure(int size, int failing, Failure failure)
{
  ThreadRanks ranks(size);
  const auto works = [](RankChannel& channel)
  {
    RankTeam team(channel);
    checkPass(team, Directions[0], team.size());
  };
  const auto maybe = [&](const RankTeam& team)
  {
    if (team.rank() == failing)
    {
      failAs(failure);
    }
  };
  CHECK(allThrew(ranks.run(
                   [&](RankChannel& channel)
                   {
                     RankTeam team(channel);
                     team.together([&] { maybe(team); });
                   }),
    messageOf(failure, size)));
  CHECK(noneThrew(ranks.run(works)));
  for (const RankTeam::Direction direction : Directions)
  {
    std::atomic<int> turns{ 0 };
    CHECK(allThrew(ranks.run(
                     [&](RankChannel& channel)
                     {
                       RankTeam team(channel);
                       team.pass(
                         direction, size,
                         [&](Parcel given, const Progress&)
                         {
                           ++turns;
                           maybe(team);
                           return withRank(std::move(given), team.rank());
                         },
                         Progress());
                     }),
      messageOf(failure, size)));
    // Nobody works after the failure.
    CHECK(turns == (direction == RankTeam::Direction::Forwards ? failing + 1 : size - failing));
    CHECK(noneThrew(ranks.run(works)));
  }
  CHECK(ranks.leftOver() == 0);
}

void testFirstFails(int size, Failure failure)
{
  ThreadRanks ranks(size);
  CHECK(allThrew(ranks.run(
                   [&](RankChannel& channel)
                   {
                     RankTeam team(channel);
                     team.fromFirst([&]() -> Parcel { failAs(failure); });
                   }),
    messageOf(failure, size)));
  CHECK(ranks.leftOver() == 0);
}

/// A failure of one rank names it; what all find wrong is said once, as on one rank.
void testMessages()
{
  ThreadRanks ranks(3);
  const auto thrown = [&](int failing)
  {
    return ranks.run(
      [&](RankChannel& channel)
      {
        RankTeam team(channel);
        team.together(
          [&]
          {
            if (failing < 0 || team.rank() == failing)
            {
              fail("/models/x is missing");
            }
          });
      });
  };
  CHECK(allThrew(thrown(2), "rank 2 of 3 on "));
  CHECK(thrown(-1) == std::vector<std::string>(3, "/models/x is missing"));
}

/// Each rank reports `Steps` times in its turn; rank 0 hears all in order and can stop at any of
/// them.
void testProgress(int size, RankTeam::Direction direction)
{
  constexpr int Steps = 3;
  ThreadRanks ranks(size);
  for (int stopAt = 0; stopAt <= size * Steps; ++stopAt)
  {
    std::vector<std::string> heard; // by rank 0 alone
    std::atomic<int> done{ 0 };
    const auto thrown = ranks.run(
      [&](RankChannel& channel)
      {
        RankTeam team(channel);
        const Progress listener = [&](double fraction, const std::string& text)
        {
          if (team.rank() != 0)
          {
            fail("progress was asked on rank ", team.rank());
          }
          heard.push_back(text);
          return fraction == 0.5 && static_cast<int>(heard.size()) != stopAt;
        };
        team.pass(
          direction, size,
          [&](Parcel, const Progress& progress)
          {
            for (int step = 0; step < Steps; ++step)
            {
              report(progress, 0.5, std::to_string(team.rank()) + "." + std::to_string(step));
              ++done;
            }
            return Parcel();
          },
          listener);
      });
    CHECK(stopAt == 0 ? noneThrew(thrown) : allThrew(thrown, "aborted by the user"));
    const int reports = stopAt == 0 ? size * Steps : stopAt;
    CHECK(static_cast<int>(heard.size()) == reports);
    CHECK(done == reports - (stopAt == 0 ? 0 : 1));
    std::vector<std::string> expected;
    for (int i = 0; i < reports; ++i)
    {
      const int turn = i / Steps;
      const int rank = direction == RankTeam::Direction::Forwards ? turn : size - 1 - turn;
      expected.push_back(std::to_string(rank) + "." + std::to_string(i % Steps));
    }
    CHECK(heard == expected);
    CHECK(ranks.leftOver() == 0);
  }
}
}

int main()
{
  testParcel();
  for (int size = 1; size <= 4; ++size)
  {
    testSuccess(size);
    for (const Failure failure : Failures)
    {
      testFirstFails(size, failure);
      for (int failing = 0; failing < size; ++failing)
      {
        testFailure(size, failing, failure);
      }
    }
    for (const RankTeam::Direction direction : Directions)
    {
      testProgress(size, direction);
    }
  }
  testMessages();
  return lvlm_test::checkResult();
}
