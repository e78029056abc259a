#include "runtime/engine/inbox.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace quantd {

absl::StatusOr<std::string> Inbox::Push(std::unique_ptr<Sequence> sequence) {
  std::string id;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!closed_.ok()) return closed_;
    if (live_.contains(sequence->id)) {
      return absl::AlreadyExistsError(
          absl::StrCat("id: a request \"", sequence->id, "\" is live; use another id"));
    }
    if (queued_ >= max_requests_) {
      return absl::ResourceExhaustedError(absl::StrCat("the queue is full: ", queued_,
                                                       " requests wait, at most ", max_requests_,
                                                       " may; try again later"));
    }
    if (queued_ > 0 && queued_tokens_ + sequence->prompt_tokens > max_tokens_) {
      return absl::ResourceExhaustedError(absl::StrCat(
          "the queue is full: ", queued_tokens_, " prompt tokens wait and this request has ",
          sequence->prompt_tokens, ", at most ", max_tokens_, " may wait; try again later"));
    }
    sequence->number = next_number_++;
    for (uint64_t suffix = sequence->number; sequence->id.empty(); ++suffix) {
      std::string made = absl::StrCat("request-", suffix);
      if (!live_.contains(made)) sequence->id = std::move(made);
    }
    id = sequence->id;
    live_.emplace(id, sequence->number);
    ++undelivered_;
    ++queued_;
    queued_tokens_ += sequence->prompt_tokens;
    mail_.arrivals.push_back(std::move(sequence));
  }
  mail_came_.notify_one();
  return id;
}

bool Inbox::Cancel(const std::string& id) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    const auto it = live_.find(id);
    if (it == live_.end()) return false;
    mail_.cancelled.insert(it->second);
  }
  mail_came_.notify_one();
  return true;
}

void Inbox::CancelAll() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    for (const auto& [id, number] : live_) mail_.cancelled.insert(number);
  }
  mail_came_.notify_one();
}

void Inbox::Close(absl::Status reason) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (closed_.ok()) closed_ = std::move(reason);
}

void Inbox::Stop() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    mail_.stop = true;
  }
  mail_came_.notify_one();
}

bool Inbox::AwaitIdle(const Clock& clock, absl::Duration timeout) {
  std::unique_lock<std::mutex> lock(mutex_);
  return clock.WaitFor(became_idle_, lock, timeout, [this] { return undelivered_ == 0; });
}

EngineSnapshot Inbox::Snapshot() const {
  std::lock_guard<std::mutex> lock(mutex_);
  EngineSnapshot snapshot = state_;
  snapshot.waiting += queued_;
  snapshot.waiting_tokens = queued_tokens_;
  return snapshot;
}

Inbox::Mail Inbox::Drain(bool wait) {
  std::unique_lock<std::mutex> lock(mutex_);
  if (wait) {
    mail_came_.wait(
        lock, [this] { return !mail_.arrivals.empty() || !mail_.cancelled.empty() || mail_.stop; });
  }
  Mail mail = std::exchange(mail_, {});
  mail_.stop = mail.stop;
  return mail;
}

void Inbox::Update(Changes changes) {
  std::lock_guard<std::mutex> lock(mutex_);
  queued_ -= changes.left_queue;
  queued_tokens_ -= changes.left_queue_tokens;
  for (const std::string& id : changes.retired) live_.erase(id);
  state_ = changes.state;
}

void Inbox::NoteDelivered() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (--undelivered_ > 0) return;
  }
  became_idle_.notify_all();
}

}  // namespace quantd
