#include "server/cli/progress.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "server/cli/output.h"
#include "server/cli/table.h"

namespace quantd {
namespace {

/// Shorter work is over before anybody wonders.
constexpr absl::Duration kPatience = absl::Milliseconds(500);
constexpr absl::Duration kRedraw = absl::Milliseconds(100);
constexpr absl::Duration kLogInterval = absl::Seconds(10);
constexpr int kBarWidth = 30;

}  // namespace

Progress::Progress(std::string label, bool quiet)
    : label_(std::move(label)),
      quiet_(quiet),
      terminal_(IsTerminal(stderr)),
      start_(absl::Now()),
      last_(start_) {}

void Progress::Clear() {
  if (drawn_ && terminal_) std::fputs("\r\033[K", stderr);
  drawn_ = false;
}

void Progress::Update(double done, const std::string& detail) {
  const absl::Time now = absl::Now();
  if (quiet_ || now - start_ < (terminal_ ? kPatience : kLogInterval)) return;
  if (drawn_ && now - last_ < (terminal_ ? kRedraw : kLogInterval)) return;
  last_ = now;
  drawn_ = true;
  Draw(std::clamp(done, 0.0, 1.0), detail);
}

void Progress::Draw(double done, const std::string& detail) {
  const std::string tail = detail.empty()
                               ? absl::StrFormat("%3.0f %%", done * 100)
                               : absl::StrFormat("%3.0f %%  %s", done * 100, EscapeText(detail));
  const std::string label = EscapeText(label_);
  if (!terminal_) {
    absl::FPrintF(stderr, "%s: %s\n", label, tail);
    return;
  }
  const int filled = static_cast<int>(done * kBarWidth);
  const std::string bar = std::string(filled, '#') + std::string(kBarWidth - filled, '.');
  std::string line = absl::StrCat(label, " [", bar, "] ", tail);
  // A line longer than the terminal would wrap and not be removed by the next one.
  const int width = TerminalWidth(stderr);
  if (width > 0 && DisplayWidth(line) >= static_cast<size_t>(width))
    line = absl::StrCat(bar.substr(0, 10), " ", tail);
  absl::FPrintF(stderr, "\r%s\033[K", line);
  std::fflush(stderr);
}

}  // namespace quantd
