// gemm_bench [--threads=N] [Google Benchmark options]
// Every row of the GEMM table that runs here, at the matrix shapes of a 1.1 B model. Each result
// is first compared with the scalar reference; a difference ends the program.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "kernels/gemm/activations.h"
#include "kernels/gemm/kernel_table.h"
#include "kernels/gemm/noise_tensor.h"
#include "kernels/gemm/reference.h"
#include "kernels/gemm/rows32.h"
#include "kernels/kernel_set.h"
#include "tests/bench/machine_limits.h"

namespace quantd {
namespace {

struct Shape {
  int64_t n, k;
};
constexpr Shape kShapes[] = {{2048, 8192}, {8192, 2048}, {2048, 2048}, {32000, 2048}};
constexpr int64_t kInputRows[] = {1, 4, 8, 16, 32, 512};
// The scalar reference takes seconds for what it is not meant for.
constexpr int64_t kMaxReferenceM = 8;
// Weights are read from copies in turn, together larger than any cache: in a model a matrix is not
// read again before all others were.
constexpr int64_t kRotationBytes = int64_t{160} << 20;

// The operands of one benchmark. Weights repeat one random group: speed does not depend on values.
struct Operands {
  Operands(const GemmKernel& kernel, Shape shape, int64_t m)
      : n(shape.n), k(shape.k), m(m), q(m * QuantizedBlocks(k)), y(m * n) {
    const QuantFormat& format = EntryOf(kernel.packed).example;
    span = PackedSpan(format);
    group_bytes = Rows32GroupBytes(kernel.packed, k, span);
    std::vector<uint8_t> group(group_bytes);
    Noise noise;
    PackRows32(kernel.packed, NoiseTensor(format, kGroupRows, k, &noise), 0, group.data());
    bytes = group_bytes * (n / kGroupRows);
    copies = std::max<int64_t>(1, kRotationBytes / bytes);
    weights = AlignedBuffer(bytes * copies);
    for (int64_t at = 0; at < bytes * copies; at += group_bytes) {
      std::memcpy(weights.as<uint8_t>() + at, group.data(), group_bytes);
    }
    x = noise.Uniform(m * k, 1.0f);
    QuantizeRow(x.data(), m * k, q.data());
  }

  // Row groups [begin, end) of copy `copy`.
  GemmArgs Args(int64_t copy, int64_t begin, int64_t end) {
    return {weights.as<uint8_t>() + copy * bytes + begin * group_bytes,
            end - begin,
            (end - begin) * kGroupRows,
            k,
            span,
            m,
            x.data(),
            k,
            q.data(),
            QuantizedBlocks(k),
            y.data() + begin * kGroupRows,
            n};
  }

  int64_t n, k, m, group_bytes, bytes, copies;
  int span;
  AlignedBuffer weights;
  std::vector<float> x;
  std::vector<QuantizedBlock> q;
  std::vector<float> y;
};

bool AgreesOnOneGroup(const GemmKernel& kernel, Operands& operands) {
  std::vector<float> expected(operands.m * kGroupRows), actual(expected.size());
  GemmArgs args = operands.Args(0, 0, 1);
  args.y_stride = kGroupRows;
  args.y = expected.data();
  ReferenceRun(kernel.packed)(args);
  args.y = actual.data();
  kernel.run(args);
  return std::memcmp(expected.data(), actual.data(), expected.size() * sizeof(float)) == 0;
}

struct Setup {
  ThreadPool& pool;
  MachineLimits limits;
};

void Measure(benchmark::State& state, const GemmKernel& kernel, Shape shape, int64_t m,
             const Setup& setup) {
  Operands operands(kernel, shape, m);
  if (!AgreesOnOneGroup(kernel, operands)) {
    std::fprintf(stderr, "%s disagrees with the scalar reference\n", kernel.name.c_str());
    std::exit(1);
  }
  int64_t copy = 0;
  for (auto _ : state) {
    setup.pool.ParallelFor(shape.n / kGroupRows, 1, [&](int64_t begin, int64_t end, int) {
      kernel.run(operands.Args(copy, begin, end));
    });
    copy = (copy + 1) % operands.copies;
  }
  const auto iterations = static_cast<double>(state.iterations());
  const double bytes = iterations * static_cast<double>(operands.bytes);
  const double ops = iterations * 2.0 * static_cast<double>(m * shape.n * shape.k);
  const double peak = kernel.activations == ActivationType::kF32 ? setup.limits.float_ops_per_s
                                                                 : setup.limits.int8_ops_per_s;
  using benchmark::Counter;
  state.counters["GB/s"] = Counter(bytes * 1e-9, Counter::kIsRate);
  state.counters["GOP/s"] = Counter(ops * 1e-9, Counter::kIsRate);
  state.counters["of_bandwidth"] = Counter(bytes / setup.limits.read_bytes_per_s, Counter::kIsRate);
  if (peak > 0) state.counters["of_peak"] = Counter(ops / peak, Counter::kIsRate);
}

void RegisterAll(const Hardware& hardware, const Setup& setup) {
  for (const GemmKernel& kernel : GemmTable()) {
    if (!hardware.Supports(kernel.isa)) continue;
    for (const Shape& shape : kShapes) {
      for (const int64_t m : kInputRows) {
        if (!kernel.TakesM(m)) continue;
        if (kernel.isa == Isa::kReference && m > kMaxReferenceM) continue;
        const std::string name = absl::StrCat(kernel.name, "/", shape.n, "x", shape.k, "/m:", m);
        benchmark::RegisterBenchmark(name.c_str(),
                                     [&kernel, shape, m, &setup](benchmark::State& state) {
                                       Measure(state, kernel, shape, m, setup);
                                     })
            ->UseRealTime()
            ->MinTime(0.2)
            ->Unit(benchmark::kMicrosecond);
      }
    }
  }
}

// Takes --threads=N out of the arguments; 0 when it is not there.
int ThreadsArgument(int* argc, char** argv) {
  int threads = 0;
  for (int i = 1; i < *argc; ++i) {
    absl::string_view value = argv[i];
    if (!absl::ConsumePrefix(&value, "--threads=")) continue;
    if (!absl::SimpleAtoi(value, &threads) || threads < 1) {
      std::fprintf(stderr, "--threads needs a number from 1 on, not \"%s\"\n", argv[i] + 10);
      std::exit(2);
    }
    std::copy(argv + i + 1, argv + *argc, argv + i);
    --*argc;
    break;
  }
  return threads;
}

int Main(int argc, char** argv) {
  ThreadPool pool(ThreadsArgument(&argc, argv));
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  const Hardware& hardware = ProbeHardware();
  const Setup setup{pool, MeasureMachineLimits(hardware, pool)};
  benchmark::AddCustomContext("cpu", hardware.cpu_name);
  benchmark::AddCustomContext("threads", absl::StrCat(pool.size()));
  benchmark::AddCustomContext("read_GB/s", absl::StrCat(setup.limits.read_bytes_per_s * 1e-9));
  benchmark::AddCustomContext("int8_GOP/s", absl::StrCat(setup.limits.int8_ops_per_s * 1e-9));
  benchmark::AddCustomContext("float_GOP/s", absl::StrCat(setup.limits.float_ops_per_s * 1e-9));
  RegisterAll(hardware, setup);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}

}  // namespace
}  // namespace quantd

int main(int argc, char** argv) { return quantd::Main(argc, argv); }
