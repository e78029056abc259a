// gemm_bench [--threads=N] [Google Benchmark options]
// Every row of the GEMM table that runs here, and the naive path of its format, at the shapes of
// the linear layers of real models. Each result is first compared with the scalar reference; a
// difference ends the program.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kernels/base/noise.h"
#include "kernels/gemm/activations.h"
#include "kernels/gemm/kernel_table.h"
#include "kernels/gemm/naive.h"
#include "kernels/gemm/reference.h"
#include "kernels/gemm/rows32.h"
#include "kernels/kernel_set.h"
#include "kernels/measure/kernel_timer.h"
#include "kernels/measure/machine_limits.h"
#include "tests/bench/bench_main.h"

namespace quantd {
namespace {

struct Shape {
  const char* layer;
  int64_t n, k;
};
// The linear layers; the output layer is cut to kMostBytes.
constexpr Shape kShapes[] = {
    {"llama-3.2-1b/attn_q,o", 2048, 2048},    {"llama-3.2-1b/attn_k,v", 512, 2048},
    {"llama-3.2-1b/ffn_gate,up", 8192, 2048}, {"llama-3.2-1b/ffn_down", 2048, 8192},
    {"llama-3.2-1b/output", 128256, 2048},    {"llama-3-8b/attn_q,o", 4096, 4096},
    {"llama-3-8b/attn_k,v", 1024, 4096},      {"llama-3-8b/ffn_gate,up", 14336, 4096},
    {"llama-3-8b/ffn_down", 4096, 14336},     {"llama-3-8b/output", 128256, 4096},
    {"qwen2.5-0.5b/attn_q,o", 896, 896},      {"qwen2.5-0.5b/attn_k,v", 128, 896},
    {"qwen2.5-0.5b/ffn_gate,up", 4864, 896},  {"qwen2.5-0.5b/ffn_down", 896, 4864},
    {"qwen2.5-0.5b/output", 151936, 896},
};
constexpr int64_t kInputRows[] = {1, 4, 8, 16, 32, 512};
// The scalar reference takes seconds for what it is not meant for.
constexpr int64_t kMaxReferenceM = 8;
constexpr int64_t kMaxReferenceWeights = int64_t{1} << 24;
// Weights are read from copies in turn, together larger than any cache: in a model a matrix is not
// read again before all others were.
constexpr int64_t kRotationBytes = int64_t{160} << 20;
constexpr int64_t kMostBytes = int64_t{640} << 20;

// Copies of one weight, and input rows.
struct Operands {
  Operands(const QuantFormat& format, Shape shape, int64_t m, const GemmSetup& setup)
      : x(Noise().Uniform(m * shape.k, 1.0f)) {
    const PackedFormat packed = *ToPackedFormat(format);
    const int64_t group_bytes = Rows32GroupBytes(packed, shape.k, PackedSpan(format));
    const int64_t most_rows = kMostBytes / group_bytes * kGroupRows;
    const int64_t n = std::min(shape.n, most_rows);
    do {
      weights.push_back(NoiseWeight(format, n, shape.k));
      if (weights.back().data.data() == nullptr) {
        std::fprintf(stderr, "no memory for weights of %s\n", shape.layer);
        std::exit(1);
      }
    } while (weights.back().bytes() * static_cast<int64_t>(weights.size()) < kRotationBytes);
    y.resize(m * n);
    rows.Set(x.data(), m, shape.k, shape.k);
    quantized = ActivationAccess::Quantized(rows, 0, setup.kernels.quantizer(), setup.pool).blocks;
    rounded = ActivationAccess::Rounded(rows, setup.pool);
  }

  const PackedWeight& next() { return weights[at++ % weights.size()]; }

  std::vector<PackedWeight> weights;
  size_t at = 0;
  std::vector<float> x, y;
  Activations rows;
  const QuantizedBlock* quantized;
  const uint16_t* rounded;
};

GemmArgs Args(const PackedWeight& w, Operands& operands, int64_t begin, int64_t end,
              int64_t fetch_ahead) {
  const int span = PackedSpan(w.format);
  const int64_t group_bytes = Rows32GroupBytes(*ToPackedFormat(w.format), w.k, span);
  return {w.data.as<uint8_t>() + begin * group_bytes,
          end - begin,
          std::min(w.n, end * kGroupRows) - begin * kGroupRows,
          w.k,
          span,
          operands.rows.m(),
          operands.x.data(),
          w.k,
          operands.quantized,
          QuantizedBlocks(w.k),
          operands.y.data() + begin * kGroupRows,
          w.n,
          false,
          operands.rounded,
          Bf16Stride(w.k),
          fetch_ahead};
}

bool AgreesOnOneGroup(const GemmKernel& kernel, Operands& operands) {
  std::vector<float> expected(operands.rows.m() * kGroupRows), actual(expected.size());
  GemmArgs args = Args(operands.weights[0], operands, 0, 1, /*fetch_ahead=*/0);
  args.y_stride = kGroupRows;
  args.y = expected.data();
  ReferenceRun(kernel.packed, kernel.arithmetic)(args);
  args.y = actual.data();
  kernel.run(args);
  return std::memcmp(expected.data(), actual.data(), expected.size() * sizeof(float)) == 0;
}

void RunNaive(Operands& operands, const GemmSetup& setup) {
  const PackedWeight& w = operands.next();
  const GemmOutput output{&w, operands.y.data(), w.n};
  RunNaiveGemm(setup.kernels, operands.rows, {&output, 1}, setup.pool);
}

// The first output against the same product in doubles.
bool NaiveAgrees(Operands& operands, const GemmSetup& setup) {
  RunNaive(operands, setup);
  std::vector<float> row(operands.rows.k());
  DecodeRow(operands.weights[0], 0, row.data());
  double sum = 0, magnitude = 0;
  for (size_t i = 0; i < row.size(); ++i) {
    sum += double{row[i]} * operands.x[i];
    magnitude += std::abs(double{row[i]} * operands.x[i]);
  }
  return std::abs(operands.y[0] - sum) <= 1e-5 * magnitude;
}

// Counters of a benchmark. `naive_ops_per_s` 0: this is the naive path.
void Count(benchmark::State& state, const Operands& operands, double peak, double naive_ops_per_s,
           const GemmSetup& setup) {
  const PackedWeight& w = operands.weights[0];
  const auto iterations = static_cast<double>(state.iterations());
  const double bytes = iterations * static_cast<double>(w.bytes());
  const double ops = iterations * 2.0 * static_cast<double>(operands.rows.m() * w.n * w.k);
  using benchmark::Counter;
  const auto rate = [&](const char* name, double value, double limit) {
    if (limit > 0) state.counters[name] = Counter(value / limit, Counter::kIsRate);
  };
  rate("GB/s", bytes, 1e9);
  rate("GOP/s", ops, 1e9);
  rate("of_bandwidth", bytes, setup.limits.read_bytes_per_s);
  rate("of_peak", ops, peak);
  rate("times_naive", ops, naive_ops_per_s);
}

// Measured once for all kernels of a format.
double NaiveOpsPerSecond(const GemmKernel& kernel, const Shape& shape, Operands& operands,
                         const GemmSetup& setup) {
  static auto* const known = new std::map<std::tuple<PackedFormat, std::string, int64_t>, double>;
  const auto [at, missing] =
      known->try_emplace({kernel.packed, shape.layer, operands.rows.m()}, 0.0);
  if (missing) {
    std::vector<const PackedWeight*> weights;
    for (const PackedWeight& weight : operands.weights) weights.push_back(&weight);
    KernelTimer timer(weights, setup.kernels, setup.pool,
                      {kRotationBytes, int64_t{1} << 30, 3, /*whole=*/true});
    at->second = timer.RunNaive(operands.rows.m()).ops_per_s();
  }
  return at->second;
}

void Disagrees(const std::string& name) {
  std::fprintf(stderr, "%s disagrees with the scalar reference\n", name.c_str());
  std::exit(1);
}

// One product with the next of the weights.
void RunKernel(const GemmKernel& kernel, Operands& operands, int64_t fetch_ahead,
               ThreadPool& pool) {
  const PackedWeight& w = operands.next();
  pool.ParallelFor((w.n + kGroupRows - 1) / kGroupRows, 1, [&](int64_t begin, int64_t end, int) {
    kernel.run(Args(w, operands, begin, end, fetch_ahead));
  });
}

void MeasureKernel(benchmark::State& state, const GemmKernel& kernel, Shape shape, int64_t m,
                   const GemmSetup& setup) {
  Operands operands(EntryOf(kernel.packed).example, shape, m, setup);
  if (!AgreesOnOneGroup(kernel, operands)) Disagrees(kernel.name);
  const double naive = NaiveOpsPerSecond(kernel, shape, operands, setup);
  const int64_t fetch_ahead = setup.kernels.hardware().fetch_ahead;
  for (auto _ : state) RunKernel(kernel, operands, fetch_ahead, setup.pool);
  Count(state, operands, setup.limits.ops_per_s(kernel.activations), naive, setup);
}

void MeasureNaive(benchmark::State& state, const PackedEntry& entry, Shape shape, int64_t m,
                  const GemmSetup& setup) {
  Operands operands(entry.example, shape, m, setup);
  if (!NaiveAgrees(operands, setup)) Disagrees("the naive path of " + entry.name);
  for (auto _ : state) RunNaive(operands, setup);
  Count(state, operands, setup.limits.float_ops_per_s, 0, setup);
}

void Register(const std::string& name, std::function<void(benchmark::State&)> measure) {
  benchmark::RegisterBenchmark(name.c_str(), std::move(measure))
      ->UseRealTime()
      ->MinTime(0.2)
      ->Unit(benchmark::kMicrosecond);
}

void RegisterFormat(const PackedEntry& entry, Shape shape, int64_t m, const GemmSetup& setup) {
  const std::string at = absl::StrCat("/", shape.layer, ":", shape.n, "x", shape.k, "/m:", m);
  Register(absl::StrCat("naive_", entry.name, at), [&entry, shape, m, &setup](auto& state) {
    MeasureNaive(state, entry, shape, m, setup);
  });
  for (const GemmKernel& kernel : GemmTable()) {
    if (kernel.packed != entry.packed || !kernel.TakesM(m)) continue;
    if ((setup.kernels.isas() & IsaBit(kernel.isa)) == 0) continue;
    const bool slow = m > kMaxReferenceM || shape.n * shape.k > kMaxReferenceWeights;
    if (kernel.isa == Isa::kReference && slow) continue;
    Register(kernel.name + at, [&kernel, shape, m, &setup](auto& state) {
      MeasureKernel(state, kernel, shape, m, setup);
    });
  }
}

// What it costs to multiply `outliers` activations of each row in float, those of a fourth of them
// elsewhere than in the other rows; -1: not even to look for them. All of a product, quantizing
// included.
void MeasureOutliers(benchmark::State& state, int64_t m, int outliers, const GemmSetup& setup) {
  constexpr Shape kShape = {"outliers", 4096, 4096};
  constexpr float kThreshold = 6;
  Operands operands(kInt8, kShape, m, setup);
  for (PackedWeight& weight : operands.weights) {
    weight.outlier_threshold = outliers < 0 ? 0 : kThreshold;
  }
  for (int64_t row = 0; row < m; ++row) {
    for (int i = 0; i < outliers; ++i) {
      const int64_t own = i % 4 == 3 ? 11 * row : 0;
      operands.x[row * kShape.k + (500 * i + own) % kShape.k] = 2 * kThreshold;
    }
  }
  for (auto _ : state) {
    const PackedWeight& w = operands.next();
    operands.rows.Set(operands.x.data(), m, w.k, w.k);
    const GemmOutput output{&w, operands.y.data(), w.n};
    RunGemm(setup.kernels, operands.rows, {&output, 1}, setup.pool);
  }
  Count(state, operands, setup.limits.ops_per_s(ActivationType::kInt8), 0, setup);
}

// The selected kernel for one row, by how far ahead it fetches its weights.
void MeasureFetchAhead(benchmark::State& state, const GemmKernel& kernel, int64_t ahead,
                       const GemmSetup& setup) {
  Operands operands(EntryOf(kernel.packed).example, {"fetch_ahead", 8192, 2048}, 1, setup);
  for (auto _ : state) RunKernel(kernel, operands, ahead, setup.pool);
  Count(state, operands, setup.limits.ops_per_s(kernel.activations), 0, setup);
}

void RegisterFetchAhead(const GemmSetup& setup) {
  for (const PackedEntry& entry : PackedEntries()) {
    const GemmKernel* const kernel =
        setup.kernels.SelectGemm(entry.example, WeightLayout::kRows32, 1);
    for (const int64_t ahead : {0, 512, 1024, 2048, 4096}) {
      Register(absl::StrCat("fetch_ahead/", kernel->name, "/bytes:", ahead),
               [=, &setup](auto& state) { MeasureFetchAhead(state, *kernel, ahead, setup); });
    }
  }
}

void RegisterAll(const GemmSetup& setup) {
  RegisterFetchAhead(setup);
  for (const int64_t m : {1, 8, 32, 512}) {
    for (const int outliers : {-1, 0, 8}) {
      Register(absl::StrCat("outliers_int8/4096x4096/m:", m,
                            "/outliers:", outliers < 0 ? "off" : absl::StrCat(outliers)),
               [=, &setup](auto& state) { MeasureOutliers(state, m, outliers, setup); });
    }
  }
  for (const PackedEntry& entry : PackedEntries()) {
    for (const Shape& shape : kShapes) {
      // Models with such layers come in another format.
      if (shape.k % entry.example.k_multiple() != 0) continue;
      for (const int64_t m : kInputRows) RegisterFormat(entry, shape, m, setup);
    }
  }
}

}  // namespace
}  // namespace quantd

int main(int argc, char** argv) {
  return quantd::RunGemmBenchmarks(argc, argv, quantd::RegisterAll);
}
