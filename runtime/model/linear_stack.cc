#include "runtime/model/linear_stack.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kernels/base/hardware.h"
#include "kernels/base/noise.h"
#include "kernels/base/status_macros.h"
#include "kernels/gemm/noise_tensor.h"
#include "kernels/gemm/rows32.h"
#include "runtime/model/weights.h"

namespace quantd {
namespace {

// A round over the held layers reads this many times the last cache, which leaves nothing of a
// layer there until it is read again.
constexpr int64_t kCacheMultiple = 4;
// Rows of the output matrix that are held: enough to be split over many threads.
constexpr int64_t kOutputRows = 16384;
// Products that share an input: q, k and v.
constexpr size_t kMaxProducts = 3;

/// [n, k].
struct MatrixShape {
  int64_t n, k;
};

/// The matrices of a layer; those of a line share their input and follow one another.
std::vector<std::vector<MatrixShape>> LayerShapes(const ModelConfig& c) {
  return {{{c.q_dim(), c.dim}, {c.kv_dim(), c.dim}, {c.kv_dim(), c.dim}},
          {{c.dim, c.q_dim()}},
          {{c.ff, c.dim}, {c.ff, c.dim}},
          {{c.dim, c.ff}}};
}

/// The same random rows again and again: generating them anew would take longer than packing.
class RepeatedNoise : public WeightSource {
 public:
  RepeatedNoise(const QuantFormat& format, const MatrixShape& shape)
      : format_(format), shape_(shape) {
    Noise noise;
    slab_ = NoiseTensor(format, std::min(kSlabRows, shape.n), shape.k, &noise);
  }
  const QuantFormat& format() const override { return format_; }
  int64_t rows() const override { return shape_.n; }
  int64_t cols() const override { return shape_.k; }
  absl::Status Decode(int64_t, int64_t row_count, QuantTensor* out) const override {
    if (row_count == slab_.rows) {
      *out = slab_;
    } else {
      Noise noise;
      *out = NoiseTensor(format_, row_count, shape_.k, &noise);
    }
    return absl::OkStatus();
  }

 private:
  static constexpr int64_t kSlabRows = 128;  // what packing asks for, but at the end of a matrix
  const QuantFormat format_;
  const MatrixShape shape_;
  QuantTensor slab_;
};

absl::StatusOr<PackedWeight> Copy(const PackedWeight& from) {
  PackedWeight copy;
  copy.format = from.format;
  copy.layout = from.layout;
  copy.n = from.n;
  copy.k = from.k;
  copy.data = AlignedBuffer(from.data.size());
  if (copy.data.data() == nullptr) {
    return absl::ResourceExhaustedError(
        absl::StrCat("no memory for a layer's weights of ", from.data.size(), " bytes"));
  }
  std::memcpy(copy.data.data(), from.data.data(), from.data.size());
  return copy;
}

}  // namespace

absl::StatusOr<int64_t> PackedMatrixBytes(const QuantFormat& format, int64_t n, int64_t k) {
  const auto packed = ToPackedFormat(format);
  if (!packed) {
    return absl::InvalidArgumentError(
        absl::StrCat("no kernel takes weights of ", FormatName(format)));
  }
  if (k % format.k_multiple() != 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "rows of ", k, " weights are no multiple of the ", format.k_multiple(), " of a block"));
  }
  return Rows32Bytes(*packed, n, k, PackedSpan(format));
}

absl::StatusOr<int64_t> PackedModelBytes(const ModelConfig& config, const QuantFormat& format) {
  int64_t bytes = 0;
  for (const TensorSpec& spec : ModelTensors(config)) {
    if (spec.vector) continue;
    QUANTD_ASSIGN_OR_RETURN(const int64_t matrix, PackedMatrixBytes(format, spec.rows, spec.cols));
    bytes += matrix;
  }
  return bytes;
}

/// Packs the first layer and copies it for the others, in memory of their own.
class LinearStack::Builder {
 public:
  Builder(LinearStack* stack, const QuantFormat& format) : stack_(*stack), format_(format) {}

  absl::StatusOr<std::vector<Call>> FirstLayer(const ModelConfig& config) {
    std::vector<Call> calls;
    for (const std::vector<MatrixShape>& shapes : LayerShapes(config)) {
      QUANTD_ASSIGN_OR_RETURN(Call call, Pack(shapes));
      calls.push_back(std::move(call));
    }
    return calls;
  }

  absl::StatusOr<Call> Pack(const std::vector<MatrixShape>& shapes) {
    Call call;
    call.k = shapes.front().k;
    stack_.max_k_ = std::max(stack_.max_k_, call.k);
    for (const MatrixShape& shape : shapes) {
      const RepeatedNoise source(format_, shape);
      QUANTD_ASSIGN_OR_RETURN(PackedWeight weight,
                              PackWeight(source, stack_.kernels_, stack_.pool_));
      call.weights.push_back(std::move(weight));
      stack_.max_n_ = std::max(stack_.max_n_, shape.n);
    }
    return call;
  }

  static absl::StatusOr<std::vector<Call>> CopyLayer(const std::vector<Call>& layer) {
    std::vector<Call> copy;
    for (const Call& call : layer) {
      copy.push_back({call.k, {}});
      for (const PackedWeight& weight : call.weights) {
        QUANTD_ASSIGN_OR_RETURN(PackedWeight copied, Copy(weight));
        copy.back().weights.push_back(std::move(copied));
      }
    }
    return copy;
  }

 private:
  LinearStack& stack_;
  const QuantFormat format_;
};

absl::StatusOr<std::unique_ptr<LinearStack>> LinearStack::Create(const ModelConfig& config,
                                                                 const QuantFormat& format,
                                                                 int32_t layers,
                                                                 const GemmKernels& kernels,
                                                                 ThreadPool& pool) {
  int64_t layer_bytes = 0;
  for (const std::vector<MatrixShape>& shapes : LayerShapes(config)) {
    for (const MatrixShape& shape : shapes) {
      QUANTD_ASSIGN_OR_RETURN(const int64_t bytes, PackedMatrixBytes(format, shape.n, shape.k));
      layer_bytes += bytes;
    }
  }
  const MatrixShape output = {std::min<int64_t>(config.vocab, kOutputRows), config.dim};
  QUANTD_ASSIGN_OR_RETURN(const int64_t output_bytes,
                          PackedMatrixBytes(format, output.n, output.k));

  const int64_t uncached = kCacheMultiple * kernels.hardware().l3_bytes / layer_bytes + 1;
  const int64_t held = std::clamp<int64_t>(layers > 0 ? layers : uncached, 1, config.layers);
  const int64_t needed = held * layer_bytes + output_bytes, available = AvailableMemoryBytes();
  if (needed > available) {
    return absl::ResourceExhaustedError(absl::StrCat("needs ", needed >> 20, " MiB of memory for ",
                                                     held, " of ", config.layers, " layers, but ",
                                                     available >> 20, " MiB are free"));
  }
  std::unique_ptr<LinearStack> stack(new LinearStack(kernels, pool));
  Builder builder(stack.get(), format);
  QUANTD_ASSIGN_OR_RETURN(std::vector<Call> first, builder.FirstLayer(config));
  stack->layers_.push_back(std::move(first));
  while (stack->layers() < held) {
    QUANTD_ASSIGN_OR_RETURN(std::vector<Call> copy, Builder::CopyLayer(stack->layers_.front()));
    stack->layers_.push_back(std::move(copy));
  }
  QUANTD_ASSIGN_OR_RETURN(stack->output_, builder.Pack({output}));
  stack->output_scale_ = static_cast<double>(config.vocab) / static_cast<double>(output.n);
  stack->results_.resize(kMaxProducts);
  return stack;
}

void LinearStack::RunLayer(int32_t layer, int64_t rows, Multiply multiply) {
  for (const Call& call : layers_[layer]) Run(call, rows, multiply);
}

void LinearStack::RunOutput(int64_t rows, Multiply multiply) { Run(output_, rows, multiply); }

void LinearStack::Run(const Call& call, int64_t rows, Multiply multiply) {
  const size_t inputs = static_cast<size_t>(rows * max_k_);
  if (input_.size() < inputs) {
    Noise noise;
    input_ = noise.Uniform(static_cast<int64_t>(inputs), 1.0f);
  }
  std::array<GemmOutput, kMaxProducts> outputs;
  for (size_t i = 0; i < call.weights.size(); ++i) {
    const size_t results = static_cast<size_t>(rows * max_n_);
    if (results_[i].size() < results) results_[i].resize(results);
    outputs[i] = {&call.weights[i], results_[i].data(), call.weights[i].n};
  }
  activations_.Set(input_.data(), rows, call.k, call.k);
  multiply(kernels_, activations_, absl::MakeConstSpan(outputs.data(), call.weights.size()), pool_);
}

}  // namespace quantd
