// SPDX-License-Identifier: Apache-2.0
/// @file RankTeam.h
/// Work that several ranks share so that it always ends in the same way on all of them: with the
/// same result, or with the same exception. Failures travel where results would have, so that
/// nobody waits for a message that never comes:
///
///   together   all work at once; what happened goes to rank 0, which tells all
///   fromFirst  rank 0 works, the others wait for its result
///   pass       one after the other; each hands a parcel on, the last one's reaches all. A failure
///   takes the parcel's
///              place, and the ranks after it only hand it on.
///
/// During a pass rank 0 listens whenever it does not work itself: each report of progress comes to
/// it and is answered with "go on" or "stop", so an abort on rank 0 stops whichever rank works.
///
/// All ranks must make the same calls in the same order. With one rank everything is a plain
/// function call.
#ifndef LVLM_RANKS_RANKTEAM_H
#define LVLM_RANKS_RANKTEAM_H

#include "Parcel.h"
#include "RankChannel.h"

#include "Models/Trace/Error.h"

#include <functional>
#include <string>

namespace lvlm::ranks
{

class RankTeam
{
public:
  explicit RankTeam(RankChannel& channel) : Channel(channel) {}

  int rank() const { return this->Channel.rank(); }
  int size() const { return this->Channel.size(); }
  bool isFirst() const { return this->rank() == 0; }

  /// Throws on all ranks when `work` threw on one: the lowest of them is named unless all failed
  /// alike.
  void together(const std::function<void()>& work);
  /// together(), and whether `work` answered true on every rank.
  bool allAgree(const std::function<bool()>& work);
  /// What `work` gave on rank 0, where alone it runs.
  Parcel fromFirst(const std::function<Parcel()>& work);

  enum class Direction
  {
    Forwards, ///< rank 0 first
    Backwards ///< rank 0 last
  };
  /// A rank's turn: from what the rank before gave (nothing on the first) to what the next one
  /// needs.
  using Turn = std::function<Parcel(Parcel given, const Progress& progress)>;
  /// The turns of the ranks 0 to workers - 1; what the last of them gave. `progress` is asked on
  /// rank 0 alone.
  Parcel pass(Direction direction, int workers, const Turn& turn, const Progress& progress);

private:
  struct Outcome;

  void send(int to, const Outcome& outcome);
  Outcome receive(int from);
  Outcome spread(int root, const Outcome& outcome);
  Outcome gather(Outcome own);
  static Outcome combined(std::vector<Outcome> all);
  std::string placed(const std::string& message) const;
  Outcome takeTurn(int before, int after, const Turn& turn, const Progress& progress);
  Progress toFirst();
  void listen(int worker, const Progress& progress);

  RankChannel& Channel;
};

} // namespace lvlm::ranks

#endif
