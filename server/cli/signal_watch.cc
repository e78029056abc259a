#include "server/cli/signal_watch.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cstdint>

#include "kernels/base/check.h"

namespace quantd {

SignalWatch::SignalWatch() {
  sigset_t watched;
  sigemptyset(&watched);
  sigaddset(&watched, SIGINT);
  sigaddset(&watched, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &watched, &old_mask_);
  signal_fd_ = signalfd(-1, &watched, SFD_CLOEXEC);
  wake_fd_ = eventfd(0, EFD_CLOEXEC);
  QUANTD_CHECK(signal_fd_ >= 0 && wake_fd_ >= 0, "a new process has file descriptors left");
}

SignalWatch::~SignalWatch() {
  close(signal_fd_);
  close(wake_fd_);
  pthread_sigmask(SIG_SETMASK, &old_mask_, nullptr);
}

SignalWatch::Event SignalWatch::Wait() {
  pollfd fds[] = {{signal_fd_, POLLIN, 0}, {wake_fd_, POLLIN, 0}};
  while (true) {
    if (poll(fds, 2, -1) <= 0) continue;
    signalfd_siginfo info;
    if ((fds[0].revents & POLLIN) != 0 && read(signal_fd_, &info, sizeof(info)) > 0) {
      return Event::kSignal;
    }
    uint64_t count = 0;
    if ((fds[1].revents & POLLIN) != 0 && read(wake_fd_, &count, sizeof(count)) > 0) {
      return Event::kWoken;
    }
  }
}

void SignalWatch::Wake() {
  const uint64_t one = 1;
  const ssize_t written = write(wake_fd_, &one, sizeof(one));
  QUANTD_CHECK(written == sizeof(one), "an eventfd takes 2^64 wakes");
}

}  // namespace quantd
