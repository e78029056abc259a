// expert_bench [--threads=N] [Google Benchmark options]
// The grouped products of a mixture of experts, at the shape of Qwen3-30B-A3B: in each layer 8 of
// 128 experts for every row, hidden size 2048, feed-forward length 768 of an expert. One iteration
// is the gate, up and down products of all experts that some row goes to; rows choose at random,
// each anew. Beside the limits: weights that are read, once each, and multiply-adds that are done.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kernels/base/noise.h"
#include "kernels/kernel_set.h"
#include "kernels/measure/kernel_timer.h"
#include "kernels/measure/machine_limits.h"
#include "tests/bench/bench_main.h"

namespace quantd {
namespace {

constexpr int kExperts = 128, kUsed = 8;
constexpr int64_t kDim = 2048, kFf = 768;
constexpr int64_t kInputRows[] = {1, 8, 32, 512};
// Choices of experts, taken in turn: at one row those that are read meet no cache.
constexpr int kChoices = 16;
struct NamedFormat {
  const char* name;
  QuantFormat format;
};
const NamedFormat kFormats[] = {{"q4_0", kQ4_0}, {"q4_k", kQ4_K}, {"q8_0", kQ8_0}};

struct Expert {
  PackedWeight gate, up, down;
};

PackedWeight Weight(const QuantFormat& format, int64_t n, int64_t k) {
  PackedWeight weight = NoiseWeight(format, n, k);
  if (weight.data.data() == nullptr) {
    std::fprintf(stderr, "no memory for the experts\n");
    std::exit(1);
  }
  return weight;
}

/// How many rows go to each expert.
using Counts = std::vector<int64_t>;

std::vector<Counts> RandomChoices(int64_t rows) {
  std::mt19937 random(1);
  std::vector<int> order(kExperts);
  std::iota(order.begin(), order.end(), 0);
  std::vector<Counts> choices(kChoices, Counts(kExperts, 0));
  for (Counts& counts : choices) {
    for (int64_t row = 0; row < rows; ++row) {
      std::shuffle(order.begin(), order.end(), random);
      for (int i = 0; i < kUsed; ++i) ++counts[order[i]];
    }
  }
  return choices;
}

/// The experts of one layer.
class Layer {
 public:
  explicit Layer(const QuantFormat& format) {
    for (int i = 0; i < kExperts; ++i) {
      experts_.push_back(
          {Weight(format, kFf, kDim), Weight(format, kFf, kDim), Weight(format, kDim, kFf)});
    }
  }

  /// y = the experts' matrices of one kind times their rows of x.
  void Multiply(PackedWeight Expert::*matrix, const Counts& counts, Activations& x,
                std::vector<float>& y, const GemmSetup& setup) const {
    std::vector<GemmGroup> groups;
    int64_t first = 0;
    for (int i = 0; i < kExperts; ++i) {
      if (counts[i] == 0) continue;
      const PackedWeight& weight = experts_[i].*matrix;
      groups.push_back({&weight, first, counts[i], y.data() + first * weight.n, weight.n});
      first += counts[i];
    }
    RunGroupedGemm(setup.kernels, x, groups, setup.pool);
  }

  int64_t expert_bytes() const {
    const Expert& e = experts_[0];
    return e.gate.bytes() + e.up.bytes() + e.down.bytes();
  }

 private:
  std::vector<Expert> experts_;
};

void Measure(benchmark::State& state, const QuantFormat& format, int64_t rows,
             const GemmSetup& setup) {
  const Layer layer(format);
  const std::vector<Counts> choices = RandomChoices(rows);
  const int64_t gathered = rows * kUsed;
  const std::vector<float> wide = Noise().Uniform(gathered * kDim, 1.0f);
  const std::vector<float> narrow = Noise().Uniform(gathered * kFf, 1.0f);
  std::vector<float> gate(gathered * kFf), up(gathered * kFf), down(gathered * kDim);
  Activations x;
  size_t at = 0;
  int64_t experts = 0;  // that were read
  for (auto _ : state) {
    const Counts& counts = choices[at++ % choices.size()];
    x.Set(wide.data(), gathered, kDim, kDim);
    layer.Multiply(&Expert::gate, counts, x, gate, setup);
    layer.Multiply(&Expert::up, counts, x, up, setup);
    x.Set(narrow.data(), gathered, kFf, kFf);
    layer.Multiply(&Expert::down, counts, x, down, setup);
    experts += std::count_if(counts.begin(), counts.end(), [](int64_t n) { return n > 0; });
  }
  using benchmark::Counter;
  const auto iterations = static_cast<double>(state.iterations());
  const double bytes = static_cast<double>(experts * layer.expert_bytes());
  const double ops = iterations * 2.0 * 3 * static_cast<double>(gathered * kDim * kFf);
  const auto rate = [&](const char* name, double value, double limit) {
    state.counters[name] = Counter(value / limit, Counter::kIsRate);
  };
  rate("GB/s", bytes, 1e9);
  rate("of_bandwidth", bytes, setup.limits.read_bytes_per_s);
  rate("GOP/s", ops, 1e9);
  rate("of_peak", ops, setup.limits.ops_per_s(ActivationType::kInt8));
  state.counters["experts"] = static_cast<double>(experts) / iterations;
}

void RegisterAll(const GemmSetup& setup) {
  for (const NamedFormat& format : kFormats) {
    for (const int64_t rows : kInputRows) {
      const std::string name = absl::StrCat("experts_", format.name, "/rows:", rows);
      benchmark::RegisterBenchmark(name.c_str(),
                                   [&setup, &format, rows](benchmark::State& state) {
                                     Measure(state, format.format, rows, setup);
                                   })
          ->UseRealTime()
          ->MinTime(0.5)
          ->Unit(benchmark::kMicrosecond);
    }
  }
}

}  // namespace
}  // namespace quantd

int main(int argc, char** argv) {
  return quantd::RunGemmBenchmarks(argc, argv, quantd::RegisterAll);
}
