#include "runtime/convert/quantize_model.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kernels/base/status_macros.h"
#include "runtime/convert/gguf_plan.h"
#include "runtime/convert/tensor_rows.h"
#include "runtime/formats/scheme_table.h"
#include "runtime/quantize/row_floats.h"
#include "runtime/quantize/search_row.h"

namespace quantd {
namespace {

/// Quantizes the rows of one tensor over the pool's threads. A stack of matrices is one matrix with
/// all their rows.
class TensorQuantizer {
 public:
  /// `columns`: the importance of each; null: all count the same.
  TensorQuantizer(const TensorRows& rows, const GgufTensorPlan& plan,
                  const std::vector<float>* columns)
      : rows_(rows), plan_(plan), to_(*plan.to), columns_(columns) {}

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
    QUANTD_RETURN_IF_ERROR(rows_.Read(plan_.SourceRow(row), &part->source, part->weights.data()));
    part->coded.Resize(to_.format, 1, cols);
    SearchRow(part->weights.data(), columns_ == nullptr ? nullptr : columns_->data(), 0,
              &part->coded);
    to_.pack_row(part->coded, 0, bytes);
    // Read back, since float types are rounded only when they are packed.
    if (!to_.decode_row(bytes, cols, 0, &part->coded)) {
      return absl::InvalidArgumentError(absl::StrCat("tensor ", plan_.name, ": row ", row,
                                                     ": a weight is too large for ", to_.name));
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
  const GgufTensorPlan& plan_;
  const GgufScheme& to_;
  const std::vector<float>* const columns_;
};

/// Writes the planned tensors one after another.
class Job {
 public:
  Job(const Checkpoint& source, GgufPlan plan, ThreadPool& pool,
      const QuantizeModelOptions& options)
      : source_(source), plan_(std::move(plan)), pool_(pool), options_(options) {
    for (const GgufTensorPlan& tensor : plan_.tensors) total_bytes_ += tensor.source_bytes();
  }

  absl::StatusOr<std::vector<QuantizedTensor>> Run(const std::string& path) {
    for (const GgufTensorPlan& tensor : plan_.tensors) {
      plan_.writer.AddTensor(tensor.name, tensor.shape, tensor.to->type_id);
    }
    const auto bytes_of = [this](size_t index, std::vector<uint8_t>* bytes) {
      return WriteTensor(plan_.tensors[index], bytes);
    };
    QUANTD_RETURN_IF_ERROR(plan_.writer.Write(path, bytes_of));
    return std::move(results_);
  }

 private:
  absl::Status WriteTensor(const GgufTensorPlan& plan, std::vector<uint8_t>* bytes) {
    QuantizedTensor result;
    result.name = plan.name;
    result.from = plan.tensor == nullptr ? plan.to->name : plan.tensor->scheme;
    result.to = plan.to->name;
    result.weights = plan.rows() * plan.cols();
    bytes->resize(static_cast<size_t>(plan.to->RowBytes(plan.cols()) * plan.rows()));
    result.from_bytes = plan.source_bytes();
    result.to_bytes = bytes->size();
    if (plan.copied != nullptr) {
      QUANTD_RETURN_IF_ERROR(source_.gguf()->CheckNotTruncated(*plan.copied));
      std::copy_n(plan.copied->data, plan.copied->bytes, bytes->begin());
    } else if (plan.is_vector()) {
      QUANTD_RETURN_IF_ERROR(WriteVector(plan, bytes));
    } else {
      QUANTD_RETURN_IF_ERROR(WriteMatrix(plan, bytes, &result));
    }
    results_.push_back(std::move(result));
    return Done(plan);
  }

  absl::Status WriteVector(const GgufTensorPlan& plan, std::vector<uint8_t>* bytes) const {
    std::vector<float> values = plan.values;
    if (plan.tensor != nullptr) {
      QUANTD_ASSIGN_OR_RETURN(values, source_.ReadFloats(*plan.tensor));
    }
    std::vector<float> ordered(values.size());
    for (size_t i = 0; i < values.size(); ++i) {
      ordered[i] = values[static_cast<size_t>(plan.SourceRow(static_cast<int64_t>(i)))];
    }
    RowEncoder(*plan.to).Encode(ordered.data(), plan.cols(), bytes->data());
    return absl::OkStatus();
  }

  absl::Status WriteMatrix(const GgufTensorPlan& plan, std::vector<uint8_t>* bytes,
                           QuantizedTensor* result) const {
    QUANTD_ASSIGN_OR_RETURN(const TensorRows rows, TensorRows::Open(source_, *plan.tensor));
    const auto columns = options_.importance.find(plan.name);
    const TensorQuantizer quantizer(
        rows, plan, columns == options_.importance.end() ? nullptr : &columns->second);
    return quantizer.Run(pool_, bytes, result);
  }

  absl::Status Done(const GgufTensorPlan& plan) {
    if (plan.tensor != nullptr) source_.GiveBack(*plan.tensor);
    done_bytes_ += plan.source_bytes();
    if (options_.progress && !options_.progress({done_bytes_, total_bytes_, plan.name})) {
      return absl::CancelledError(absl::StrCat("cancelled after tensor ", plan.name));
    }
    return absl::OkStatus();
  }

  const Checkpoint& source_;
  GgufPlan plan_;
  ThreadPool& pool_;
  const QuantizeModelOptions& options_;
  uint64_t done_bytes_ = 0, total_bytes_ = 0;
  std::vector<QuantizedTensor> results_;
};

}  // namespace

// F32 holds the weights of every other type.
bool QuantizedTensor::quantized() const { return from != to && to != "F32"; }

double QuantizedTensor::RelativeError() const {
  return squared_sum == 0 ? 0 : std::sqrt(squared_error / squared_sum);
}

absl::StatusOr<std::vector<QuantizedTensor>> QuantizeModel(const Checkpoint& source,
                                                           const FormatMix& mix,
                                                           const std::string& output_path,
                                                           ThreadPool& pool,
                                                           const QuantizeModelOptions& options) {
  QUANTD_ASSIGN_OR_RETURN(GgufPlan plan, PlanGguf(source, mix, options.requantize));
  for (const GgufTensorPlan& tensor : plan.tensors) {
    const auto columns = options.importance.find(tensor.name);
    if (columns == options.importance.end()) continue;
    if (static_cast<int64_t>(columns->second.size()) == tensor.cols()) continue;
    return absl::InvalidArgumentError(absl::StrCat("importance: ", tensor.name, " has ",
                                                   columns->second.size(), " columns, not ",
                                                   tensor.cols()));
  }
  for (const std::string& note : plan.notes) {
    if (options.note) options.note(note);
  }
  return Job(source, std::move(plan), pool, options).Run(output_path);
}

}  // namespace quantd
