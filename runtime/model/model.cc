#include "runtime/model/model.h"

#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "kernels/base/check.h"
#include "kernels/base/status_macros.h"
#include "runtime/model/forward.h"
#include "runtime/model/weights.h"

namespace quantd {
namespace {

// Rows of a typical batched step, for which the report names a kernel.
constexpr int64_t kReportedBatch = 32;

// One report per matrix of the model. Its format is the checkpoint's, unless the options change
// it: PackWeight keeps it.
absl::StatusOr<std::vector<WeightReport>> ReportMatrices(const Checkpoint& checkpoint,
                                                         const ModelConfig& config,
                                                         const KernelSet& kernels,
                                                         const LoadOptions& options) {
  std::vector<WeightReport> reports;
  for (const TensorSpec& spec : ModelTensors(config)) {
    if (spec.vector) continue;
    const CheckpointTensor* tensor = checkpoint.Find(spec.name);
    QUANTD_CHECK(tensor != nullptr, "ReadModelConfig found every required tensor");
    const QuantFormat weights = LoadedFormat(*tensor, options);
    const QuantFormat format = options.decode_to_float ? kF32 : weights;
    if (!kernels.SupportsFormat(format)) {
      return checkpoint.Unsupported(absl::StrCat("tensor ", tensor->stored),
                                    absl::StrCat("no kernel takes ", FormatName(format)));
    }
    const auto kernel = [&](int64_t m) {
      return Describe(*kernels.SelectGemm(format, WeightLayout::kRows32, m));
    };
    const GemmKernelInfo decode = kernel(1);
    WeightReport report;
    report.name = spec.name;
    report.format = FormatName(weights);
    report.n = spec.rows;
    report.k = spec.cols;
    report.file_bytes = tensor->bytes;
    report.decode_kernel = decode.name;
    report.batch_kernel = kernel(kReportedBatch).name;
    report.isa = decode.isa;
    report.native = decode.native;
    report.how = decode.how;
    reports.push_back(std::move(report));
  }
  return reports;
}

}  // namespace

struct Model::Impl {
  Impl(ModelConfig config, Weights weights, std::vector<WeightReport> reports,
       const KernelSet& kernels, ThreadPool& pool)
      : config(std::move(config)),
        weights(std::move(weights)),
        reports(std::move(reports)),
        forward(this->config, this->weights, kernels, pool) {}

  const ModelConfig config;
  const Weights weights;
  std::vector<WeightReport> reports;
  ForwardPass forward;
};

Model::Model() = default;
Model::~Model() = default;

absl::StatusOr<std::unique_ptr<Model>> Model::Load(const Checkpoint& checkpoint,
                                                   const KernelSet& kernels, ThreadPool& pool,
                                                   const LoadOptions& options) {
  QUANTD_ASSIGN_OR_RETURN(ModelConfig config, ReadModelConfig(checkpoint));
  config.UseContext(options.context);
  QUANTD_ASSIGN_OR_RETURN(Weights weights, LoadWeights(checkpoint, config, kernels, pool, options));
  const std::vector<std::vector<const PackedWeight*>> packed = PackedWeights(weights, config);
  if (options.packed) {
    std::vector<const PackedWeight*> all;
    for (const auto& matrices : packed) all.insert(all.end(), matrices.begin(), matrices.end());
    options.packed(all);
  }
  QUANTD_ASSIGN_OR_RETURN(std::vector<WeightReport> reports,
                          ReportMatrices(checkpoint, config, kernels, options));
  QUANTD_CHECK(packed.size() == reports.size(), "every matrix of the model is reported");
  for (size_t i = 0; i < packed.size(); ++i) {
    for (const PackedWeight* matrix : packed[i]) reports[i].packed_bytes += matrix->bytes();
  }
  auto model = std::unique_ptr<Model>(new Model);
  model->impl_ = std::make_unique<Impl>(std::move(config), std::move(weights), std::move(reports),
                                        kernels, pool);
  return model;
}

const ModelConfig& Model::config() const { return impl_->config; }

KvLayout Model::kv_layout(KvType type) const {
  return {type, impl_->config.layers, impl_->config.kv_heads, impl_->config.head_dim};
}

uint64_t Model::weight_bytes() const {
  uint64_t bytes = 0;
  for (const WeightReport& report : impl_->reports) bytes += report.packed_bytes;
  return bytes;
}

std::vector<WeightReport> Model::Report() const { return impl_->reports; }

void Model::Forward(const Batch& batch, const KvView& kv, absl::Span<float> logits) {
  impl_->forward.Run(batch, kv, logits);
}

void Model::ObserveInputs(const InputObserver& observer) {
  if (!observer) return impl_->forward.ObserveInputs({});
  absl::flat_hash_map<const PackedWeight*, std::pair<size_t, size_t>> places;
  size_t place = 0;
  for (const auto& matrices : PackedWeights(impl_->weights, impl_->config)) {
    for (size_t part = 0; part < matrices.size(); ++part) {
      places.emplace(matrices[part], std::make_pair(place, part));
    }
    ++place;
  }
  impl_->forward.ObserveInputs([observer, places](const PackedWeight& matrix, const float* rows,
                                                  int64_t count, int64_t cols) {
    const auto& [place, part] = places.at(&matrix);
    observer({place, part, rows, count, cols});
  });
}

absl::StatusOr<std::vector<WeightReport>> ReportWeights(const Checkpoint& checkpoint,
                                                        const KernelSet& kernels) {
  QUANTD_ASSIGN_OR_RETURN(const ModelConfig config, ReadModelConfig(checkpoint));
  return ReportMatrices(checkpoint, config, kernels, {});
}

}  // namespace quantd
