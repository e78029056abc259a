#ifndef QUANTD_TESTS_RUNTIME_FORMATS_HF_MODEL_BUILDER_H_
#define QUANTD_TESTS_RUNTIME_FORMATS_HF_MODEL_BUILDER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/formats/hf_scheme_table.h"
#include "tests/runtime/formats/safetensors_builder.h"

namespace quantd {

/// Numbers as they lie in a file.
template <typename T>
std::string RawNumbers(const std::vector<T>& numbers) {
  std::string bytes;
  for (const T number : numbers) bytes += Raw(number);
  return bytes;
}

/// A model in memory, tensor by tensor, with a quantization_config. Tensors may be set again, so
/// that a test can spoil one of a valid model.
class HfModelBuilder {
 public:
  explicit HfModelBuilder(const std::string& quantization = "") : config_text_(quantization) {}

  HfModelBuilder& Set(const std::string& name, const std::string& dtype,
                      const std::vector<int64_t>& shape, const std::string& bytes) {
    Remove(name);
    tensors_.push_back({name, dtype, shape, bytes});
    return *this;
  }
  template <typename T>
  HfModelBuilder& Set(const std::string& name, const std::string& dtype,
                      const std::vector<int64_t>& shape, const std::vector<T>& numbers) {
    return Set(name, dtype, shape, RawNumbers(numbers));
  }
  HfModelBuilder& Remove(const std::string& name) {
    std::erase_if(tensors_, [&](const Tensor& tensor) { return tensor.name == name; });
    return *this;
  }

  /// A built model. Not movable: modules borrow from it.
  struct Model {
    std::vector<uint8_t> bytes;
    std::unique_ptr<SafetensorsModel> tensors;
    QuantizationConfig config;
    HfModule Module(const std::string& name) const { return HfModule(*tensors, config, name); }
  };
  std::unique_ptr<Model> Build() const {
    SafetensorsBuilder builder;
    for (const Tensor& tensor : tensors_) {
      builder.Add(tensor.name, tensor.dtype, tensor.shape, tensor.bytes);
    }
    const std::string built = builder.Bytes();
    auto model = std::make_unique<Model>();
    model->bytes.assign(built.begin(), built.end());
    auto file = SafetensorsFile::Parse(model->bytes, "memory.safetensors");
    EXPECT_TRUE(file.ok()) << file.status();
    model->tensors = SafetensorsModel::OfFile(std::move(file).value());
    if (config_text_.empty()) return model;
    const auto document = JsonDocument::Parse(config_text_, "config.json");
    EXPECT_TRUE(document.ok()) << document.status();
    auto config = ReadQuantizationConfig((*document)->root(), "");
    EXPECT_TRUE(config.ok()) << config.status();
    model->config = std::move(config).value();
    return model;
  }

  /// What opening module "m" and decoding all of it says.
  absl::Status Status() const {
    const auto model = Build();
    const auto weight = OpenHfWeight(model->Module("m"));
    if (!weight.ok()) return weight.status();
    QuantTensor rows;
    return weight->source->Decode(0, weight->source->rows(), &rows);
  }

 private:
  struct Tensor {
    std::string name, dtype;
    std::vector<int64_t> shape;
    std::string bytes;
  };
  std::string config_text_;
  std::vector<Tensor> tensors_;
};

/// All weights of a source in floats, [rows, cols], input features in their own order.
inline std::vector<float> AllWeights(const WeightSource& source) {
  QuantTensor rows;
  const absl::Status status = source.Decode(0, source.rows(), &rows);
  EXPECT_TRUE(status.ok()) << status;
  std::vector<float> weights(static_cast<size_t>(source.rows() * source.cols()));
  if (!status.ok()) return weights;
  for (int64_t row = 0; row < source.rows(); ++row) {
    for (int64_t col = 0; col < source.cols(); ++col) {
      const int64_t feature = source.k_order().empty() ? col : source.k_order()[col];
      weights[row * source.cols() + feature] = rows.At(row, col);
    }
  }
  return weights;
}

/// What makes a good model bad.
using Spoil = std::function<void(HfModelBuilder*)>;

/// A model that is good alone is refused once a case has spoiled it, naming file and message.
inline void ExpectRefused(const std::function<HfModelBuilder()>& good,
                          const std::vector<std::pair<Spoil, std::string>>& cases) {
  ASSERT_TRUE(good().Status().ok()) << good().Status();
  for (const auto& [spoil, message] : cases) {
    HfModelBuilder builder = good();
    spoil(&builder);
    const absl::Status status = builder.Status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << message << status;
    EXPECT_THAT(std::string(status.message()),
                testing::StartsWith("memory.safetensors: " + message));
  }
}

}  // namespace quantd

#endif  // QUANTD_TESTS_RUNTIME_FORMATS_HF_MODEL_BUILDER_H_
