#include "server/cli/collecting_sink.h"

#include <utility>

namespace quantd {

void CollectingSink::OnDelta(Delta delta) {
  {
    const std::lock_guard lock(mutex_);
    for (const GeneratedToken& token : delta.tokens) events_.ids.push_back(token.id);
    events_.text += delta.text;
  }
  news_.notify_one();
}

void CollectingSink::OnFinish(Finish finish) {
  {
    const std::lock_guard lock(mutex_);
    events_.finish = std::move(finish);
  }
  news_.notify_one();
}

CollectingSink::Events CollectingSink::Next(absl::Duration timeout) {
  std::unique_lock lock(mutex_);
  news_.wait_for(lock, absl::ToChronoNanoseconds(timeout), [this] {
    return !events_.ids.empty() || !events_.text.empty() || events_.finish.has_value();
  });
  return std::exchange(events_, Events{});
}

}  // namespace quantd
