#ifndef QUANTD_TESTS_RUNTIME_MODEL_TINY_MODEL_H_
#define QUANTD_TESTS_RUNTIME_MODEL_TINY_MODEL_H_

#include <cmath>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "runtime/formats/gguf_writer.h"
#include "runtime/formats/scheme_table.h"
#include "runtime/model/gguf_checkpoint.h"

namespace quantd {

/// A tensor of a TinyModel: its name, its shape (K first) and its i-th value in file order.
struct TinyTensor {
  std::string name;
  std::vector<int64_t> shape;
  std::function<float(int64_t)> value;
};

/// A file of a model with 2 layers of 12 elements, 3 / 1 heads of 4, 20 in the feed-forward block
// and 7 tokens, whose keys and tensors a test changes before it is read.
class TinyModel {
 public:
  TinyModel() {
    SetArchitecture("llama");
    keys.SetString("general.name", "tiny");
    keys.SetStrings("tokenizer.ggml.tokens", {"a", "b", "c", "d", "e", "f", "g"});
    Add("token_embd.weight", {12, 7});
    Add("output.weight", {12, 7});
    Add("output_norm.weight", {12});
    for (const std::string layer : {"blk.0.", "blk.1."}) AddLayer(layer);
  }

  /// The keys that every architecture has.
  void SetArchitecture(const std::string& name) {
    keys.SetString("general.architecture", name);
    keys.SetUint32(name + ".context_length", 64);
    keys.SetUint32(name + ".embedding_length", 12);
    keys.SetUint32(name + ".block_count", 2);
    keys.SetUint32(name + ".feed_forward_length", 20);
    keys.SetUint32(name + ".attention.head_count", 3);
    keys.SetUint32(name + ".attention.head_count_kv", 1);
    keys.SetFloat32(name + ".attention.layer_norm_rms_epsilon", 1e-5f);
    keys.SetUint32(name + ".vocab_size", 7);
  }
  /// The tensors of the layer "blk.N.".
  void AddLayer(const std::string& layer) {
    Add(layer + "attn_norm.weight", {12});
    Add(layer + "ffn_norm.weight", {12});
    Add(layer + "attn_q.weight", {12, 12});
    Add(layer + "attn_k.weight", {12, 4});
    Add(layer + "attn_v.weight", {12, 4});
    Add(layer + "attn_output.weight", {12, 12});
    Add(layer + "ffn_gate.weight", {12, 20});
    Add(layer + "ffn_up.weight", {12, 20});
    Add(layer + "ffn_down.weight", {20, 12});
  }

  void Add(const std::string& name, std::vector<int64_t> shape) {
    const double phase = static_cast<double>(tensors.size());
    tensors.push_back({name, std::move(shape), [phase](int64_t i) {
                         return static_cast<float>(std::sin(phase + 0.7 * static_cast<double>(i)));
                       }});
  }
  TinyTensor& Tensor(const std::string& name) {
    for (TinyTensor& tensor : tensors) {
      if (tensor.name == name) return tensor;
    }
    ADD_FAILURE() << name;
    return tensors.front();
  }
  void Remove(const std::string& name) {
    std::erase_if(tensors, [&](const TinyTensor& tensor) { return tensor.name == name; });
  }

  std::unique_ptr<GgufFile> Write() {
    GgufWriter writer = keys;
    for (const TinyTensor& tensor : tensors) {
      writer.AddTensor(tensor.name, tensor.shape, FindGgufScheme("F32")->type_id);
    }
    const std::string path = testing::TempDir() + "/tiny-" +
                             testing::UnitTest::GetInstance()->current_test_info()->name() +
                             ".gguf";
    const absl::Status status = writer.Write(path, [&](size_t index, std::vector<uint8_t>* bytes) {
      int64_t count = 1;
      for (const int64_t n : tensors[index].shape) count *= n;
      bytes->resize(count * sizeof(float));
      for (int64_t i = 0; i < count; ++i) {
        const float value = tensors[index].value(i);
        std::memcpy(bytes->data() + i * sizeof(float), &value, sizeof(float));
      }
      return absl::OkStatus();
    });
    EXPECT_TRUE(status.ok()) << status;
    auto file = GgufFile::Open(path);
    EXPECT_TRUE(file.ok()) << file.status();
    std::remove(path.c_str());  // the mapping keeps it
    return *std::move(file);
  }

  std::unique_ptr<Checkpoint> Open() { return std::make_unique<GgufCheckpoint>(Write()); }
  absl::StatusOr<ModelConfig> Read() { return ReadModelConfig(*Open()); }

  GgufWriter keys;
  std::vector<TinyTensor> tensors;
};

}  // namespace quantd

#endif  // QUANTD_TESTS_RUNTIME_MODEL_TINY_MODEL_H_
