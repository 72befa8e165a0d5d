// SPDX-License-Identifier: Apache-2.0
// Work shared by ranks ends in the same way on all of them, whoever fails, and the next piece of
// work is not disturbed.
#include "Check.h"
#include "ThreadRanks.h"

#include "Models/Ranks/MessageHead.h"
#include "Models/Ranks/Team.h"

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

constexpr Direction Directions[] = { Direction::Forwards, Direction::Backwards };

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

/// What arrives of the bytes that a message was sent as, after `change` to them.
template <typename Change>
Message arrived(const Message& message, Change&& change)
{
  std::vector<std::vector<std::byte>> pieces;
  transferred(message, true,
    [&](void* data, std::size_t bytes)
    {
      const auto* begin = static_cast<const std::byte*>(data);
      pieces.emplace_back(begin, begin + bytes);
    });
  change(pieces);
  auto next = pieces.begin();
  return transferred({}, false,
    [&](void* data, std::size_t bytes)
    {
      CHECK(next->size() == bytes);
      std::copy_n(next++->begin(), bytes, static_cast<std::byte*>(data));
    });
}

void testMessage()
{
  const auto asSent = [](auto&) {};
  Message message;
  message.head = packed({ std::int64_t{ -3 }, std::string("a\0b\xff", 4), 0.1f });
  message.tensors = { Tensor::of(std::vector<float>{ 1, 2 }, { 1, 2 }),
    Tensor::of(std::vector<std::uint8_t>(), { 0 }) };
  const Message same = arrived(message, asSent);
  const nlohmann::json head = unpacked(same.head);
  CHECK(head.at(0).get<std::int64_t>() == -3);
  CHECK(head.at(1).get<std::string>() == std::string("a\0b\xff", 4));
  CHECK(head.at(2).get<float>() == 0.1f);
  CHECK((same.tensors.at(0).shape == std::vector<std::int64_t>{ 1, 2 }));
  CHECK((listOf<float>(same) == std::vector<float>{ 1, 2 }));
  CHECK(same.tensors.at(0).data != message.tensors[0].data);
  CHECK(listOf<std::uint8_t>(same, 1).empty());
  CHECK_THROWS(listOf<double>(same), "F32");
  CHECK_THROWS(arrived(message,
                 [](auto& pieces)
                 {
                   pieces[1].pop_back();
                   pieces[0][0] = static_cast<std::byte>(pieces[1].size());
                 }),
    "do not run the same program");
  CHECK_THROWS(arrived({ {}, { Tensor::of(std::vector<float>{ 1 }, { 1 }) } },
                 [&](auto& pieces)
                 {
                   const auto huge = nlohmann::json::to_msgpack(nlohmann::json::array({ "",
                     nlohmann::json::array(
                       { nlohmann::json::array({ "F64", { std::int64_t{ 1 } << 62 } }) }) }));
                   pieces[1].assign(reinterpret_cast<const std::byte*>(huge.data()),
                     reinterpret_cast<const std::byte*>(huge.data()) + huge.size());
                   pieces[0][0] = static_cast<std::byte>(huge.size());
                 }),
    "is too large");
}

/// The turns' ranks in their order, carried by the message.
Message withRank(Message given, int rank)
{
  nlohmann::json head = unpacked(given.head);
  head.push_back(rank);
  given.head = packed(head);
  return given;
}

/// All ranks hold the order in which the turns were taken.
void checkPass(Team& team, Direction direction, int workers)
{
  Message result = team.pass(
    direction, workers,
    [&](Message given, const Progress&) { return withRank(std::move(given), team.rank()); },
    Progress());
  std::vector<int> expected;
  for (int rank = 0; rank < workers; ++rank)
  {
    expected.push_back(rank);
  }
  if (direction == Direction::Backwards)
  {
    std::reverse(expected.begin(), expected.end());
  }
  if (unpacked(result.head).get<std::vector<int>>() != expected)
  {
    fail("the turns were taken in another order");
  }
}

void testSuccess(int size)
{
  ThreadRanks ranks(size);
  CHECK(noneThrew(ranks.run(
    [size](Team& team)
    {
      for (int workers = 1; workers <= size; ++workers)
      {
        checkPass(team, Directions[0], workers);
        checkPass(team, Directions[1], workers);
      }
      const Message first = team.fromFirst([&] { return Message{ packed(team.rank() + 7), {} }; });
      const bool all = team.allAgree([] { return true; });
      const bool most = team.allAgree([&] { return team.rank() != size - 1; });
      if (unpacked(first.head).get<int>() != 7 || !all || most)
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
  const auto works = [](Team& team) { checkPass(team, Directions[0], team.size()); };
  const auto maybe = [&](const Team& team)
  {
    if (team.rank() == failing)
    {
      failAs(failure);
    }
  };
  CHECK(allThrew(
    ranks.run([&](Team& team) { team.together([&] { maybe(team); }); }), messageOf(failure, size)));
  CHECK(noneThrew(ranks.run(works)));
  for (const Direction direction : Directions)
  {
    std::atomic<int> turns{ 0 };
    CHECK(allThrew(ranks.run(
                     [&](Team& team)
                     {
                       team.pass(
                         direction, size,
                         [&](Message given, const Progress&)
                         {
                           ++turns;
                           maybe(team);
                           return withRank(std::move(given), team.rank());
                         },
                         Progress());
                     }),
      messageOf(failure, size)));
    // Nobody works after the failure.
    CHECK(turns == (direction == Direction::Forwards ? failing + 1 : size - failing));
    CHECK(noneThrew(ranks.run(works)));
  }
  CHECK(ranks.leftOver() == 0);
}

void testFirstFails(int size, Failure failure)
{
  ThreadRanks ranks(size);
  CHECK(
    allThrew(ranks.run([&](Team& team) { team.fromFirst([&]() -> Message { failAs(failure); }); }),
      messageOf(failure, size)));
  CHECK(ranks.leftOver() == 0);
}

void testExchanges(int size)
{
  ThreadRanks ranks(size);
  CHECK(noneThrew(ranks.run(
    [size](Team& team)
    {
      std::vector<int> own(
        static_cast<std::size_t>(team.rank()), team.rank()); // as many as the rank
      std::vector<double> list{ team.rank() + 0.5 };
      Message handed{ packed(team.rank()), {} };
      team.together(
        [&]
        {
          const auto all = team.gather(own);
          for (int rank = 0; rank < size; ++rank)
          {
            const auto& one = all.at(static_cast<std::size_t>(rank));
            if (one != std::vector<int>(static_cast<std::size_t>(rank), rank))
            {
              fail("rank ", rank, " gave something else");
            }
          }
          team.broadcast(list, size - 1);
          team.together([&] { handed = team.hand(std::move(handed), size - 1, 0); });
        });
      if (list != std::vector<double>{ size - 0.5 })
      {
        fail("the last rank broadcast something else");
      }
      if (team.isFirst() ? unpacked(handed.head) != size - 1 : !handed.head.empty())
      {
        fail("something else was handed on");
      }
    })));
  CHECK(ranks.leftOver() == 0);
}

/// A rank fails where the others exchange something, at some depth, and says so in other words:
/// all say the same.
void testFailureElsewhere(int size, int failing, Failure failure)
{
  const std::vector<std::function<void(Team&)>> exchanges{ [](Team& team)
    { team.gather(std::vector<int>{ 1 }); },
    [](Team& team) { team.broadcast(Message(), 0); },
    [&](Team& team) { team.hand(Message(), size - 1, 0); },
    [](Team& team) { team.allAgree([] { return true; }); },
    [](Team& team) { checkPass(team, Direction::Forwards, team.size()); }, [](Team&) {} };
  for (const auto& exchange : exchanges)
  {
    ThreadRanks ranks(size);
    const auto thrown = ranks.run(
      [&](Team& team)
      {
        const auto work = [&]
        {
          if (team.rank() == failing)
          {
            failAs(failure);
          }
          exchange(team);
        };
        const auto wrapped = [&]
        {
          try
          {
            team.together(work);
          }
          catch (const std::exception& error)
          {
            fail("on rank ", team.rank(), ": ", error.what());
          }
        };
        team.together(team.rank() == failing ? std::function<void()>(work) : wrapped);
      });
    CHECK(allThrew(thrown, messageOf(failure, size)));
    CHECK(
      noneThrew(ranks.run([](Team& team) { checkPass(team, Direction::Backwards, team.size()); })));
    CHECK(ranks.leftOver() == 0);
  }
}

/// Ranks that all work for long: the others notice soon that one has given up, or is to stop.
void testLongWork(int size, int failing, Failure failure)
{
  constexpr int Steps = 3000; // of a millisecond
  std::atomic<int> done{ 0 };
  ThreadRanks ranks(size);
  const auto thrown = ranks.run(
    [&](Team& team)
    {
      team.together(
        [&]
        {
          const Progress progress = team.progress(Progress());
          for (int step = 0; step < Steps; ++step)
          {
            if (team.rank() == failing && step == 10)
            {
              failAs(failure);
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
            report(progress, 0, "");
            ++done;
          }
        });
    });
  CHECK(allThrew(thrown, messageOf(failure, size)));
  CHECK(done < size * Steps / 2);
  CHECK(ranks.leftOver() == 0);
}

/// One rank works while the others wait for it: the first one hears how far it is and can stop it.
void testStopWhileWaiting(int size, int worker)
{
  ThreadRanks ranks(size);
  int heard = 0; // by rank 0 alone
  const auto thrown = ranks.run(
    [&](Team& team)
    {
      team.together(
        [&]
        {
          const Progress progress = team.progress(
            [&](double fraction, const std::string& text)
            {
              const bool first = team.isFirst();
              heard += first && fraction == 0.25 && text == "working" ? 1 : 0;
              return !first || heard < 2;
            });
          while (team.rank() == worker)
          {
            report(progress, 0.25, "working");
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
          }
          team.broadcast(Message(), worker);
        });
    });
  CHECK(allThrew(thrown, "aborted by the user"));
  CHECK(heard == 2);
  CHECK(ranks.leftOver() == 0);
}

void testUnlikeWork()
{
  ThreadRanks ranks(3);
  CHECK(allThrew(
    ranks.run(
      [](Team& team)
      {
        team.together([&]
          { team.isFirst() ? (void)team.gather(Message()) : (void)team.broadcast(Message(), 0); });
      }),
    "do not do the same"));
  CHECK(ranks.leftOver() == 0);
}

/// A failure of one rank names it; what all find wrong is said once, as on one rank.
void testMessages()
{
  ThreadRanks ranks(3);
  const auto thrown = [&](int failing)
  {
    return ranks.run(
      [&](Team& team)
      {
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
void testProgress(int size, Direction direction)
{
  constexpr int Steps = 3;
  ThreadRanks ranks(size);
  for (int stopAt = 0; stopAt <= size * Steps; ++stopAt)
  {
    std::vector<std::string> heard; // by rank 0 alone
    std::atomic<int> done{ 0 };
    const auto thrown = ranks.run(
      [&](Team& team)
      {
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
          [&](Message, const Progress& progress)
          {
            for (int step = 0; step < Steps; ++step)
            {
              report(progress, 0.5, std::to_string(team.rank()) + "." + std::to_string(step));
              ++done;
            }
            return Message();
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
      const int rank = direction == Direction::Forwards ? turn : size - 1 - turn;
      expected.push_back(std::to_string(rank) + "." + std::to_string(i % Steps));
    }
    CHECK(heard == expected);
    CHECK(ranks.leftOver() == 0);
  }
}
}

int main()
{
  testMessage();
  for (int size = 1; size <= 4; ++size)
  {
    testSuccess(size);
    testExchanges(size);
    for (const Failure failure : Failures)
    {
      testFirstFails(size, failure);
      for (int failing = 0; failing < size; ++failing)
      {
        testFailure(size, failing, failure);
        testFailureElsewhere(size, failing, failure);
      }
    }
    for (const Direction direction : Directions)
    {
      testProgress(size, direction);
    }
  }
  for (int rank = 0; rank < 3; ++rank)
  {
    testLongWork(3, rank, Failure::Error);
    testLongWork(3, rank, Failure::Abort);
    testStopWhileWaiting(3, rank);
  }
  testUnlikeWork();
  testMessages();
  return lvlm_test::checkResult();
}
