#include "runtime/convert/gguf_plan.h"

#include <algorithm>
#include <filesystem>
#include <limits>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "kernels/base/status_macros.h"
#include "runtime/chat/chat_template_files.h"
#include "runtime/convert/rope_rows.h"
#include "runtime/formats/hf_config.h"
#include "runtime/formats/scheme_table.h"
#include "runtime/model/family.h"
#include "runtime/model/gguf_hyper_parameters.h"
#include "runtime/model/gguf_keys.h"
#include "runtime/model/weights.h"
#include "runtime/tokenizer/gguf_tokenizer_keys.h"
#include "runtime/tokenizer/gguf_vocabulary.h"

namespace quantd {
namespace {

// Of the scales' layout there has been one version since scales were added to the format.
constexpr uint32_t kQuantizationVersion = 2;

/// Splits "blk.7.attn_v.weight" and "output.weight". False for anything else.
bool ParseName(absl::string_view name, absl::string_view suffix, MatrixPlace* place) {
  if (!absl::ConsumeSuffix(&name, suffix)) return false;
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

/// The type that holds every number of a folder.
const GgufScheme* FloatScheme() { return FindGgufScheme("F32"); }

/// The types of a model's matrices.
class TypeChooser {
 public:
  TypeChooser(const Checkpoint& source, const FormatMix& mix, int64_t layers, bool requantize)
      : source_(source), mix_(mix), requantize_(requantize) {
    place_.layers =
        static_cast<int32_t>(std::min<int64_t>(layers, std::numeric_limits<int32_t>::max()));
    place_.tied = source.Find("output.weight") == nullptr;
  }

  /// The type of a tensor whose type is `own` if it is not to be quantized.
  absl::StatusOr<const GgufScheme*> Choose(const CheckpointTensor& tensor,
                                           const GgufScheme* own) const {
    MatrixPlace place = place_;
    place.cols = tensor.cols();
    if (!ParseName(tensor.name, ".weight", &place) || !IsQuantized(tensor, place)) return own;
    const GgufScheme& to = FittingScheme(mix_.SchemeFor(place), tensor.cols());
    const bool again =
        !tensor.format.is_float() && !to.format.is_float() && tensor.scheme != to.name;
    if (!again || requantize_) return &to;
    return absl::InvalidArgumentError(
        absl::StrCat(source_.path(), ": tensor ", tensor.stored, ": is ", tensor.scheme,
                     " already; quantize from the model in F16, BF16 or F32, since errors add up, "
                     "or ask for it (requantize)"));
  }

 private:
  const Checkpoint& source_;
  const FormatMix& mix_;
  const bool requantize_;
  MatrixPlace place_;
};

absl::Status PlanFile(const Checkpoint& source, const FormatMix& mix, bool requantize,
                      GgufPlan* plan) {
  const GgufFile& file = *source.gguf();
  QUANTD_ASSIGN_OR_RETURN(const absl::string_view architecture,
                          file.String(gguf_key::kArchitecture));
  QUANTD_ASSIGN_OR_RETURN(const uint64_t layers,
                          file.Uint(absl::StrCat(architecture, ".", gguf_key::kLayers)));
  for (const GgufKeyValue& entry : file.metadata()) {
    if (!absl::StartsWith(entry.key, "split.")) plan->writer.Copy(entry);
  }
  const TypeChooser types(source, mix, static_cast<int64_t>(layers), requantize);
  for (const CheckpointTensor& tensor : source.tensors()) {
    const GgufTensor* stored = file.FindTensor(tensor.name);
    const GgufScheme* own = FindGgufScheme(stored->type);
    GgufTensorPlan& planned = plan->tensors.emplace_back();
    planned.name = tensor.name;
    planned.shape = tensor.shape;
    QUANTD_ASSIGN_OR_RETURN(planned.to, types.Choose(tensor, own));
    planned.tensor = &tensor;
    if (planned.to == own) planned.copied = stored;
  }
  return absl::OkStatus();
}

/// Writes what is not weights, from a folder.
absl::Status DescribeFolder(const Checkpoint& source, const ModelConfig& config, GgufPlan* plan) {
  QUANTD_RETURN_IF_ERROR(WriteGgufHyperParameters(config, source.path(), &plan->writer));
  const absl::StatusOr<GgufVocabulary> vocabulary = ReadGgufVocabulary(source.path());
  if (absl::IsNotFound(vocabulary.status())) {
    const GenerationDefaults& ids = source.hf_config()->generation();
    plan->writer.SetString(gguf_tokenizer::kModel, gguf_tokenizer::kModelNone);
    SetTokenId(gguf_tokenizer::kBosId, ids.bos_token, &plan->writer);
    if (!ids.eos_tokens.empty()) {
      SetTokenId(gguf_tokenizer::kEosId, ids.eos_tokens[0], &plan->writer);
    }
    plan->notes.push_back(
        absl::StrCat(vocabulary.status().message(), "; the output takes token ids only"));
    return absl::OkStatus();
  }
  QUANTD_RETURN_IF_ERROR(vocabulary.status());
  if (vocabulary->texts.size() > static_cast<size_t>(config.vocab)) {
    return source.Error("tokenizer",
                        absl::StrCat("the vocabulary has ", vocabulary->texts.size(),
                                     " tokens but the model computes logits for ", config.vocab));
  }
  WriteGgufVocabulary(*vocabulary, config.vocab, &plan->writer);
  plan->notes.insert(plan->notes.end(), vocabulary->notes.begin(), vocabulary->notes.end());
  QUANTD_ASSIGN_OR_RETURN(const ChatTemplateSource chat, ReadChatTemplateSource(source.path()));
  WriteChatTemplates(chat.templates, &plan->writer);
  return absl::OkStatus();
}

absl::Status PlanFolder(const Checkpoint& source, const FormatMix& mix, bool requantize,
                        GgufPlan* plan) {
  QUANTD_ASSIGN_OR_RETURN(ModelConfig config, ReadModelConfig(source));
  if (config.name.empty()) {
    std::error_code ignored;  // then there is no name
    config.name = std::filesystem::canonical(source.path(), ignored).filename().string();
  }
  QUANTD_RETURN_IF_ERROR(DescribeFolder(source, config, plan));
  for (auto& [name, values] : GgufParameterVectors(config)) {
    GgufTensorPlan& planned = plan->tensors.emplace_back();
    planned.name = name;
    planned.shape = {static_cast<int64_t>(values.size())};
    planned.to = FloatScheme();
    planned.values = std::move(values);
  }
  const TypeChooser types(source, mix, config.layers, requantize);
  for (const TensorSpec& spec : ModelTensors(config)) {
    const CheckpointTensor* tensor = source.Find(spec.name);
    if (tensor == nullptr) continue;  // an optional one, ReadModelConfig has found the others
    GgufTensorPlan& planned = plan->tensors.emplace_back();
    planned.name = tensor->name;
    planned.shape = tensor->shape;
    planned.tensor = tensor;
    QUANTD_ASSIGN_OR_RETURN(planned.to, types.Choose(*tensor, FloatScheme()));
    QUANTD_ASSIGN_OR_RETURN(planned.paired_rows, PairedRows(source, config, tensor->name));
  }
  return absl::OkStatus();
}

}  // namespace

int64_t GgufTensorPlan::rows() const {
  int64_t rows = 1;
  for (size_t i = 1; i < shape.size(); ++i) rows *= shape[i];
  return rows;
}

absl::StatusOr<GgufPlan> PlanGguf(const Checkpoint& source, const FormatMix& mix, bool requantize) {
  GgufPlan plan;
  QUANTD_RETURN_IF_ERROR(source.gguf() != nullptr ? PlanFile(source, mix, requantize, &plan)
                                                  : PlanFolder(source, mix, requantize, &plan));
  plan.writer.SetUint32("general.quantization_version", kQuantizationVersion);
  plan.writer.SetUint32("general.file_type", mix.file_type());
  return plan;
}

}  // namespace quantd
