#ifndef QUANTD_KERNELS_BASE_THREAD_POOL_H_
#define QUANTD_KERNELS_BASE_THREAD_POOL_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"

namespace quantd {

/// A fixed set of threads for data-parallel work. The caller of Run takes part as thread 0, so a
/// pool of one thread starts none. Workers spin briefly for the next task and then sleep: an idle
/// pool uses no CPU. Thread-safe: concurrent Run calls (several models) take turns. Run must not
/// be called from inside a task.
class ThreadPool {
 public:
  /// `threads` >= 1; 0 means ProbeHardware().usable_threads.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const { return size_; }

  /// Keeps thread i on CPU cpus[i] from now on, for i from 1 on; thread 0 is whoever calls Run, and
  /// finds the first CPU free. Must not be called during a Run. Errors: as the system refuses.
  absl::Status Pin(const std::vector<int>& cpus);

  /// Calls task(thread) once for each thread in [0, size()), in parallel, and waits for all.
  void Run(absl::FunctionRef<void(int thread)> task);

  /// Splits [0, n) into one contiguous range per thread, with every boundary but the last a
  /// multiple of `grain`, and calls body(begin, end, thread) for each non-empty range.
  void ParallelFor(int64_t n, int64_t grain,
                   absl::FunctionRef<void(int64_t begin, int64_t end, int thread)> body);

 private:
  struct State;
  const int size_;
  std::unique_ptr<State> state_;
};

}  // namespace quantd

#endif  // QUANTD_KERNELS_BASE_THREAD_POOL_H_
