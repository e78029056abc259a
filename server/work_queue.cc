#include "server/work_queue.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/wait.h"

namespace quantd {

WorkQueue::WorkQueue(const Options& options) : options_(options) {
  const int threads = std::max(options.threads, 1);
  threads_.reserve(threads);
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { Loop(); });
}

WorkQueue::~WorkQueue() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
    posted_.notify_all();
  }
  for (std::thread& thread : threads_) thread.join();
}

absl::Status WorkQueue::Post(int64_t cost, std::function<void()> job) {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto waiting = static_cast<int64_t>(jobs_.size());
  if (waiting >= options_.max_jobs) {
    return absl::ResourceExhaustedError(absl::StrCat(options_.name, " is full: ", waiting,
                                                     " jobs wait, the limit is ", options_.max_jobs,
                                                     "; retry later"));
  }
  // A job alone is always taken, so that the limit never makes a valid request impossible.
  if (waiting > 0 && waiting_cost_ + cost > options_.max_cost) {
    return absl::ResourceExhaustedError(absl::StrCat(options_.name, " is full: ", waiting_cost_,
                                                     " bytes wait, the limit is ",
                                                     options_.max_cost, "; retry later"));
  }
  jobs_.push_back({cost, std::move(job)});
  waiting_cost_ += cost;
  posted_.notify_one();
  return absl::OkStatus();
}

bool WorkQueue::AwaitIdle(absl::Duration timeout) {
  std::unique_lock<std::mutex> lock(mutex_);
  return AwaitFor(idle_, lock, timeout, [this] { return jobs_.empty() && running_ == 0; });
}

void WorkQueue::Loop() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (true) {
    posted_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
    if (jobs_.empty()) return;
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    waiting_cost_ -= job.cost;
    ++running_;
    lock.unlock();
    job.run();
    job.run = nullptr;  // what the job holds is freed before anybody hears that it is over
    lock.lock();
    --running_;
    if (jobs_.empty() && running_ == 0) idle_.notify_all();
  }
}

}  // namespace quantd
