#include "server/call_registry.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "server/wait.h"

namespace quantd {
namespace {

// How long cancelled calls have for their last message.
constexpr absl::Duration kCancelGrace = absl::Seconds(2);

}  // namespace

absl::Status CallRegistry::Begin(const std::string& id, std::shared_ptr<Cancellable> call) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (draining_) {
    return absl::UnavailableError("the server is shutting down; send the request to another one");
  }
  if (!calls_.emplace(id, std::move(call)).second) {
    return absl::AlreadyExistsError(absl::StrCat("request_id: '", absl::Utf8SafeCHexEscape(id),
                                                 "' is in use by a live request"));
  }
  ++open_;
  return absl::OkStatus();
}

void CallRegistry::RemoveId(const std::string& id) {
  std::shared_ptr<Cancellable> call;  // freed outside the lock
  std::lock_guard<std::mutex> lock(mutex_);
  const auto it = calls_.find(id);
  if (it == calls_.end()) return;
  call = std::move(it->second);
  calls_.erase(it);
}

void CallRegistry::End() {
  std::lock_guard<std::mutex> lock(mutex_);
  --open_;
  changed_.notify_all();
}

bool CallRegistry::Cancel(const std::string& id) {
  std::shared_ptr<Cancellable> call;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    const auto it = calls_.find(id);
    if (it == calls_.end()) return false;
    call = it->second;
  }
  call->Cancel();
  return true;
}

int CallRegistry::CancelAll() {
  std::vector<std::shared_ptr<Cancellable>> calls;
  int open = 0;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    for (const auto& [id, call] : calls_) calls.push_back(call);
    open = open_;
    cancelled_ = true;
    changed_.notify_all();
  }
  for (const auto& call : calls) call->Cancel();
  return open;
}

void CallRegistry::StartDrain() {
  std::lock_guard<std::mutex> lock(mutex_);
  draining_ = true;
}

bool CallRegistry::draining() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return draining_;
}

bool CallRegistry::AwaitEmpty(absl::Duration timeout) {
  std::unique_lock<std::mutex> lock(mutex_);
  AwaitFor(changed_, lock, timeout, [this] { return open_ == 0 || cancelled_; });
  if (open_ == 0) return true;
  if (!cancelled_) return false;
  return AwaitFor(changed_, lock, std::min(timeout, kCancelGrace), [this] { return open_ == 0; });
}

int CallRegistry::open() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return open_;
}

}  // namespace quantd
