// SPDX-License-Identifier: Apache-2.0
/// @file Team.h
/// Work that several ranks share so that it always ends in the same way on all of them: with the
/// same result, or with the same exception.
///
/// All of it happens in together(), whatever its name. Before each exchange and at the end the
/// ranks meet: each tells rank 0 how far it is, and rank 0 tells all what that comes to. A rank
/// that fails or is aborted says so at the next meeting, and all of them throw the same. Therefore
/// nobody waits for a rank that has given up, wherever that happened.
///
/// A rank that works while others wait meets them whenever it reports progress, which rank 0 passes
/// on to whoever watches it: an abort on rank 0 stops whichever rank works.
///
/// All ranks must make the same calls in the same order. With one rank everything is a plain
/// function call.
#ifndef LVLM_RANKS_TEAM_H
#define LVLM_RANKS_TEAM_H

#include "Channel.h"
#include "Message.h"

#include "Models/Trace/Error.h"

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace lvlm::ranks
{

enum class Direction
{
  Forwards, ///< rank 0 first
  Backwards ///< rank 0 last
};

class Team
{
public:
  /// Without a channel: one rank alone.
  explicit Team(std::unique_ptr<Channel> channel = nullptr);
  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  int rank() const { return this->Link->rank(); }
  int size() const { return this->Link->size(); }
  bool isFirst() const { return this->rank() == 0; }

  /// `work` on each rank, with exchanges and more of its kind inside. Throws on all ranks when it
  /// threw on one: the lowest of them is named unless all failed alike.
  void together(const std::function<void()>& work);
  /// together(), and whether `work` answered true on every rank.
  bool allAgree(const std::function<bool()>& work);
  /// What `work` gave on rank 0, where alone it runs.
  Message fromFirst(const std::function<Message()>& work);

  /// A rank's turn: from what the rank before gave (nothing on the first) to what the next one
  /// needs.
  using Turn = std::function<Message(Message given, const Progress& progress)>;
  /// The turns of the ranks 0 to workers - 1, one after the other; what the last of them gave.
  /// `progress` is asked on rank 0 alone, about every report of every turn.
  Message pass(Direction direction, int workers, const Turn& turn, const Progress& progress);

  /// Inside together(): what all ranks have, in their order, on each.
  std::vector<Message> gather(Message own);
  /// Inside together(): the root's message on all ranks.
  Message broadcast(Message message, int root);
  /// Inside together(): the message of the rank `from` on the rank `to`; nothing elsewhere.
  Message hand(Message message, int from, int to);

  /// Of lists, see messageOf().
  template <typename T>
  std::vector<std::vector<T>> gather(const std::vector<T>& own)
  {
    std::vector<std::vector<T>> all;
    for (const Message& message : this->gather(messageOf(own)))
    {
      all.push_back(listOf<T>(message));
    }
    return all;
  }
  template <typename T>
  void broadcast(std::vector<T>& list, int root)
  {
    list = listOf<T>(this->broadcast(messageOf(list), root));
  }

  /// Inside together(), for work that all ranks do at the same time: reports to `own`, which stops
  /// the work on rank 0 alone, and looks now and then whether another rank has given up.
  Progress progress(Progress own);

private:
  struct Outcome;

  void meet(const Outcome& own);
  void look(const Outcome& own);
  bool tell(double fraction, const std::string& text);
  Outcome judged(const std::vector<Outcome>& all);
  Outcome failure(const std::vector<Outcome>& all) const;
  Message spread(Message message, int root);
  void send(const Message& message, int to);
  Message receive(int from);

  std::unique_ptr<Channel> Link;
  std::unique_ptr<Outcome> Verdict; ///< of the last meeting
  int Depth = 0;                    ///< of together() in together()
  Progress Watcher;                 ///< of rank 0, asked while it waits
  std::chrono::steady_clock::time_point LastLook;
};

} // namespace lvlm::ranks

#endif
