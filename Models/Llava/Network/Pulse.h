// SPDX-License-Identifier: Apache-2.0
/// @file Pulse.h
/// Notices an abort inside a layer: one of a large model computes for seconds. Internal to
/// Models/Llava.
#ifndef LVLM_LLAVA_PULSE_H
#define LVLM_LLAVA_PULSE_H

#include "Models/Trace/Error.h"

#include <chrono>
#include <string>

namespace lvlm::llava
{

/// Between two reports of progress, beat() repeats the last one when that was a while ago.
class Pulse
{
public:
  /// While it lives, reports to progress() are passed on and can be repeated. Not after that: on
  /// other ranks than the first a report is a message that the first one must be listening for.
  class Scope
  {
  public:
    Scope(Pulse& pulse, const Progress& progress) : Source(pulse)
    {
      pulse.Target = progress;
      pulse.HasReport = false;
      this->Passing = [&pulse](double fraction, const std::string& text)
      {
        pulse.Fraction = fraction;
        pulse.Text = text;
        return pulse.repeat();
      };
    }
    ~Scope() { this->Source.Target = Progress(); }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

    const Progress& progress() const { return this->Passing; }

  private:
    Pulse& Source;
    Progress Passing;
  };

  /// Called between pieces of work that take less than a second each. Throws Aborted.
  void beat()
  {
    if (this->Target && this->HasReport &&
      Clock::now() - this->Last > std::chrono::milliseconds(200) && !this->repeat())
    {
      throw Aborted();
    }
  }

private:
  using Clock = std::chrono::steady_clock;

  bool repeat()
  {
    const bool goOn = !this->Target || this->Target(this->Fraction, this->Text);
    this->HasReport = true;
    this->Last = Clock::now();
    return goOn;
  }

  Progress Target;
  bool HasReport = false;
  double Fraction = 0;
  std::string Text;
  Clock::time_point Last;
};

} // namespace lvlm::llava

#endif
