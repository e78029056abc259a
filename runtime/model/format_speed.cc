#include "runtime/model/format_speed.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <vector>

#include "kernels/base/status_macros.h"
#include "kernels/gemm/naive.h"
#include "runtime/model/linear_stack.h"

namespace quantd {
namespace {

// A sample goes on over whole rounds of the held layers until it has lasted this long ...
constexpr double kLeastSampleSeconds = 0.02;
// ... and stops within a round after this: that many rows keep the processor busy, not the memory.
constexpr double kMostSampleSeconds = 0.25;

class Stopwatch {
 public:
  double Seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// Mean of the seconds that a piece of work took.
struct Mean {
  double seconds = 0;
  int64_t runs = 0;

  template <typename Work>
  void Time(Work work) {
    const Stopwatch watch;
    work();
    seconds += watch.Seconds();
    ++runs;
  }
  double value() const { return seconds / static_cast<double>(runs); }
};

/// Seconds of a step of the whole model, from one sample. The output comes after a round of
/// layers, so that none of its weights are still in a cache.
double SampleStep(const ModelConfig& config, const Workload& workload,
                  LinearStack::Multiply multiply, LinearStack& stack) {
  Mean layer, output;
  const Stopwatch sample;
  while (sample.Seconds() < kLeastSampleSeconds) {
    for (int32_t i = 0; i < stack.layers(); ++i) {
      layer.Time([&] { stack.RunLayer(i, workload.rows, multiply); });
      if (sample.Seconds() > kMostSampleSeconds) break;
    }
    output.Time([&] { stack.RunOutput(workload.logit_rows, multiply); });
  }
  return config.layers * layer.value() + stack.output_scale() * output.value();
}

/// Takes the samples of one format.
class Sampler {
 public:
  Sampler(const ModelConfig& config, const FormatSpeedOptions& options, LinearStack& stack)
      : config_(config),
        options_(options),
        stack_(stack),
        reps_(std::max(options.reps, 1)),
        total_(static_cast<double>(Workloads().size()) * reps_ * (options.naive ? 2 : 1)) {}

  /// The median of the samples.
  absl::StatusOr<double> TokensPerSecond(const Workload& workload, LinearStack::Multiply multiply) {
    // The first run brings buffers to their size.
    stack_.RunLayer(0, workload.rows, multiply);
    std::vector<double> seconds;
    for (int32_t rep = 0; rep < reps_; ++rep) {
      if (options_.go_on && !options_.go_on(done_++ / total_)) {
        return absl::CancelledError("interrupted");
      }
      seconds.push_back(SampleStep(config_, workload, multiply, stack_));
    }
    const auto middle = seconds.begin() + reps_ / 2;
    std::nth_element(seconds.begin(), middle, seconds.end());
    return static_cast<double>(workload.rows) / *middle;
  }

 private:
  const ModelConfig& config_;
  const FormatSpeedOptions& options_;
  LinearStack& stack_;
  const int32_t reps_;
  const double total_;  // samples
  double done_ = 0;
};

}  // namespace

const std::vector<Workload>& Workloads() {
  static const auto* const kWorkloads = new std::vector<Workload>{
      {"decode", "Decode, one sequence", 1, 1},
      {"batch_8", "Decode, batch of 8", 8, 8},
      {"batch_32", "Decode, batch of 32", 32, 32},
      {"prefill_512", "Prefill, 512 tokens", 512, 1},
  };
  return *kWorkloads;
}

const std::vector<ComparedFormat>& ComparedFormats() {
  static const auto* const kFormats = [] {
    auto* formats = new std::vector<ComparedFormat>;
    for (const NamedFormat& named : NamedFormats()) formats->push_back({named.name, named.format});
    const QuantFormat affine = AffineFormat(4, 128, ZeroType::kCode);
    formats->push_back({FormatName(affine), affine});
    return formats;
  }();
  return *kFormats;
}

absl::StatusOr<FormatSpeed> MeasureFormat(const ModelConfig& config, const QuantFormat& format,
                                          const FormatSpeedOptions& options,
                                          const GemmKernels& kernels, ThreadPool& pool) {
  FormatSpeed speed;
  QUANTD_ASSIGN_OR_RETURN(speed.weight_bytes, PackedModelBytes(config, format));
  QUANTD_ASSIGN_OR_RETURN(const std::unique_ptr<LinearStack> stack,
                          LinearStack::Create(config, format, options.layers, kernels, pool));
  Sampler sampler(config, options, *stack);
  for (const Workload& workload : Workloads()) {
    WorkloadSpeed result;
    result.kernel = Describe(*kernels.SelectGemm(format, stack->layout(), workload.rows));
    QUANTD_ASSIGN_OR_RETURN(result.tokens_per_second, sampler.TokensPerSecond(workload, RunGemm));
    if (options.naive) {
      QUANTD_ASSIGN_OR_RETURN(result.naive_tokens_per_second,
                              sampler.TokensPerSecond(workload, RunNaiveGemm));
    }
    speed.workloads.push_back(std::move(result));
  }
  return speed;
}

ModelConfig ConfigOf(const SynthShape& shape) {
  ModelConfig config;
  config.architecture = "llama";
  config.name = shape.name;
  config.vocab = shape.vocab;
  config.dim = shape.dim;
  config.layers = shape.layers;
  config.heads = shape.heads;
  config.kv_heads = shape.kv_heads;
  config.head_dim = shape.head_dim();
  config.ff = shape.ff;
  config.context = shape.context;
  config.rope_dim = shape.head_dim();
  config.rope_base = shape.rope_base;
  config.tied_output = shape.tied;
  return config;
}

}  // namespace quantd
