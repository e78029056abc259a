#ifndef QUANTD_TESTS_RUNTIME_MODEL_TINY_HF_MODEL_H_
#define QUANTD_TESTS_RUNTIME_MODEL_TINY_HF_MODEL_H_

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gtest/gtest.h"
#include "runtime/model/hf_checkpoint.h"
#include "tests/runtime/formats/safetensors_builder.h"
#include "tests/runtime/model/tiny_model.h"

namespace quantd {

/// The model of a TinyModel as a checkpoint of Hugging Face, with keys and tensors that a test may
/// change before it is read.
class TinyHfModel {
 public:
  struct Tensor {
    std::string name, dtype;
    std::vector<int64_t> shape;
    std::string bytes;
  };

  explicit TinyHfModel(TinyModel tiny = {}) {
    keys = {{"model_type", R"("llama")"},
            {"hidden_size", "12"},
            {"num_hidden_layers", "2"},
            {"intermediate_size", "20"},
            {"num_attention_heads", "3"},
            {"num_key_value_heads", "1"},
            {"max_position_embeddings", "64"},
            {"rms_norm_eps", "1e-5"},
            {"vocab_size", "7"}};
    for (const TinyTensor& tensor : tiny.tensors) Copy(tensor);
  }

  Tensor& Find(const std::string& name) {
    for (Tensor& tensor : tensors) {
      if (tensor.name == name) return tensor;
    }
    ADD_FAILURE() << name;
    return tensors.front();
  }
  void Remove(const std::string& name) {
    std::erase_if(tensors, [&](const Tensor& tensor) { return tensor.name == name; });
  }
  void AddFloats(const std::string& name, std::vector<int64_t> shape) {
    int64_t count = 1;
    for (const int64_t extent : shape) count *= extent;
    tensors.push_back({name, "F32", std::move(shape), std::string(count * sizeof(float), '\0')});
  }

  /// Puts Mixtral's experts, each of zeros, in place of the feed-forward blocks.
  void MakeMixture(int experts) {
    keys["model_type"] = R"("mixtral")";
    keys["num_local_experts"] = absl::StrCat(experts);
    keys["num_experts_per_tok"] = "2";
    std::erase_if(tensors,
                  [](const Tensor& tensor) { return absl::StrContains(tensor.name, ".mlp."); });
    for (int layer = 0; layer < 2; ++layer) {
      const std::string block = absl::StrCat("model.layers.", layer, ".block_sparse_moe.");
      AddFloats(block + "gate.weight", {experts, 12});
      for (int expert = 0; expert < experts; ++expert) {
        const std::string prefix = absl::StrCat(block, "experts.", expert);
        AddFloats(prefix + ".w1.weight", {20, 12});
        AddFloats(prefix + ".w2.weight", {12, 20});
        AddFloats(prefix + ".w3.weight", {20, 12});
      }
    }
  }

  std::string ConfigText() const {
    return absl::StrCat("{",
                        absl::StrJoin(keys, ", ",
                                      [](std::string* out, const auto& key) {
                                        absl::StrAppend(out, "\"", key.first, "\": ", key.second);
                                      }),
                        "}");
  }
  std::string FileBytes() const {
    SafetensorsBuilder builder;
    for (const Tensor& tensor : tensors) {
      builder.Add(tensor.name, tensor.dtype, tensor.shape, tensor.bytes);
    }
    return builder.Bytes();
  }

  /// Borrows the file's bytes from this.
  absl::StatusOr<std::unique_ptr<Checkpoint>> Open() {
    bytes_ = FileBytes();
    auto config = HfConfig::Parse(ConfigText(), std::nullopt, "tiny");
    if (!config.ok()) return config.status();
    auto file = SafetensorsFile::Parse(
        absl::MakeConstSpan(reinterpret_cast<const uint8_t*>(bytes_.data()), bytes_.size()),
        "tiny/model.safetensors");
    if (!file.ok()) return file.status();
    return HfCheckpoint::Of(*std::move(config), SafetensorsModel::OfFile(*std::move(file)));
  }
  absl::StatusOr<ModelConfig> Read() {
    const auto checkpoint = Open();
    return checkpoint.ok() ? ReadModelConfig(**checkpoint) : checkpoint.status();
  }

  std::map<std::string, std::string> keys;  ///< of config.json, to their JSON
  std::vector<Tensor> tensors;

 private:
  /// GGUF's converter makes halves of a head's rows neighbours; this undoes it.
  void Copy(const TinyTensor& tensor) {
    const Family& family = *FindGgufFamily("llama");
    const size_t dot = tensor.name.rfind('.');
    const auto part = HfPartName(family, tensor.name.substr(0, dot));
    ASSERT_TRUE(part.has_value()) << tensor.name;
    const bool rotated =
        absl::StrContains(tensor.name, "attn_q.") || absl::StrContains(tensor.name, "attn_k.");
    const bool matrix = tensor.shape.size() == 2;
    const int64_t cols = matrix ? tensor.shape[0] : 1, rows = tensor.shape.back();
    constexpr int64_t kHead = 4;
    std::string bytes;
    for (int64_t row = 0; row < rows; ++row) {
      const int64_t in_head = row % kHead;
      const int64_t place = in_head < kHead / 2 ? 2 * in_head : 2 * (in_head - kHead / 2) + 1;
      const int64_t from = rotated ? row - in_head + place : row;
      for (int64_t col = 0; col < cols; ++col) bytes += Raw(tensor.value(from * cols + col));
    }
    tensors.push_back({absl::StrCat(*part, tensor.name.substr(dot)), "F32",
                       std::vector<int64_t>(tensor.shape.rbegin(), tensor.shape.rend()), bytes});
  }

  std::string bytes_;
};

}  // namespace quantd

#endif  // QUANTD_TESTS_RUNTIME_MODEL_TINY_HF_MODEL_H_
