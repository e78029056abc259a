#ifndef QUANTD_SERVER_WORK_QUEUE_H_
#define QUANTD_SERVER_WORK_QUEUE_H_

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace quantd {

/// A bounded queue of jobs and the threads that run them, for work that must not happen inside an
/// RPC callback: tokenizing, unloading a model. Jobs start in the order of Post. Thread-safe.
class WorkQueue {
 public:
  struct Options {
    std::string name;            ///< in errors: "the tokenizer queue"
    int threads = 1;             ///< at least one runs
    int64_t max_jobs = 1024;     ///< waiting
    int64_t max_cost = 1 << 26;  ///< sum of the waiting jobs' costs; a single job may exceed it
  };
  explicit WorkQueue(const Options& options);
  /// Runs what waits and joins the threads.
  ~WorkQueue();
  WorkQueue(const WorkQueue&) = delete;
  WorkQueue& operator=(const WorkQueue&) = delete;

  /// Queues `job`, which holds `cost` (bytes, say) until it starts. Errors: RESOURCE_EXHAUSTED
  /// naming the limit; then the job never runs.
  absl::Status Post(int64_t cost, std::function<void()> job);

  /// Waits until nothing waits or runs; false if `timeout` passed.
  bool AwaitIdle(absl::Duration timeout);

 private:
  struct Job {
    int64_t cost;
    std::function<void()> run;
  };
  void Loop();

  const Options options_;
  std::mutex mutex_;
  std::condition_variable posted_, idle_;
  std::deque<Job> jobs_;
  int64_t waiting_cost_ = 0;
  int running_ = 0;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace quantd

#endif  // QUANTD_SERVER_WORK_QUEUE_H_
