// Writes the seeds of the GGUF fuzzer into the folder given: one small valid file per tensor type,
// one with a value of every metadata type, one without tensors, and one whose keys and tensors are
// those of a Llama model. Deterministic: the seeds are committed, this program says where they came
// from.

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "runtime/formats/gguf_writer.h"
#include "runtime/formats/scheme_table.h"

namespace quantd {
namespace {

absl::Status WriteRamp(const GgufWriter& writer, const GgufScheme& scheme, int64_t k,
                       const std::string& path) {
  return writer.Write(path, [&](size_t index, std::vector<uint8_t>* bytes) {
    std::vector<float> weights(k);
    for (int64_t i = 0; i < k; ++i) weights[i] = static_cast<float>(i - k / 2) / k;
    bytes->resize(scheme.RowBytes(k));
    RowEncoder(scheme).Encode(weights.data(), k, bytes->data());
    return absl::OkStatus();
  });
}

absl::Status WriteScheme(const GgufScheme& scheme, const std::string& folder) {
  const int64_t k = scheme.block_weights == 256 ? 256 : 64;
  GgufWriter writer;
  writer.SetString("general.architecture", "llama");
  writer.AddTensor("blk.0.attn_q.weight", {k, 1}, scheme.type_id);
  writer.AddTensor("output_norm.weight", {k}, scheme.type_id);
  return WriteRamp(writer, scheme, k, absl::StrCat(folder, "/type_", scheme.name, ".gguf"));
}

void SetTokenizer(GgufWriter* writer) {
  writer->SetString("tokenizer.ggml.model", "llama");
  writer->SetStrings("tokenizer.ggml.tokens", {"<unk>", "<s>", "</s>", "\xe2\x96\x81", "a"});
  writer->SetFloats("tokenizer.ggml.scores", {0, 0, 0, -1, -2});
  writer->SetInts("tokenizer.ggml.token_type", {2, 3, 3, 1, 1});
  writer->SetUint32("tokenizer.ggml.bos_token_id", 1);
  writer->SetUint32("tokenizer.ggml.eos_token_id", 2);
  writer->SetBool("tokenizer.ggml.add_bos_token", true);
}

/// Scalars of every type, which only Copy can write, and arrays of numbers.
absl::Status WriteValues(const std::string& path) {
  GgufWriter writer;
  for (const GgufType type : {GgufType::kU8, GgufType::kU16, GgufType::kU32, GgufType::kU64}) {
    writer.Copy({absl::StrCat("value.", GgufTypeName(type)), type, uint64_t{200}});
  }
  for (const GgufType type : {GgufType::kI8, GgufType::kI16, GgufType::kI32, GgufType::kI64}) {
    writer.Copy({absl::StrCat("value.", GgufTypeName(type)), type, int64_t{-100}});
  }
  writer.Copy({"value.f32", GgufType::kF32, 0.5});
  writer.Copy({"value.f64", GgufType::kF64, 1e30});
  const uint8_t numbers[16] = {1, 2, 3, 4, 5, 6, 7, 8};
  for (const GgufType type : {GgufType::kBool, GgufType::kI16, GgufType::kF64, GgufType::kU64}) {
    GgufArray array;
    array.element = type;
    array.count = type == GgufType::kBool ? 1 : 2;
    array.data = numbers;
    writer.Copy({absl::StrCat("array.", GgufTypeName(type)), GgufType::kArray, array});
  }
  return writer.Write(path, nullptr);
}

/// One layer with two query heads of 16, one key/value head, and weights that are all zero.
absl::Status WriteModel(const std::string& path) {
  constexpr int64_t kDim = 32, kKv = 16, kVocab = 5;
  GgufWriter writer;
  writer.SetString("general.architecture", "llama");
  writer.SetUint32("llama.context_length", 64);
  writer.SetUint32("llama.embedding_length", kDim);
  writer.SetUint32("llama.block_count", 1);
  writer.SetUint32("llama.feed_forward_length", kDim);
  writer.SetUint32("llama.attention.head_count", 2);
  writer.SetUint32("llama.attention.head_count_kv", 1);
  writer.SetFloat32("llama.attention.layer_norm_rms_epsilon", 1e-5f);
  writer.SetUint32("llama.rope.dimension_count", 16);
  SetTokenizer(&writer);
  const uint32_t f32 = FindGgufScheme("F32")->type_id, q4 = FindGgufScheme("Q4_0")->type_id;
  writer.AddTensor("token_embd.weight", {kDim, kVocab}, q4);
  writer.AddTensor("output_norm.weight", {kDim}, f32);
  writer.AddTensor("blk.0.attn_norm.weight", {kDim}, f32);
  writer.AddTensor("blk.0.ffn_norm.weight", {kDim}, f32);
  writer.AddTensor("blk.0.attn_k.weight", {kDim, kKv}, q4);
  writer.AddTensor("blk.0.attn_v.weight", {kDim, kKv}, q4);
  for (const char* name : {"attn_q", "attn_output", "ffn_gate", "ffn_up", "ffn_down"}) {
    writer.AddTensor(absl::StrCat("blk.0.", name, ".weight"), {kDim, kDim}, q4);
  }
  const std::vector<size_t> sizes = {kVocab * 18, 128, 128, 128, kKv * 18, kKv * 18};
  return writer.Write(path, [&](size_t index, std::vector<uint8_t>* bytes) {
    bytes->assign(index < sizes.size() ? sizes[index] : kDim * 18, 0);
    return absl::OkStatus();
  });
}

absl::Status WriteAll(const std::string& folder) {
  absl::Status status;
  for (const GgufScheme& scheme : GgufSchemes()) status.Update(WriteScheme(scheme, folder));
  status.Update(WriteValues(folder + "/values.gguf"));
  GgufWriter vocabulary;
  SetTokenizer(&vocabulary);
  status.Update(vocabulary.Write(folder + "/vocabulary.gguf", nullptr));
  status.Update(WriteModel(folder + "/model.gguf"));
  return status;
}

}  // namespace
}  // namespace quantd

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
    return 2;
  }
  const absl::Status status = quantd::WriteAll(argv[1]);
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
