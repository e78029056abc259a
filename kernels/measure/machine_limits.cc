#include "kernels/measure/machine_limits.h"

#include <algorithm>
#include <chrono>
#include <numeric>
#include <vector>

#include "kernels/base/aligned_buffer.h"
#include "kernels/measure/cpu/peaks.h"

namespace quantd {
namespace {

constexpr int kRepetitions = 5;
constexpr int64_t kRounds = 2'000'000;
constexpr int64_t kLeastReadBytes = int64_t{256} << 20;

// Seconds of each repetition of `work` on every thread.
std::vector<double> Times(ThreadPool& pool, absl::FunctionRef<void(int thread)> work) {
  std::vector<double> times;
  for (int i = 0; i < kRepetitions; ++i) {
    const auto start = std::chrono::steady_clock::now();
    pool.Run(work);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    times.push_back(seconds.count());
  }
  return times;
}

double Least(const std::vector<double>& times) {
  return *std::min_element(times.begin(), times.end());
}

double Mean(const std::vector<double>& times) {
  return std::accumulate(times.begin(), times.end(), 0.0) / static_cast<double>(times.size());
}

// What an instruction set can do at best; ops of one of the loop's multiplications.
struct Peak {
  Isa isa;
  PeakLoop loop;
  double ops;
  double MachineLimits::*limit;
};

// Best first for each limit.
const std::vector<Peak>& Peaks() {
  static const auto* const peaks = new std::vector<Peak> {
#if defined(QUANTD_ISA_KERNELS)
    {Isa::kAmx, isa_amx::MultiplyBytes, 2 * 16 * 16 * 64, &MachineLimits::int8_ops_per_s},
        {Isa::kAmx, isa_amx::MultiplyPairs, 2 * 16 * 16 * 32, &MachineLimits::bf16_ops_per_s},
        {Isa::kAvx512Bf16, isa_avx512bf16::MultiplyPairs, 64, &MachineLimits::bf16_ops_per_s},
        {Isa::kAvx512Vnni, isa_avx512vnni::MultiplyBytes, 128, &MachineLimits::int8_ops_per_s},
        {Isa::kAvxVnni, isa_avxvnni::MultiplyBytes, 64, &MachineLimits::int8_ops_per_s},
        {Isa::kAvx2, isa_avx2::MultiplyBytes, 64, &MachineLimits::int8_ops_per_s},
        {Isa::kAvx512Vnni, isa_avx512vnni::MultiplyFloats, 32, &MachineLimits::float_ops_per_s},
        {Isa::kAvx2, isa_avx2::MultiplyFloats, 16, &MachineLimits::float_ops_per_s},
#endif
  };
  return *peaks;
}

}  // namespace

double MachineLimits::ops_per_s(ActivationType activations) const {
  switch (activations) {
    case ActivationType::kInt8:
      return int8_ops_per_s;
    case ActivationType::kBF16:
      return bf16_ops_per_s;
    case ActivationType::kF32:
      break;
  }
  return float_ops_per_s;
}

ReadProbe::ReadProbe(const Hardware& hardware, ThreadPool& pool)
    : pool_(pool),
      // Four times the last cache leaves little of a pass to the next one.
      words_(
          std::min(std::max(kLeastReadBytes, 4 * hardware.l3_bytes), AvailableMemoryBytes() / 4) /
          8),
      buffer_(words_ * 8) {
  if (buffer_.data() == nullptr) return;
  auto* const data = buffer_.as<uint64_t>();
  // Each thread touches first what it reads later, so that the pages are near it.
  pool_.Run([&](int thread) { std::fill(data + Begin(thread), data + Begin(thread + 1), 1); });
}

std::vector<double> ReadProbe::Passes() {
  const auto* const data = buffer_.as<uint64_t>();
  return Times(pool_, [&](int thread) {
    uint64_t lanes[16] = {};
    for (int64_t i = Begin(thread); i + 16 <= Begin(thread + 1); i += 16) {
      for (int lane = 0; lane < 16; ++lane) lanes[lane] += data[i + lane];
    }
    const uint64_t sum = std::accumulate(lanes, lanes + 16, uint64_t{0});
    asm volatile("" : : "r"(sum) : "memory");  // the sum counts as used
  });
}

double ReadProbe::Best() {
  if (buffer_.data() == nullptr) return 0;
  return static_cast<double>(words_) * 8 / Least(Passes());
}

double ReadProbe::Now() {
  if (buffer_.data() == nullptr) return 0;
  return static_cast<double>(words_) * 8 / Mean(Passes());
}

double MeasureReadBandwidth(const Hardware& hardware, ThreadPool& pool) {
  return ReadProbe(hardware, pool).Best();
}

MachineLimits MeasureMachineLimits(const Hardware& hardware, uint32_t isas, ThreadPool& pool) {
  MachineLimits limits;
  limits.read_bytes_per_s = MeasureReadBandwidth(hardware, pool);
  const double multiplications = static_cast<double>(kRounds) * kPeakSums * pool.size();
  for (const Peak& peak : Peaks()) {
    if ((isas & IsaBit(peak.isa)) == 0 || limits.*peak.limit > 0) continue;
    limits.*peak.limit =
        multiplications * peak.ops / Least(Times(pool, [&](int) { peak.loop(kRounds); }));
  }
  return limits;
}

}  // namespace quantd
