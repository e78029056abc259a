#ifndef QUANTD_RUNTIME_FORMATS_HF_MODULE_H_
#define QUANTD_RUNTIME_FORMATS_HF_MODULE_H_

#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "kernels/base/weight_source.h"
#include "runtime/formats/quantization_config.h"
#include "runtime/formats/safetensors_model.h"

namespace quantd {

/// One linear module of a Hugging Face checkpoint, "model.layers.0.mlp.up_proj", whose weight a
/// scheme stores in one or several tensors named after it. A view: model and configuration outlive
/// it.
class HfModule {
 public:
  HfModule(const SafetensorsModel& model, const QuantizationConfig& config, absl::string_view name)
      : model_(model), config_(config), name_(name) {}

  const SafetensorsModel& model() const { return model_; }
  const std::string& name() const { return name_; }
  /// The module's configuration if the model is quantized by this method, else null.
  template <typename Config>
  const Config* config() const {
    return std::get_if<Config>(&config_.scheme);
  }
  const std::string& method() const { return config_.method; }

  /// The tensor NAME followed by `suffix` (".qweight"); null if there is none.
  const SafetensorsTensor* Find(absl::string_view suffix) const;
  /// Whether the tensor is there and of this type.
  bool Has(absl::string_view suffix, Dtype dtype) const;
  /// The same, which must be there and be of one of `dtypes`. Errors: DATA_LOSS naming file and
  /// tensor.
  absl::StatusOr<const SafetensorsTensor*> Get(absl::string_view suffix,
                                               absl::Span<const Dtype> dtypes) const;
  /// It must also have `shape`, where -1 stands for any extent.
  absl::StatusOr<const SafetensorsTensor*> Get(absl::string_view suffix,
                                               absl::Span<const Dtype> dtypes,
                                               std::initializer_list<int64_t> shape) const;

  /// An error of the module as a whole: "PATH: NAME: what".
  absl::Status Error(absl::string_view what) const { return model_.Error(name_, what); }
  /// UNIMPLEMENTED instead: well-formed, but this build cannot do it.
  absl::Status Unsupported(absl::string_view what) const;

 private:
  const SafetensorsModel& model_;
  const QuantizationConfig& config_;
  const std::string name_;
};

/// Number `index` of a tensor of type T, wherever it lies.
template <typename T>
T LoadElement(const SafetensorsTensor& tensor, int64_t index) {
  T value;
  std::memcpy(&value, tensor.data + index * static_cast<int64_t>(sizeof(T)), sizeof(T));
  return value;
}

/// A weight in the tensors of a module. Subclasses decode; this checks what all have in common.
/// Immutable, so thread-safe. Tensors outlive it.
class HfSource : public WeightSource {
 public:
  const QuantFormat& format() const override { return format_; }
  int64_t rows() const override { return rows_; }
  int64_t cols() const override { return cols_; }
  absl::Status Decode(int64_t row_begin, int64_t row_count, QuantTensor* out) const final;

  /// All tensors that the weight is made of.
  const std::vector<const SafetensorsTensor*>& tensors() const { return tensors_; }

 protected:
  HfSource(const QuantFormat& format, int64_t rows, int64_t cols,
           std::vector<const SafetensorsTensor*> tensors)
      : format_(format), rows_(rows), cols_(cols), tensors_(std::move(tensors)) {}

  /// Decodes into *out, whose buffers have the size of `format`, `row_count` and `cols`.
  virtual absl::Status DecodeRows(int64_t row_begin, int64_t row_count, QuantTensor* out) const = 0;

  /// OK if all of out->scales are finite; else an error of `tensor`.
  static absl::Status CheckScales(const QuantTensor& out, const SafetensorsTensor& tensor);

 private:
  const QuantFormat format_;
  const int64_t rows_, cols_;
  const std::vector<const SafetensorsTensor*> tensors_;
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_FORMATS_HF_MODULE_H_
