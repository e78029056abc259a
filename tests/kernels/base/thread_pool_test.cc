#include "kernels/base/thread_pool.h"

#include <gtest/gtest.h>
#include <time.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "kernels/base/cpu_topology.h"
#include "kernels/base/hardware.h"

namespace quantd {
namespace {

TEST(ThreadPool, EveryThreadRunsEveryTaskOnce) {
  for (const int threads : {1, 2, 3, 8}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.size(), threads);
    std::vector<int> calls(threads);  // written without atomics: Run must order them
    for (int i = 0; i < 2000; ++i) pool.Run([&](int thread) { ++calls[thread]; });
    for (const int count : calls) EXPECT_EQ(count, 2000);
  }
}

TEST(ThreadPool, ZeroMeansWhatTheMachineOffers) {
  EXPECT_EQ(ThreadPool(0).size(), ProbeHardware().usable_threads);
}

TEST(ThreadPool, WorksAfterItsThreadsWentToSleep) {
  ThreadPool pool(3);
  std::atomic<int> calls{0};
  for (int i = 0; i < 5; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    pool.Run([&](int) { ++calls; });
  }
  EXPECT_EQ(calls, 15);
}

TEST(ThreadPool, PinnedThreadsStayOnTheirCpus) {
  const std::vector<int> allowed = AllowedCpus();
  if (allowed.empty()) GTEST_SKIP() << "the system does not tell its CPUs";
  ThreadPool pool(3);
  const int cpu = allowed.back();
  ASSERT_TRUE(pool.Pin({cpu, cpu, cpu}).ok());
  std::vector<std::vector<int>> seen(3);
  pool.Run([&](int thread) { seen[thread] = AllowedCpus(); });
  EXPECT_EQ(seen[0], allowed);  // the caller's thread is its own
  EXPECT_EQ(seen[1], std::vector<int>{cpu});
  EXPECT_EQ(seen[2], std::vector<int>{cpu});
  EXPECT_FALSE(pool.Pin({cpu, cpu, 100000}).ok());
}

TEST(ThreadPool, WaitsForSlowWorkers) {
  ThreadPool pool(3);
  std::atomic<int> done{0};
  pool.Run([&](int thread) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5 * thread));
    ++done;
  });
  EXPECT_EQ(done, 3);
}

TEST(ThreadPool, ConcurrentCallersTakeTurns) {
  ThreadPool pool(3);
  int plain = 0;  // only thread 0 of one task at a time may touch it
  std::vector<std::thread> callers;
  for (int c = 0; c < 4; ++c) {
    callers.emplace_back([&] {
      for (int i = 0; i < 300; ++i) {
        pool.Run([&](int thread) {
          if (thread == 0) ++plain;
        });
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(plain, 1200);
}

TEST(ThreadPool, IdlePoolUsesNoCpu) {
  ThreadPool pool(2);
  pool.Run([](int) {});
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  const auto cpu_seconds = [] {
    timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
  };
  const double before = cpu_seconds();
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  EXPECT_LT(cpu_seconds() - before, 0.05);
}

TEST(ThreadPool, ParallelForCoversTheRangeOnceAtMultiplesOfTheGrain) {
  for (const int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    for (const int64_t n : {0, 1, 2, 15, 16, 17, 100, 1000}) {
      for (const int64_t grain : {1, 4, 16}) {
        std::vector<int> seen(n);
        std::vector<int> ranges(threads);
        pool.ParallelFor(n, grain, [&](int64_t begin, int64_t end, int thread) {
          EXPECT_LT(begin, end);
          EXPECT_EQ(begin % grain, 0);
          EXPECT_TRUE(end == n || end % grain == 0);
          ++ranges[thread];
          for (int64_t i = begin; i < end; ++i) ++seen[i];
        });
        for (const int count : seen) EXPECT_EQ(count, 1);
        for (const int count : ranges) EXPECT_LE(count, 1);
      }
    }
  }
}

}  // namespace
}  // namespace quantd
