#include "kernels/base/thread_pool.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>
#include <vector>

#include "kernels/base/check.h"
#include "kernels/base/cpu_placement.h"
#include "kernels/base/hardware.h"

namespace quantd {
namespace {

// How long a thread polls before it sleeps. A forward pass leaves gaps of this size between its
// parallel regions, and waking a sleeper costs about as much; with more threads than CPUs polling
// only takes time from whom we wait for.
constexpr auto kSpin = std::chrono::microseconds(60);
constexpr int kPausesPerClockRead = 16;

void Pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#else
  std::this_thread::yield();
#endif
}

// Polls until `done()` or the budget is spent; returns done().
template <typename Done>
bool SpinUntil(std::chrono::microseconds budget, const Done& done) {
  if (done()) return true;
  if (budget.count() == 0) return false;
  const auto deadline = std::chrono::steady_clock::now() + budget;
  do {
    for (int i = 0; i < kPausesPerClockRead; ++i) {
      if (done()) return true;
      Pause();
    }
  } while (std::chrono::steady_clock::now() < deadline);
  return done();
}

}  // namespace

// Run publishes a task by advancing `generation`; each worker runs it once and counts down
// `remaining`. `task` and `stop` are written before the generation that announces them.
struct ThreadPool::State {
  std::mutex run_mutex;  // one Run at a time
  const absl::FunctionRef<void(int)>* task = nullptr;
  bool stop = false;
  std::chrono::microseconds spin{0};
  alignas(64) std::atomic<uint32_t> generation{0};
  alignas(64) std::atomic<int32_t> remaining{0};
  std::vector<std::thread> workers;

  void Announce() {
    generation.fetch_add(1);
    generation.notify_all();
  }

  void WaitForWorkers() {
    const auto done = [this] { return remaining.load(std::memory_order_acquire) == 0; };
    if (SpinUntil(spin, done)) return;
    while (!done()) {
      const int32_t left = remaining.load(std::memory_order_acquire);
      if (left != 0) remaining.wait(left, std::memory_order_acquire);
    }
  }

  void Work(int thread) {
    uint32_t seen = 0;
    while (true) {
      const auto announced = [&] { return generation.load(std::memory_order_acquire) != seen; };
      while (!SpinUntil(spin, announced)) generation.wait(seen, std::memory_order_acquire);
      ++seen;  // Run waits for every worker, so none can miss a generation
      if (stop) return;
      (*task)(thread);
      if (remaining.fetch_sub(1) == 1) remaining.notify_one();
    }
  }
};

ThreadPool::ThreadPool(int threads)
    : size_(threads > 0 ? threads : ProbeHardware().usable_threads),
      state_(std::make_unique<State>()) {
  if (size_ <= ProbeHardware().logical_cpus) state_->spin = kSpin;
  state_->workers.reserve(size_ - 1);
  for (int thread = 1; thread < size_; ++thread) {
    state_->workers.emplace_back([state = state_.get(), thread] { state->Work(thread); });
  }
}

ThreadPool::~ThreadPool() {
  state_->stop = true;
  state_->Announce();
  for (std::thread& worker : state_->workers) worker.join();
}

void ThreadPool::Run(absl::FunctionRef<void(int thread)> task) {
  if (size_ == 1) {
    task(0);
    return;
  }
  std::lock_guard<std::mutex> lock(state_->run_mutex);
  state_->task = &task;
  state_->remaining.store(size_ - 1, std::memory_order_relaxed);
  state_->Announce();
  task(0);
  state_->WaitForWorkers();
}

absl::Status ThreadPool::Pin(const std::vector<int>& cpus) {
  QUANTD_CHECK(static_cast<int>(cpus.size()) == size_, "every thread is given a CPU");
  std::vector<absl::Status> results(size_);
  Run([&](int thread) {
    if (thread > 0) results[thread] = ConfineThread({cpus[thread]});
  });
  for (const absl::Status& result : results) {
    if (!result.ok()) return result;
  }
  return absl::OkStatus();
}

void ThreadPool::ParallelFor(int64_t n, int64_t grain,
                             absl::FunctionRef<void(int64_t begin, int64_t end, int thread)> body) {
  QUANTD_CHECK(grain > 0, "a range is split at multiples of the grain");
  if (n <= 0) return;
  const int64_t grains = (n + grain - 1) / grain;
  const int64_t threads = std::min<int64_t>(size_, grains);
  if (threads == 1) {
    body(0, n, 0);
    return;
  }
  Run([&](int thread) {
    if (thread >= threads) return;
    const int64_t begin = grains * thread / threads * grain;
    const int64_t end = std::min(n, grains * (thread + 1) / threads * grain);
    if (begin < end) body(begin, end, thread);
  });
}

}  // namespace quantd
