#include "tests/bench/machine_limits.h"

#include <algorithm>
#include <chrono>
#include <numeric>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "kernels/base/aligned_buffer.h"

namespace quantd {
namespace {

constexpr int kRepetitions = 5;
constexpr int kSums = 12;  // independent ones, to hide the latency of an instruction
constexpr int64_t kRounds = 4'000'000;

// Best rate over some repetitions of `work` on every thread; `amount` is what all threads do.
double BestRate(ThreadPool& pool, double amount, absl::FunctionRef<void(int thread)> work) {
  double best = 0;
  for (int i = 0; i < kRepetitions; ++i) {
    const auto start = std::chrono::steady_clock::now();
    pool.Run(work);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    best = std::max(best, amount / seconds.count());
  }
  return best;
}

double ReadBandwidth(ThreadPool& pool) {
  const int64_t words = (int64_t{256} << 20) / 8;
  AlignedBuffer buffer(words * 8);
  auto* const data = buffer.as<uint64_t>();
  std::iota(data, data + words, 0);
  std::vector<uint64_t> sums(pool.size());
  return BestRate(pool, static_cast<double>(words) * 8, [&](int thread) {
    const int64_t begin = words * thread / pool.size(), end = words * (thread + 1) / pool.size();
    uint64_t lanes[16] = {};
    for (int64_t i = begin; i + 16 <= end; i += 16) {
      for (int lane = 0; lane < 16; ++lane) lanes[lane] += data[i + lane];
    }
    sums[thread] = std::accumulate(lanes, lanes + 16, uint64_t{0});
    asm volatile("" : : "r"(sums[thread]) : "memory");
  });
}

#if defined(__x86_64__)
// Each loop runs kRounds * kSums instructions of one kind. The empty asm hides from the compiler
// that the result is not used.
__attribute__((target("avx512f,avx512vnni"))) void Dot512(int) {
  __m512i sums[kSums] = {};
  const __m512i a = _mm512_set1_epi8(3);
  for (int64_t i = 0; i < kRounds; ++i) {
    for (__m512i& sum : sums) {
      sum = _mm512_dpbusd_epi32(sum, a, a);
      asm volatile("" : "+v"(sum));
    }
  }
}

__attribute__((target("avxvnni,avx2"))) void Dot256(int) {
  __m256i sums[kSums] = {};
  const __m256i a = _mm256_set1_epi8(3);
  for (int64_t i = 0; i < kRounds; ++i) {
    for (__m256i& sum : sums) {
      sum = _mm256_dpbusd_avx_epi32(sum, a, a);
      asm volatile("" : "+x"(sum));
    }
  }
}

__attribute__((target("avx512f"))) void Fma512(int) {
  __m512 sums[kSums] = {};
  const __m512 a = _mm512_set1_ps(0.5f);
  for (int64_t i = 0; i < kRounds; ++i) {
    for (__m512& sum : sums) {
      sum = _mm512_fmadd_ps(a, a, sum);
      asm volatile("" : "+v"(sum));
    }
  }
}

__attribute__((target("avx2,fma"))) void Fma256(int) {
  __m256 sums[kSums] = {};
  const __m256 a = _mm256_set1_ps(0.5f);
  for (int64_t i = 0; i < kRounds; ++i) {
    for (__m256& sum : sums) {
      sum = _mm256_fmadd_ps(a, a, sum);
      asm volatile("" : "+x"(sum));
    }
  }
}

void MeasureArithmetic(const Hardware& hardware, ThreadPool& pool, MachineLimits* limits) {
  const double instructions = static_cast<double>(kRounds) * kSums * pool.size();
  if (hardware.Supports(Isa::kAvx512Vnni)) {
    limits->int8_ops_per_s = BestRate(pool, instructions * 128, Dot512);
    limits->float_ops_per_s = BestRate(pool, instructions * 32, Fma512);
    return;
  }
  if (hardware.Supports(Isa::kAvxVnni)) {
    limits->int8_ops_per_s = BestRate(pool, instructions * 64, Dot256);
  }
  if (hardware.Supports(Isa::kAvx2)) {
    limits->float_ops_per_s = BestRate(pool, instructions * 16, Fma256);
  }
}
#else
void MeasureArithmetic(const Hardware&, ThreadPool&, MachineLimits*) {}
#endif

}  // namespace

MachineLimits MeasureMachineLimits(const Hardware& hardware, ThreadPool& pool) {
  MachineLimits limits;
  limits.read_bytes_per_s = ReadBandwidth(pool);
  MeasureArithmetic(hardware, pool, &limits);
  return limits;
}

}  // namespace quantd
