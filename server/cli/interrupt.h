#ifndef QUANTD_SERVER_CLI_INTERRUPT_H_
#define QUANTD_SERVER_CLI_INTERRUPT_H_

#include <csignal>

namespace quantd {

/// While one lives, the first SIGINT or SIGTERM only sets a flag, so that work can end at the next
/// convenient point; the second has its usual effect. One at a time in a process.
class InterruptScope {
 public:
  InterruptScope();
  ~InterruptScope();
  InterruptScope(const InterruptScope&) = delete;
  InterruptScope& operator=(const InterruptScope&) = delete;

  /// True once a signal has come. Any thread.
  static bool Interrupted();

 private:
  struct sigaction old_int_, old_term_;
};

}  // namespace quantd

#endif  // QUANTD_SERVER_CLI_INTERRUPT_H_
