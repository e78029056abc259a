#include "runtime/model/gguf_hyper_parameters.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "kernels/base/status_macros.h"
#include "runtime/formats/scheme_table.h"
#include "runtime/model/family.h"
#include "runtime/model/gguf_keys.h"
#include "runtime/model/weights.h"

namespace quantd {
namespace {

absl::StatusOr<const Family*> FindFamily(const GgufFile& file) {
  QUANTD_ASSIGN_OR_RETURN(const absl::string_view name, file.String(gguf_key::kArchitecture));
  if (const Family* family = FindGgufFamily(name)) return family;
  std::string known;
  for (const Family& family : Families()) {
    absl::StrAppend(&known, known.empty() ? "" : ", ", family.architecture);
  }
  return absl::UnimplementedError(absl::StrCat(file.path(), ": general.architecture: \"", name,
                                               "\" is not supported; supported are: ", known));
}

constexpr int32_t kSoftmaxGating = 1;  // as expert_gating_func counts

// Reads the keys "<architecture>.<name>" of one file.
class Reader {
 public:
  Reader(const GgufFile& file, const Family& family)
      : file_(file), prefix_(absl::StrCat(family.architecture, ".")) {}

  std::string Key(absl::string_view name) const { return absl::StrCat(prefix_, name); }
  absl::Status Error(absl::string_view name, absl::string_view what) const {
    return file_.Error(Key(name), what);
  }

  // An integer in [min, 2^31); absent: `otherwise`, or an error if that is empty too.
  absl::Status Int(absl::string_view name, int32_t min, std::optional<int32_t> otherwise,
                   int32_t* out) const {
    QUANTD_ASSIGN_OR_RETURN(const std::optional<uint64_t> value, file_.OptionalUint(Key(name)));
    if (!value && !otherwise) return Error(name, "the key is missing");
    const uint64_t number = value ? *value : static_cast<uint64_t>(*otherwise);
    constexpr int32_t kMax = std::numeric_limits<int32_t>::max();
    if (number < static_cast<uint64_t>(min) || number > kMax) {
      return Error(name, absl::StrCat(number, " is outside of [", min, ", ", kMax, "]"));
    }
    *out = static_cast<int32_t>(number);
    return absl::OkStatus();
  }

  // A number in [low, high]; absent: *out stays.
  absl::Status Float(absl::string_view name, float low, float high, float* out) const {
    QUANTD_ASSIGN_OR_RETURN(const std::optional<double> value, file_.OptionalFloat(Key(name)));
    if (!value) return absl::OkStatus();
    if (!(*value >= low && *value <= high)) {
      return Error(name, absl::StrCat(*value, " is outside of [", low, ", ", high, "]"));
    }
    *out = static_cast<float>(*value);
    return absl::OkStatus();
  }

  const GgufFile& file() const { return file_; }

 private:
  const GgufFile& file_;
  const std::string prefix_;
};

// A feature whose key must be absent or 0, or the result would be wrong.
absl::Status RefuseUnlessZero(const Reader& reader, absl::string_view name) {
  int32_t value = 0;
  QUANTD_RETURN_IF_ERROR(reader.Int(name, 0, 0, &value));
  if (value == 0) return absl::OkStatus();
  return absl::UnimplementedError(absl::StrCat(reader.file().path(), ": ", reader.Key(name), ": ",
                                               value, " is not supported; only 0 is"));
}

absl::Status ReadSizes(const Reader& reader, ModelConfig* config) {
  QUANTD_RETURN_IF_ERROR(reader.Int(gguf_key::kDim, 1, std::nullopt, &config->dim));
  QUANTD_RETURN_IF_ERROR(reader.Int(gguf_key::kLayers, 1, std::nullopt, &config->layers));
  QUANTD_RETURN_IF_ERROR(reader.Int(gguf_key::kFf, 1, std::nullopt, &config->ff));
  QUANTD_RETURN_IF_ERROR(reader.Int(gguf_key::kContext, 1, std::nullopt, &config->context));
  const absl::string_view eps_key = gguf_key::kRmsEps;
  QUANTD_ASSIGN_OR_RETURN(const double eps, reader.file().Float(reader.Key(eps_key)));
  // An eps that is 0 as a float would divide 0 by 0 on a row of zeros.
  if (!(eps >= 1e-30 && eps <= 1)) {
    return reader.Error(eps_key, absl::StrCat(eps, " is outside of [1e-30, 1]"));
  }
  config->rms_eps = static_cast<float>(eps);
  return absl::OkStatus();
}

// A mixture of experts, if the model is one.
absl::Status ReadExperts(const Reader& reader, ModelConfig* config) {
  QUANTD_RETURN_IF_ERROR(reader.Int(gguf_key::kExperts, 0, 0, &config->experts));
  if (config->experts == 0) return absl::OkStatus();
  if (config->experts > kMaxExperts) {
    return reader.Error(gguf_key::kExperts,
                        absl::StrCat(config->experts, " is more than ", kMaxExperts));
  }
  QUANTD_RETURN_IF_ERROR(
      reader.Int(gguf_key::kExpertsUsed, 1, std::nullopt, &config->experts_used));
  if (config->experts_used > config->experts) {
    return reader.Error(gguf_key::kExpertsUsed,
                        absl::StrCat(config->experts_used, " is more than the ", config->experts,
                                     " of ", reader.Key(gguf_key::kExperts)));
  }
  QUANTD_RETURN_IF_ERROR(reader.Int(gguf_key::kExpertFf, 1, config->ff, &config->expert_ff));
  int32_t gating = 0;
  QUANTD_RETURN_IF_ERROR(reader.Int(gguf_key::kExpertGating, 0, kSoftmaxGating, &gating));
  if (gating > kSoftmaxGating) {
    return absl::UnimplementedError(
        absl::StrCat(reader.file().path(), ": ", reader.Key(gguf_key::kExpertGating), ": ", gating,
                     " is not supported; softmax is, which is ", kSoftmaxGating));
  }
  QUANTD_RETURN_IF_ERROR(RefuseUnlessZero(reader, gguf_key::kLeadingDenseLayers));
  return RefuseUnlessZero(reader, gguf_key::kSharedExperts);
}

// Which layers see a window only, and what becomes of scores.
absl::Status ReadAttention(const Reader& reader, const Family& family, ModelConfig* config) {
  QUANTD_RETURN_IF_ERROR(reader.Int(gguf_key::kWindow, 0, family.window, &config->window));
  QUANTD_RETURN_IF_ERROR(
      reader.Int(gguf_key::kWindowPeriod, 0, family.window_period, &config->window_period));
  if (config->window > 0) {
    config->local_rope_base = family.local_rope_base;
    QUANTD_RETURN_IF_ERROR(
        reader.Float(gguf_key::kLocalRopeBase, 1.01f, 1e30f, &config->local_rope_base));
  }
  if (config->layers == family.large_layers) {
    config->attention_scale_dim =
        static_cast<float>(config->dim) / static_cast<float>(config->heads);
  }
  constexpr float kMost = 1e6f;
  config->attention_soft_cap = family.attention_soft_cap;
  config->logit_soft_cap = family.logit_soft_cap;
  QUANTD_RETURN_IF_ERROR(
      reader.Float(gguf_key::kAttentionSoftCap, 0, kMost, &config->attention_soft_cap));
  return reader.Float(gguf_key::kLogitSoftCap, 0, kMost, &config->logit_soft_cap);
}

absl::Status ReadHeads(const Reader& reader, ModelConfig* config) {
  const absl::string_view heads_key = gguf_key::kHeads;
  const absl::string_view kv_key = gguf_key::kKvHeads;
  QUANTD_RETURN_IF_ERROR(reader.Int(heads_key, 1, std::nullopt, &config->heads));
  QUANTD_RETURN_IF_ERROR(reader.Int(kv_key, 1, config->heads, &config->kv_heads));
  if (config->kv_heads > config->heads || config->heads % config->kv_heads != 0) {
    return reader.Error(kv_key, absl::StrCat(config->kv_heads, " does not divide the ",
                                             config->heads, " of ", reader.Key(heads_key)));
  }
  if (reader.file().Find(reader.Key(gguf_key::kKeyLength)) != nullptr) {
    QUANTD_RETURN_IF_ERROR(reader.Int(gguf_key::kKeyLength, 1, std::nullopt, &config->head_dim));
  } else if (config->dim % config->heads == 0) {
    config->head_dim = config->dim / config->heads;
  } else {
    return reader.Error(heads_key,
                        absl::StrCat(config->heads, " does not divide the ", config->dim, " of ",
                                     reader.Key(gguf_key::kDim), ", and there is no ",
                                     reader.Key(gguf_key::kKeyLength)));
  }
  int32_t value_length = 0;
  QUANTD_RETURN_IF_ERROR(reader.Int(gguf_key::kValueLength, 1, config->head_dim, &value_length));
  if (value_length == config->head_dim) return absl::OkStatus();
  return reader.Error(gguf_key::kValueLength,
                      absl::StrCat(value_length, " differs from the key length of ",
                                   config->head_dim, ", which is not supported"));
}

absl::Status ReadRopeScaling(const Reader& reader, ModelConfig* config) {
  QUANTD_ASSIGN_OR_RETURN(const std::optional<absl::string_view> type,
                          reader.file().OptionalString(reader.Key(gguf_key::kScalingType)));
  constexpr float kLeast = 1e-6f, kMost = 1e6f;
  QUANTD_RETURN_IF_ERROR(
      reader.Float(gguf_key::kOldLinearFactor, kLeast, kMost, &config->rope_factor));
  const bool old_linear = !type && config->rope_factor != 1.0f;
  QUANTD_RETURN_IF_ERROR(
      reader.Float(gguf_key::kScalingFactor, kLeast, kMost, &config->rope_factor));
  const std::string name = type         ? absl::AsciiStrToLower(*type)
                           : old_linear ? gguf_key::kScalingLinear
                                        : gguf_key::kScalingNone;
  if (name == gguf_key::kScalingLinear) {
    config->rope_scaling = RopeScaling::kLinear;
  } else if (name == gguf_key::kScalingYarn) {
    config->rope_scaling = RopeScaling::kYarn;
  } else if (name == gguf_key::kScalingLlama3 ||
             name == gguf_key::kScalingLongRope) {  // their factors are tensors
    config->rope_scaling = RopeScaling::kLlama3;
  } else if (name != gguf_key::kScalingNone) {
    return reader.Error(
        gguf_key::kScalingType,
        absl::StrCat("\"", *type, "\" is not one of none, linear, yarn, llama3, longrope"));
  }
  QUANTD_RETURN_IF_ERROR(
      reader.Int(gguf_key::kOriginalContext, 1, config->context, &config->rope_original_context));
  QUANTD_RETURN_IF_ERROR(
      reader.Float(gguf_key::kAttnFactor, kLeast, kMost, &config->yarn_attn_factor));
  QUANTD_RETURN_IF_ERROR(
      reader.Float(gguf_key::kYarnAttnFactor, kLeast, kMost, &config->yarn_attn_factor));
  QUANTD_RETURN_IF_ERROR(
      reader.Float(gguf_key::kYarnExtFactor, 0, kMost, &config->yarn_ext_factor));
  QUANTD_RETURN_IF_ERROR(
      reader.Float(gguf_key::kYarnBetaFast, kLeast, kMost, &config->yarn_beta_fast));
  return reader.Float(gguf_key::kYarnBetaSlow, kLeast, kMost, &config->yarn_beta_slow);
}

// Frequency divisors, one per rotated pair.
absl::StatusOr<std::vector<float>> ReadFactors(const GgufFile& file, const GgufTensor& tensor,
                                               const ModelConfig& config) {
  const std::string field = absl::StrCat("tensor ", tensor.name);
  if (tensor.cols() != config.rope_dim / 2 || tensor.rows() != 1) {
    return file.Error(field, absl::StrCat("has shape [", absl::StrJoin(tensor.shape, ", "),
                                          "], but the rotated pairs are ", config.rope_dim / 2));
  }
  QUANTD_ASSIGN_OR_RETURN(std::vector<float> factors, ReadFloats(file, tensor));
  for (const float factor : factors) {
    if (!(factor > 0 && std::isfinite(factor))) {
      return file.Error(field, absl::StrCat("holds ", factor, "; factors must be above 0"));
    }
  }
  return factors;
}

// Their presence is what "llama3" scaling means in GGUF. Models with LongRoPE have two sets.
absl::Status ReadRopeFactors(const GgufFile& file, ModelConfig* config) {
  const bool longrope = file.FindTensor(kShortRopeFactors) != nullptr;
  const char* name = longrope ? kShortRopeFactors : kRopeFactors;
  const GgufTensor* tensor = file.FindTensor(name);
  if (tensor == nullptr) {
    if (config->rope_scaling != RopeScaling::kLlama3) return absl::OkStatus();
    return file.Error(absl::StrCat("tensor ", name),
                      "is missing, but rope.scaling.type asks for it");
  }
  QUANTD_ASSIGN_OR_RETURN(config->rope_factors, ReadFactors(file, *tensor, *config));
  const GgufTensor* for_long = file.FindTensor(kLongRopeFactors);
  if (longrope && for_long != nullptr) {
    QUANTD_ASSIGN_OR_RETURN(config->long_rope_factors, ReadFactors(file, *for_long, *config));
    config->long_context = config->context;
  }
  if (longrope) config->context = std::min(config->context, config->rope_original_context);
  if (config->rope_scaling == RopeScaling::kNone) config->rope_scaling = RopeScaling::kLlama3;
  return absl::OkStatus();
}

absl::Status ReadRope(const Reader& reader, ModelConfig* config) {
  QUANTD_RETURN_IF_ERROR(reader.Int(gguf_key::kRopeDim, 2, config->head_dim, &config->rope_dim));
  if (config->rope_dim % 2 != 0 || config->rope_dim > config->head_dim) {
    return reader.Error(
        gguf_key::kRopeDim,
        absl::StrCat(config->rope_dim, " must be even and at most the head length, ",
                     config->head_dim));
  }
  QUANTD_RETURN_IF_ERROR(reader.Float(gguf_key::kRopeBase, 1.01f, 1e30f, &config->rope_base));
  QUANTD_RETURN_IF_ERROR(ReadRopeScaling(reader, config));
  return ReadRopeFactors(reader.file(), config);
}

// The vocabulary is as large as the embedding; every other place that says so must agree.
absl::Status ReadVocab(const Reader& reader, ModelConfig* config) {
  const GgufFile& file = reader.file();
  const GgufTensor* embedding = file.FindTensor("token_embd.weight");
  if (embedding == nullptr) return file.Error("tensor token_embd.weight", "is missing");
  const int64_t vocab = embedding->rows();
  if (vocab > std::numeric_limits<int32_t>::max()) {
    return file.Error("tensor token_embd.weight", absl::StrCat("has too many rows: ", vocab));
  }
  config->vocab = static_cast<int32_t>(vocab);
  int32_t declared = 0;
  QUANTD_RETURN_IF_ERROR(reader.Int(gguf_key::kVocab, 1, config->vocab, &declared));
  if (declared != config->vocab) {
    return reader.Error(gguf_key::kVocab,
                        absl::StrCat(declared, ", but token_embd.weight has ", vocab, " rows"));
  }
  QUANTD_ASSIGN_OR_RETURN(const GgufArray* tokens,
                          file.OptionalStringArray("tokenizer.ggml.tokens"));
  if (tokens != nullptr && tokens->count != static_cast<uint64_t>(vocab)) {
    return file.Error("tokenizer.ggml.tokens",
                      absl::StrCat("lists ", tokens->count, " tokens, but token_embd.weight has ",
                                   vocab, " rows"));
  }
  config->tied_output = file.FindTensor("output.weight") == nullptr;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ModelConfig> ReadGgufHyperParameters(const GgufFile& file) {
  QUANTD_ASSIGN_OR_RETURN(const Family* family, FindFamily(file));
  const Reader reader(file, *family);
  ModelConfig config;
  config.rope_adjacent = family->gguf_rope_adjacent;
  SetFamily(*family, &config);
  QUANTD_ASSIGN_OR_RETURN(const std::optional<absl::string_view> name,
                          file.OptionalString(gguf_key::kName));
  if (name) config.name = std::string(*name);
  QUANTD_RETURN_IF_ERROR(ReadSizes(reader, &config));
  if (family->scale_embedding) config.embedding_scale = std::sqrt(static_cast<float>(config.dim));
  QUANTD_RETURN_IF_ERROR(ReadHeads(reader, &config));
  QUANTD_RETURN_IF_ERROR(ReadExperts(reader, &config));
  QUANTD_RETURN_IF_ERROR(ReadAttention(reader, *family, &config));
  QUANTD_RETURN_IF_ERROR(ReadVocab(reader, &config));
  QUANTD_RETURN_IF_ERROR(ReadRope(reader, &config));
  return config;
}

}  // namespace quantd
