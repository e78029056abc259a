#include "runtime/formats/synth.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "kernels/base/status_macros.h"
#include "runtime/formats/format_mix.h"
#include "runtime/formats/gguf.h"
#include "runtime/formats/gguf_writer.h"
#include "runtime/formats/scheme_table.h"

namespace quantd {
namespace {

constexpr float kStandardDeviation = 0.02f;
constexpr int32_t kUnusedToken = 5;  // tokenizer.ggml.token_type of a token that never occurs

/// splitmix64 (Steele, Lea, Flood 2014): one multiply-xorshift chain per 64 random bits.
class SplitMix64 {
 public:
  explicit SplitMix64(uint64_t seed) : state_(seed) {}
  uint64_t Next() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
  }

 private:
  uint64_t state_;
};

/// Bell-shaped numbers of mean 0: the sum of four uniform ones, taken from one random word.
void FillRandom(uint64_t seed, std::vector<float>* weights) {
  // A uniform 16-bit number has the variance 65536^2 / 12; four of them a third of 65536^2.
  constexpr float kScale = kStandardDeviation * 1.7320508f / 65536.0f;
  constexpr int32_t kMean = 2 * 65535;
  SplitMix64 random(seed);
  for (float& weight : *weights) {
    const uint64_t bits = random.Next();
    const int32_t sum = static_cast<int32_t>((bits & 0xffff) + (bits >> 16 & 0xffff) +
                                             (bits >> 32 & 0xffff) + (bits >> 48));
    weight = static_cast<float>(sum - kMean) * kScale;
  }
}

struct TensorPlan {
  std::string name;
  int64_t cols;
  int64_t rows;
  const GgufScheme* scheme;
  bool norm = false;  ///< a vector of ones
};

std::vector<TensorPlan> PlanTensors(const SynthShape& shape, int64_t vocab, const FormatMix& mix) {
  const int64_t dim = shape.dim, ff = shape.ff;
  const int64_t kv = int64_t{shape.kv_heads} * shape.head_dim();
  std::vector<TensorPlan> plan;
  const auto norm = [&](std::string name) {
    plan.push_back({std::move(name), dim, 1, FindGgufScheme("F32"), /*norm=*/true});
  };
  const auto matrix = [&](const std::string& prefix, absl::string_view part, int64_t cols,
                          int64_t rows, int32_t layer) {
    const GgufScheme& scheme = mix.SchemeFor({part, layer, shape.layers, shape.tied, cols});
    plan.push_back({absl::StrCat(prefix, part, ".weight"), cols, rows, &scheme});
  };
  matrix("", "token_embd", dim, vocab, 0);
  if (!shape.tied) matrix("", "output", dim, vocab, 0);
  norm("output_norm.weight");
  for (int32_t layer = 0; layer < shape.layers; ++layer) {
    const std::string prefix = absl::StrCat("blk.", layer, ".");
    const auto add = [&](absl::string_view part, int64_t cols, int64_t rows) {
      matrix(prefix, part, cols, rows, layer);
    };
    norm(prefix + "attn_norm.weight");
    add("attn_q", dim, dim);
    add("attn_k", dim, kv);
    add("attn_v", dim, kv);
    add("attn_output", dim, dim);
    norm(prefix + "ffn_norm.weight");
    add("ffn_gate", dim, ff);
    add("ffn_up", dim, ff);
    add("ffn_down", ff, dim);
  }
  return plan;
}

/// Copies the tokenizer, padding its arrays with unused tokens up to `vocab`, which must not be
/// less than the number of tokens.
absl::Status CopyTokenizer(const GgufFile& file, int64_t vocab, GgufWriter* writer) {
  for (const GgufKeyValue& entry : file.metadata()) {
    if (absl::StartsWith(entry.key, "tokenizer.")) writer->Copy(entry);
  }
  QUANTD_ASSIGN_OR_RETURN(const GgufArray* tokens,
                          file.OptionalStringArray("tokenizer.ggml.tokens"));
  const int64_t present = static_cast<int64_t>(tokens->count);
  if (present == vocab) return absl::OkStatus();
  std::vector<std::string> padded(tokens->strings.begin(), tokens->strings.end());
  for (int64_t i = present; i < vocab; ++i) padded.push_back(absl::StrCat("<unused_", i, ">"));
  writer->SetStrings("tokenizer.ggml.tokens", padded);

  QUANTD_ASSIGN_OR_RETURN(std::optional<std::vector<float>> scores,
                          file.OptionalFloatArray("tokenizer.ggml.scores"));
  if (scores.has_value()) {
    scores->resize(vocab, 0.0f);
    writer->SetFloats("tokenizer.ggml.scores", *scores);
  }
  constexpr int32_t kNormalToken = 1;
  QUANTD_ASSIGN_OR_RETURN(std::optional<std::vector<int32_t>> types,
                          file.OptionalIntArray("tokenizer.ggml.token_type"));
  if (!types.has_value()) types.emplace(present, kNormalToken);
  types->resize(vocab, kUnusedToken);
  writer->SetInts("tokenizer.ggml.token_type", *types);
  return absl::OkStatus();
}

void SetHyperParameters(const SynthShape& shape, int64_t vocab, GgufWriter* writer) {
  writer->SetString("general.architecture", "llama");
  writer->SetString("general.name", absl::StrCat("synthetic ", shape.name));
  writer->SetUint32("llama.vocab_size", static_cast<uint32_t>(vocab));
  writer->SetUint32("llama.context_length", shape.context);
  writer->SetUint32("llama.embedding_length", shape.dim);
  writer->SetUint32("llama.block_count", shape.layers);
  writer->SetUint32("llama.feed_forward_length", shape.ff);
  writer->SetUint32("llama.attention.head_count", shape.heads);
  writer->SetUint32("llama.attention.head_count_kv", shape.kv_heads);
  writer->SetFloat32("llama.attention.layer_norm_rms_epsilon", 1e-5f);
  writer->SetUint32("llama.rope.dimension_count", shape.head_dim());
  writer->SetFloat32("llama.rope.freq_base", shape.rope_base);
}

/// The bytes of one tensor: ones for a norm, else random rows in the wanted scheme.
void FillTensor(const TensorPlan& tensor, uint64_t seed, std::vector<uint8_t>* bytes) {
  const int64_t row_bytes = tensor.scheme->RowBytes(tensor.cols);
  bytes->resize(static_cast<size_t>(row_bytes * tensor.rows));
  std::vector<float> weights(tensor.cols, 1.0f);
  SplitMix64 row_seeds(seed);
  RowEncoder encoder(*tensor.scheme);
  for (int64_t row = 0; row < tensor.rows; ++row) {
    if (!tensor.norm) FillRandom(row_seeds.Next(), &weights);
    encoder.Encode(weights.data(), tensor.cols, bytes->data() + row * row_bytes);
  }
}

absl::StatusOr<const SynthShape*> KnownShape(const std::string& name) {
  if (const SynthShape* shape = FindSynthShape(name)) return shape;
  return absl::InvalidArgumentError(absl::StrCat(
      "shape: \"", name, "\" is unknown; known are ",
      absl::StrJoin(SynthShapes(), ", ", [](std::string* out, const SynthShape& shape) {
        absl::StrAppend(out, shape.name);
      })));
}

absl::Status WriteTensors(const SynthOptions& options, const std::vector<TensorPlan>& plan,
                          GgufWriter* writer) {
  uint64_t total = 0, done = 0;
  for (const TensorPlan& tensor : plan) {
    const GgufScheme& scheme = *tensor.scheme;
    if (tensor.cols % scheme.block_weights != 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("format: ", scheme.name, " has blocks of ", scheme.block_weights,
                       " weights, of which rows of ", tensor.cols, " (", tensor.name, " of shape ",
                       options.shape, ") are no multiple; choose another format"));
    }
    std::vector<int64_t> shape = {tensor.cols};
    if (!tensor.norm) shape.push_back(tensor.rows);
    writer->AddTensor(tensor.name, std::move(shape), scheme.type_id);
    total += scheme.RowBytes(tensor.cols) * tensor.rows;
  }
  SplitMix64 tensor_seeds(options.seed);
  return writer->Write(options.output_path, [&](size_t index, std::vector<uint8_t>* bytes) {
    FillTensor(plan[index], tensor_seeds.Next(), bytes);
    done += bytes->size();
    if (options.progress) options.progress(done, total);
    return absl::OkStatus();
  });
}

}  // namespace

const std::vector<SynthShape>& SynthShapes() {
  static const auto* const kShapes = new std::vector<SynthShape>{
      // name, dim, layers, heads, kv_heads, ff, vocab, context, rope_base, tied
      {"tiny", 64, 2, 4, 2, 128, 64, 256, 10000.0f, false},
      {"125m", 768, 12, 12, 12, 2048, 32000, 2048, 10000.0f, false},
      {"qwen2.5-0.5b", 896, 24, 14, 2, 4864, 151936, 4096, 1000000.0f, true},
      {"1.1b", 2048, 16, 32, 8, 8192, 32000, 4096, 10000.0f, false},
      {"llama-3.2-1b", 2048, 16, 32, 8, 8192, 128256, 8192, 500000.0f, true},
      {"llama-3-8b", 4096, 32, 32, 8, 14336, 128256, 8192, 500000.0f, false},
  };
  return *kShapes;
}

const SynthShape* FindSynthShape(absl::string_view name) {
  for (const SynthShape& shape : SynthShapes()) {
    if (absl::EqualsIgnoreCase(shape.name, name)) return &shape;
  }
  return nullptr;
}

absl::Status WriteSyntheticModel(const SynthOptions& options) {
  QUANTD_ASSIGN_OR_RETURN(const SynthShape* shape, KnownShape(options.shape));
  QUANTD_ASSIGN_OR_RETURN(const FormatMix mix, FormatMix::Find(options.format));
  QUANTD_ASSIGN_OR_RETURN(const std::unique_ptr<GgufFile> vocab_file,
                          GgufFile::Open(options.vocab_path));
  QUANTD_ASSIGN_OR_RETURN(const GgufArray* tokens,
                          vocab_file->OptionalStringArray("tokenizer.ggml.tokens"));
  if (tokens == nullptr) {
    return vocab_file->Error("tokenizer.ggml.tokens", "the key is missing");
  }
  const int64_t vocab = std::max<int64_t>(shape->vocab, static_cast<int64_t>(tokens->count));
  GgufWriter writer;
  SetHyperParameters(*shape, vocab, &writer);
  QUANTD_RETURN_IF_ERROR(CopyTokenizer(*vocab_file, vocab, &writer));
  return WriteTensors(options, PlanTensors(*shape, vocab, mix), &writer);
}

}  // namespace quantd
