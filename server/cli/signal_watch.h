#ifndef QUANTD_SERVER_CLI_SIGNAL_WATCH_H_
#define QUANTD_SERVER_CLI_SIGNAL_WATCH_H_

#include <csignal>

namespace quantd {

/// Turns SIGINT and SIGTERM into events that one thread waits for. Make it before any other thread:
/// the signals are blocked in the threads made while it lives. Wake is for any thread, Wait for
/// one.
class SignalWatch {
 public:
  SignalWatch();
  ~SignalWatch();
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;

  enum class Event { kSignal, kWoken };
  /// Blocks until a signal comes or somebody calls Wake; a signal goes first.
  Event Wait();
  /// Makes a Wait, this or the next one, return kWoken.
  void Wake();

 private:
  sigset_t old_mask_;
  int signal_fd_ = -1, wake_fd_ = -1;
};

}  // namespace quantd

#endif  // QUANTD_SERVER_CLI_SIGNAL_WATCH_H_
