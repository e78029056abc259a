#include "runtime/convert/quantize_model.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "kernels/base/status_macros.h"
#include "runtime/convert/tensor_rows.h"
#include "runtime/formats/gguf.h"
#include "runtime/formats/gguf_writer.h"
#include "runtime/formats/scheme_table.h"
#include "runtime/quantize/row_floats.h"
#include "runtime/quantize/search_row.h"

namespace quantd {
namespace {

// Of the scales' layout there has been one version since scales were added to the format.
constexpr uint32_t kQuantizationVersion = 2;

/// A tensor of the source and what it becomes.
struct TensorPlan {
  const CheckpointTensor* tensor;
  const GgufTensor* stored;  ///< the same in the file
  const GgufScheme* to;

  bool stays() const { return stored->type == to->type_id; }
};

/// Splits "blk.7.attn_v.weight" and "output.weight". False for anything else.
bool ParseName(absl::string_view name, MatrixPlace* place) {
  if (!absl::ConsumeSuffix(&name, ".weight")) return false;
  if (absl::ConsumePrefix(&name, "blk.")) {
    const size_t dot = name.find('.');
    if (dot == name.npos || !absl::SimpleAtoi(name.substr(0, dot), &place->layer)) return false;
    name.remove_prefix(dot + 1);
  }
  place->part = name;
  return name.find('.') == name.npos;
}

/// Matrices are quantized. Not vectors, which are small and added or multiplied elementwise; nor
/// the matrix that picks experts, whose errors would be those of the choice.
bool IsQuantized(const CheckpointTensor& tensor, const MatrixPlace& place) {
  return tensor.shape.size() >= 2 && tensor.rows() > 1 && !absl::StrContains(place.part, "norm") &&
         place.part != "ffn_gate_inp";
}

absl::StatusOr<std::vector<TensorPlan>> PlanTensors(const Checkpoint& source,
                                                    const FormatMix& mix) {
  if (source.gguf() == nullptr) {
    return absl::UnimplementedError(
        absl::StrCat(source.path(), ": is no GGUF file; only from those GGUF files are written"));
  }
  const GgufFile& file = *source.gguf();
  QUANTD_ASSIGN_OR_RETURN(const absl::string_view architecture,
                          file.String("general.architecture"));
  QUANTD_ASSIGN_OR_RETURN(const uint64_t layers,
                          file.Uint(absl::StrCat(architecture, ".block_count")));
  std::vector<TensorPlan> plan;
  for (const CheckpointTensor& tensor : source.tensors()) {
    const GgufTensor* stored = file.FindTensor(tensor.name);
    MatrixPlace place;
    place.layers = static_cast<int32_t>(std::min<uint64_t>(layers, INT32_MAX));
    place.tied = source.Find("output.weight") == nullptr;
    place.cols = tensor.cols();
    if (!ParseName(tensor.name, &place) || !IsQuantized(tensor, place)) {
      plan.push_back({&tensor, stored, FindGgufScheme(stored->type)});
      continue;
    }
    if (!tensor.format.is_float()) {
      return absl::InvalidArgumentError(absl::StrCat(
          source.path(), ": tensor ", tensor.stored, ": is ", tensor.scheme,
          " already; quantize from the model in F16, BF16 or F32, since errors add up"));
    }
    plan.push_back({&tensor, stored, &FittingScheme(mix.SchemeFor(place), tensor.cols())});
  }
  return plan;
}

/// Quantizes the rows of one tensor over the pool's threads. A stack of matrices is one matrix with
/// all their rows.
class TensorQuantizer {
 public:
  /// `columns`: the importance of each; null: all count the same.
  TensorQuantizer(const TensorRows& rows, const TensorPlan& plan, const std::vector<float>* columns)
      : rows_(rows), name_(plan.tensor->name), to_(*plan.to), columns_(columns) {}

  absl::Status Run(ThreadPool& pool, std::vector<uint8_t>* bytes, QuantizedTensor* result) const {
    std::vector<Part> parts(pool.size());
    pool.ParallelFor(rows_.rows(), 1, [&](int64_t begin, int64_t end, int thread) {
      Part& part = parts[thread];
      for (int64_t row = begin; row < end && part.status.ok(); ++row) {
        part.status = QuantizeRow(row, bytes->data() + row * to_.RowBytes(rows_.cols()), &part);
      }
    });
    for (const Part& part : parts) {
      QUANTD_RETURN_IF_ERROR(part.status);
      result->squared_error += part.squared_error;
      result->squared_sum += part.squared_sum;
      result->max_error = std::max(result->max_error, part.max_error);
    }
    return absl::OkStatus();
  }

 private:
  /// What one thread needs and finds.
  struct Part {
    absl::Status status;
    QuantTensor source, coded;
    std::vector<float> weights, stored;
    double squared_error = 0, squared_sum = 0, max_error = 0;
  };

  absl::Status QuantizeRow(int64_t row, uint8_t* bytes, Part* part) const {
    const int64_t cols = rows_.cols();
    part->weights.resize(cols);
    part->stored.resize(cols);
    QUANTD_RETURN_IF_ERROR(rows_.Read(row, &part->source, part->weights.data()));
    part->coded.Resize(to_.format, 1, cols);
    SearchRow(part->weights.data(), columns_ == nullptr ? nullptr : columns_->data(), 0,
              &part->coded);
    to_.pack_row(part->coded, 0, bytes);
    // Read back, since float types are rounded only when they are packed.
    if (!to_.decode_row(bytes, cols, 0, &part->coded)) {
      return absl::InvalidArgumentError(
          absl::StrCat("tensor ", name_, ": row ", row, ": a weight is too large for ", to_.name));
    }
    RowFloats(part->coded, 0, part->stored.data());
    for (int64_t c = 0; c < cols; ++c) {
      const double weight = part->weights[c], error = std::fabs(part->stored[c] - weight);
      part->squared_error += error * error;
      part->squared_sum += weight * weight;
      part->max_error = std::max(part->max_error, error);
    }
    return absl::OkStatus();
  }

  const TensorRows& rows_;
  const std::string& name_;
  const GgufScheme& to_;
  const std::vector<float>* const columns_;
};

/// Writes the planned tensors one after another.
class Job {
 public:
  Job(const Checkpoint& source, std::vector<TensorPlan> plan, ThreadPool& pool,
      const QuantizeModelOptions& options)
      : source_(source), plan_(std::move(plan)), pool_(pool), options_(options) {
    for (const TensorPlan& tensor : plan_) total_bytes_ += tensor.tensor->bytes;
  }

  absl::StatusOr<std::vector<QuantizedTensor>> Run(const FormatMix& mix, const std::string& path) {
    GgufWriter writer;
    for (const GgufKeyValue& entry : source_.gguf()->metadata()) {
      if (!absl::StartsWith(entry.key, "split.")) writer.Copy(entry);
    }
    writer.SetUint32("general.quantization_version", kQuantizationVersion);
    writer.SetUint32("general.file_type", mix.file_type());
    for (const TensorPlan& tensor : plan_) {
      writer.AddTensor(tensor.tensor->name, tensor.tensor->shape, tensor.to->type_id);
    }
    QUANTD_RETURN_IF_ERROR(writer.Write(path, [this](size_t index, std::vector<uint8_t>* bytes) {
      return WriteTensor(plan_[index], bytes);
    }));
    return std::move(results_);
  }

 private:
  absl::Status WriteTensor(const TensorPlan& plan, std::vector<uint8_t>* bytes) {
    const CheckpointTensor& tensor = *plan.tensor;
    QuantizedTensor result;
    result.name = tensor.name;
    result.from = tensor.scheme;
    result.to = plan.to->name;
    result.weights = tensor.rows() * tensor.cols();
    bytes->resize(static_cast<size_t>(plan.to->RowBytes(tensor.cols()) * tensor.rows()));
    result.from_bytes = tensor.bytes;
    result.to_bytes = bytes->size();
    if (plan.stays()) {
      QUANTD_RETURN_IF_ERROR(source_.gguf()->CheckNotTruncated(*plan.stored));
      std::copy_n(plan.stored->data, plan.stored->bytes, bytes->begin());
    } else {
      QUANTD_ASSIGN_OR_RETURN(const TensorRows rows, TensorRows::Open(source_, tensor));
      const auto columns = options_.importance.find(tensor.name);
      const TensorQuantizer quantizer(
          rows, plan, columns == options_.importance.end() ? nullptr : &columns->second);
      QUANTD_RETURN_IF_ERROR(quantizer.Run(pool_, bytes, &result));
    }
    results_.push_back(std::move(result));
    return Done(tensor);
  }

  absl::Status Done(const CheckpointTensor& tensor) {
    source_.GiveBack(tensor);
    done_bytes_ += tensor.bytes;
    if (options_.progress && !options_.progress({done_bytes_, total_bytes_, tensor.name})) {
      return absl::CancelledError(absl::StrCat("cancelled after tensor ", tensor.name));
    }
    return absl::OkStatus();
  }

  const Checkpoint& source_;
  const std::vector<TensorPlan> plan_;
  ThreadPool& pool_;
  const QuantizeModelOptions& options_;
  uint64_t done_bytes_ = 0, total_bytes_ = 0;
  std::vector<QuantizedTensor> results_;
};

}  // namespace

bool QuantizedTensor::quantized() const { return from != to; }

double QuantizedTensor::RelativeError() const {
  return squared_sum == 0 ? 0 : std::sqrt(squared_error / squared_sum);
}

absl::StatusOr<std::vector<QuantizedTensor>> QuantizeModel(const Checkpoint& source,
                                                           const FormatMix& mix,
                                                           const std::string& output_path,
                                                           ThreadPool& pool,
                                                           const QuantizeModelOptions& options) {
  QUANTD_ASSIGN_OR_RETURN(std::vector<TensorPlan> plan, PlanTensors(source, mix));
  for (const TensorPlan& tensor : plan) {
    const auto columns = options.importance.find(tensor.tensor->name);
    if (columns == options.importance.end()) continue;
    if (static_cast<int64_t>(columns->second.size()) == tensor.tensor->cols()) continue;
    return absl::InvalidArgumentError(absl::StrCat("importance: ", tensor.tensor->name, " has ",
                                                   columns->second.size(), " columns, not ",
                                                   tensor.tensor->cols()));
  }
  return Job(source, std::move(plan), pool, options).Run(mix, output_path);
}

}  // namespace quantd
