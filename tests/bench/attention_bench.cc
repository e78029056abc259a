// attention_bench [--threads=N] [Google Benchmark options]
// Every attention kernel that runs here, at the head shapes of Llama models: prefill of 512 tokens,
// and decode at several contexts and batches. Results are first compared with the scalar reference;
// a difference ends the program.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "kernels/attention/attention.h"
#include "kernels/base/aligned_buffer.h"
#include "kernels/base/noise.h"
#include "tests/bench/bench_main.h"

namespace quantd {
namespace {

struct Shape {
  int heads, kv_heads, head_dim;
};
constexpr Shape kShapes[] = {{32, 8, 64}, {32, 8, 128}};

// `rows` new tokens of each of `sequences` sequences behind `context` tokens.
struct Case {
  const char* name;
  int64_t sequences, context, rows;
};
constexpr Case kCases[] = {{"prefill_512", 1, 0, 512},     {"decode_1x64", 1, 63, 1},
                           {"decode_1x512", 1, 511, 1},    {"decode_1x4096", 1, 4095, 1},
                           {"decode_8x512", 8, 511, 1},    {"decode_32x64", 32, 63, 1},
                           {"decode_32x1024", 32, 1023, 1}};
// Decode reads the KV memory of one layer after the other, together larger than any cache: in a
// model everything else was read in between.
constexpr int64_t kRotationBytes = int64_t{160} << 20;
// Rows at the end of each sequence that are compared with the reference, which takes seconds for
// all of a prefill.
constexpr int64_t kCheckedRows = 5;
constexpr float kTolerance = 1e-5f;

// The operands of one benchmark. The blocks of a sequence lie apart, as those of a server do.
class Operands {
 public:
  Operands(const AttentionKernel& kernel, Shape shape, Case c) : shape_(shape), case_(c) {
    const int64_t each = (c.context + c.rows + kKvBlockTokens - 1) / kKvBlockTokens;
    KvLayout layout{kernel.type, 1, shape.kv_heads, shape.head_dim};
    const int64_t layer_bytes = each * c.sequences * layout.block_bytes();
    layout.layers = static_cast<int>(std::clamp<int64_t>(kRotationBytes / layer_bytes, 1, 64));
    memory_ = AlignedBuffer(each * c.sequences * layout.block_bytes());
    kv_ = {layout, memory_.as<std::byte>()};
    blocks_.resize(each * c.sequences);
    for (int64_t s = 0; s < c.sequences; ++s) {
      for (int64_t b = 0; b < each; ++b) {
        blocks_[s * each + b] = static_cast<int32_t>(b * c.sequences + s);
      }
      sequences_.push_back({s * c.rows, c.rows, c.context, &blocks_[s * each]});
    }
    q_ = noise_.Uniform(c.sequences * c.rows * row_floats(), 1.0f);
    out_.resize(q_.size());
    Fill(kernel);
  }

  int layers() const { return kv_.layout.layers; }
  int64_t row_floats() const { return int64_t{shape_.heads} * shape_.head_dim; }
  const std::vector<float>& out() const { return out_; }

  AttentionCall Call(int layer) {
    AttentionCall call;
    call.kv = kv_;
    call.layer = layer;
    call.heads = shape_.heads;
    call.scale = 1.0f / std::sqrt(static_cast<float>(shape_.head_dim));
    call.sequences = sequences_.data();
    call.sequence_count = static_cast<int64_t>(sequences_.size());
    call.q = q_.data();
    call.q_stride = row_floats();
    call.out = out_.data();
    call.out_stride = row_floats();
    return call;
  }

  // A call of the last rows of each sequence, for which `out` is written as by Call.
  AttentionCall TailCall(int layer, int64_t rows, std::vector<AttentionSequence>* sequences) {
    *sequences = sequences_;
    for (AttentionSequence& s : *sequences) {
      s.first_row += s.rows - rows;
      s.context += s.rows - rows;
      s.rows = rows;
    }
    AttentionCall call = Call(layer);
    call.sequences = sequences->data();
    return call;
  }

  // What a call computes: multiply and add count as two.
  double Ops() const {
    const double seen = static_cast<double>(case_.context) + (case_.rows + 1) / 2.0;
    return 4.0 * case_.sequences * case_.rows * seen * row_floats();
  }
  // Keys and values that a call reads at least.
  double Bytes() const {
    const double tokens = static_cast<double>(case_.sequences * (case_.context + case_.rows));
    return tokens * kv_.layout.block_bytes() / kKvBlockTokens / kv_.layout.layers;
  }

 private:
  void Fill(const AttentionKernel& kernel) {
    const int64_t floats = int64_t{shape_.kv_heads} * shape_.head_dim;
    const std::vector<float> k = noise_.Uniform(64 * floats, 1.0f);
    const std::vector<float> v = noise_.Uniform(64 * floats, 1.0f);
    for (int layer = 0; layer < layers(); ++layer) {
      for (const AttentionSequence& s : sequences_) {
        for (int64_t p = 0; p < s.context + s.rows; ++p) {
          const int64_t at = (p + s.first_row + layer) % 61 * floats;
          kernel.store(kv_, layer, s.blocks, p, &k[at], &v[at]);
        }
      }
    }
  }

  const Shape shape_;
  const Case case_;
  Noise noise_;
  AlignedBuffer memory_;
  KvView kv_;
  std::vector<int32_t> blocks_;
  std::vector<AttentionSequence> sequences_;
  std::vector<float> q_, out_;
};

const AttentionKernel& Reference(KvType type) {
  for (const AttentionKernel* kernel : AttentionKernels()) {
    if (kernel->isa == Isa::kReference && kernel->type == type) return *kernel;
  }
  std::abort();
}

bool AgreesWithReference(const AttentionKernel& kernel, int64_t rows, Operands& operands,
                         ThreadPool& pool) {
  const int layer = operands.layers() - 1;
  kernel.run(operands.Call(layer), pool);
  const std::vector<float> actual = operands.out();
  std::vector<AttentionSequence> sequences;
  const int64_t checked = std::min(rows, kCheckedRows);
  Reference(kernel.type).run(operands.TailCall(layer, checked, &sequences), pool);
  for (const AttentionSequence& s : sequences) {
    for (int64_t i = s.first_row * operands.row_floats();
         i < (s.first_row + s.rows) * operands.row_floats(); ++i) {
      if (!(std::fabs(actual[i] - operands.out()[i]) <= kTolerance)) return false;
    }
  }
  return true;
}

struct Setup {
  const Hardware& hardware;
  ThreadPool& pool;
  std::map<Isa, MachineLimits> limits;  // what each instruction set gives, weakest first
};

void Measure(benchmark::State& state, const AttentionKernel& kernel, Shape shape, Case c,
             const Setup& setup) {
  Operands operands(kernel, shape, c);
  if (!AgreesWithReference(kernel, c.rows, operands, setup.pool)) {
    std::fprintf(stderr, "%s disagrees with the scalar reference\n", kernel.name);
    std::exit(1);
  }
  int layer = 0;
  for (auto _ : state) {
    kernel.run(operands.Call(layer), setup.pool);
    layer = (layer + 1) % operands.layers();
  }
  const MachineLimits& limits = setup.limits.at(kernel.isa);
  const auto iterations = static_cast<double>(state.iterations());
  const double bytes = iterations * operands.Bytes(), ops = iterations * operands.Ops();
  using benchmark::Counter;
  state.counters["GB/s"] = Counter(bytes * 1e-9, Counter::kIsRate);
  state.counters["GFLOP/s"] = Counter(ops * 1e-9, Counter::kIsRate);
  state.counters["of_bandwidth"] = Counter(bytes / limits.read_bytes_per_s, Counter::kIsRate);
  state.counters["of_peak"] = Counter(ops / limits.float_ops_per_s, Counter::kIsRate);
}

bool Runs(const AttentionKernel& kernel, const Hardware& hardware) {
  return kernel.isa != Isa::kReference && hardware.Supports(kernel.isa);
}

void RegisterAll(const Setup& setup) {
  for (const AttentionKernel* kernel : AttentionKernels()) {
    if (!Runs(*kernel, setup.hardware)) continue;
    for (const Shape& shape : kShapes) {
      for (const Case& c : kCases) {
        const std::string name = absl::StrCat(kernel->name, "/", shape.heads, "/", shape.kv_heads,
                                              "x", shape.head_dim, "/", c.name);
        benchmark::RegisterBenchmark(
            name.c_str(),
            [kernel, shape, c, &setup](auto& state) { Measure(state, *kernel, shape, c, setup); })
            ->UseRealTime()
            ->MinTime(0.2)
            ->Unit(benchmark::kMicrosecond);
      }
    }
  }
}

int Main(int argc, char** argv) {
  ThreadPool pool(ThreadsArgument(&argc, argv));
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  Setup setup{ProbeHardware(), pool, {}};
  for (const AttentionKernel* kernel : AttentionKernels()) {
    if (!Runs(*kernel, setup.hardware) || setup.limits.count(kernel->isa) > 0) continue;
    const uint32_t isas = Info(kernel->isa).includes & setup.hardware.isas;
    setup.limits[kernel->isa] = MeasureMachineLimits(setup.hardware, isas, pool);
  }
  if (setup.limits.empty()) return 0;  // nothing but the reference runs here
  AddContext(setup.hardware, pool, setup.limits.rbegin()->second);  // the strongest one's
  RegisterAll(setup);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}

}  // namespace
}  // namespace quantd

int main(int argc, char** argv) { return quantd::Main(argc, argv); }
