#include "runtime/lifecycle/load_plan.h"

#include <algorithm>
#include <limits>
#include <map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "kernels/base/status_macros.h"
#include "runtime/cache/kv_block_pool.h"
#include "runtime/chat/chat_template_files.h"
#include "runtime/lifecycle/open_tokenizer.h"
#include "runtime/model/linear_stack.h"
#include "runtime/model/weights.h"

namespace quantd {
namespace {

constexpr size_t kMaxNameLength = 128;
// The share of the available memory that a KV cache of unstated size may take.
constexpr int64_t kKvShare = 4;

std::string MainFormat(const Checkpoint& checkpoint) {
  std::map<std::string, uint64_t> bytes;
  for (const CheckpointTensor& tensor : checkpoint.tensors()) {
    bytes[FormatName(tensor.format)] += tensor.bytes;
  }
  std::string main;
  uint64_t most = 0;
  for (const auto& [name, total] : bytes) {
    if (total > most) {
      main = name;
      most = total;
    }
  }
  return main;
}

// What the packed weights take. For most formats that is what they take in the file.
absl::StatusOr<int64_t> WeightBytes(const Checkpoint& checkpoint, const ModelConfig& config) {
  int64_t packed = 0;
  for (const TensorSpec& spec : ModelTensors(config)) {
    const CheckpointTensor* tensor = spec.vector ? nullptr : checkpoint.Find(spec.name);
    if (tensor == nullptr) continue;
    const auto bytes = PackedMatrixBytes(tensor->format, spec.rows, spec.cols);
    if (!bytes.ok()) {
      return checkpoint.Unsupported(absl::StrCat("tensor ", tensor->stored),
                                    bytes.status().message());
    }
    packed += *bytes;
  }
  return std::max(packed, static_cast<int64_t>(checkpoint.file_bytes()));
}

// A model whose own template cannot be used serves all but conversations; one that was asked for
// must be good.
absl::Status PlanChat(LoadPlan* plan) {
  const std::string& path = plan->spec.chat_template;
  const GgufFile* gguf = plan->checkpoint->gguf();
  if (path.empty()) {
    plan->chat_template =
        gguf != nullptr ? ReadChatTemplate(*gguf) : ReadChatTemplate(plan->checkpoint->path());
    return absl::OkStatus();
  }
  plan->chat_template = gguf != nullptr ? ReadChatTemplate(*gguf, path)
                                        : ReadChatTemplate(plan->checkpoint->path(), path);
  if (plan->chat_template.ok()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("chat_template: ", plan->chat_template.status().message()));
}

}  // namespace

bool IsModelName(const std::string& name) {
  return !name.empty() && name.size() <= kMaxNameLength &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) {
           return absl::ascii_isalnum(c) || c == '.' || c == '_' || c == '-';
         });
}

absl::Status ValidateModelSpec(const ModelSpec& spec) {
  if (!IsModelName(spec.name)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "name: '", absl::CHexEscape(absl::string_view(spec.name).substr(0, kMaxNameLength)), "' ",
        kModelNameRule));
  }
  if (spec.path.empty() || spec.path.find('\0') != std::string::npos) {
    return absl::InvalidArgumentError("path: must be the path of a .gguf file or of a folder");
  }
  if (spec.max_context < 0) {
    return absl::InvalidArgumentError(absl::StrCat("max_context: ", spec.max_context,
                                                   " must be 0 (the model's own) or positive"));
  }
  if (spec.kv_cache_bytes < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("kv_cache: ", spec.kv_cache_bytes, " must be 0 (automatic) or positive"));
  }
  if (spec.engine.max_sequences < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("max_sequences: ", spec.engine.max_sequences, " must be at least 1"));
  }
  if (spec.engine.step_token_budget < spec.engine.max_sequences) {
    return absl::InvalidArgumentError(absl::StrCat(
        "step_token_budget: ", spec.engine.step_token_budget, " is less than max_sequences (",
        spec.engine.max_sequences, "); a step has a token for each running sequence"));
  }
  return absl::OkStatus();
}

absl::StatusOr<int32_t> PlanKvBlocks(const ModelSpec& spec, int64_t sequence_blocks,
                                     int64_t block_bytes, int64_t free_bytes,
                                     int64_t available_bytes) {
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
  if (spec.kv_cache_bytes > 0) {
    const int64_t blocks = spec.kv_cache_bytes / block_bytes;
    if (blocks < sequence_blocks) {
      return absl::InvalidArgumentError(
          absl::StrCat("kv_cache: ", spec.kv_cache_bytes, " bytes hold ", blocks * kKvBlockTokens,
                       " tokens, less than one sequence of full length; give at least ",
                       sequence_blocks * block_bytes, " bytes or lower max_context"));
    }
    return static_cast<int32_t>(std::min(blocks, kMost));
  }
  const int64_t wanted = sequence_blocks * spec.engine.max_sequences;
  const int64_t affordable = std::min(available_bytes / kKvShare, free_bytes) / block_bytes;
  const int64_t blocks = std::max(std::min(wanted, affordable), sequence_blocks);
  return static_cast<int32_t>(std::min(blocks, kMost));
}

absl::StatusOr<LoadPlan> PlanLoad(const ModelSpec& spec, int64_t available_bytes) {
  QUANTD_RETURN_IF_ERROR(ValidateModelSpec(spec));
  LoadPlan plan;
  plan.spec = spec;
  plan.started = std::chrono::steady_clock::now();
  QUANTD_ASSIGN_OR_RETURN(plan.checkpoint, Checkpoint::Open(spec.path));
  QUANTD_ASSIGN_OR_RETURN(ModelConfig config, ReadModelConfig(*plan.checkpoint));
  config.UseContext(spec.max_context);
  plan.context = config.context;
  QUANTD_ASSIGN_OR_RETURN(plan.tokenizer, OpenTokenizer(*plan.checkpoint));
  QUANTD_RETURN_IF_ERROR(PlanChat(&plan));
  plan.format = MainFormat(*plan.checkpoint);
  plan.kv_type = spec.kv_type.value_or(plan.format == "F32" ? KvType::kF32 : KvType::kF16);

  const KvLayout layout{plan.kv_type, config.layers, config.kv_heads, config.head_dim};
  QUANTD_ASSIGN_OR_RETURN(plan.need.weight_bytes, WeightBytes(*plan.checkpoint, config));
  QUANTD_ASSIGN_OR_RETURN(
      plan.kv_blocks, PlanKvBlocks(spec, KvBlocksFor(plan.context), layout.block_bytes(),
                                   std::max<int64_t>(available_bytes - plan.need.weight_bytes, 0),
                                   available_bytes));
  plan.need.kv_bytes = plan.kv_blocks * layout.block_bytes();
  return plan;
}

}  // namespace quantd
