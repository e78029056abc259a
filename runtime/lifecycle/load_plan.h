#ifndef QUANTD_RUNTIME_LIFECYCLE_LOAD_PLAN_H_
#define QUANTD_RUNTIME_LIFECYCLE_LOAD_PLAN_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "runtime/lifecycle/memory_budget.h"
#include "runtime/lifecycle/model_manager.h"
#include "runtime/model/checkpoint.h"
#include "runtime/tokenizer/tokenizer.h"

namespace quantd {

/// A model that was read and checked but not loaded: all that must be known before memory is
/// promised to it. Made and used by one thread.
struct LoadPlan {
  ModelSpec spec;
  std::unique_ptr<Checkpoint> checkpoint;
  std::unique_ptr<Tokenizer> tokenizer;
  absl::StatusOr<std::unique_ptr<const ChatTemplate>> chat_template;
  std::string format;  ///< the format that most weight bytes have
  KvType kv_type = KvType::kF16;
  int32_t context = 0;    ///< longest sequence, tokens: the model's own or spec.max_context
  int32_t kv_blocks = 0;  ///< each kKvBlockTokens tokens
  MemoryNeed need;
  std::chrono::steady_clock::time_point started;  ///< when the files were opened
};

/// Whether a text may name a model, and that rule in words ("must be ...").
bool IsModelName(const std::string& name);
inline constexpr char kModelNameRule[] = "must be 1 to 128 characters of A-Z a-z 0-9 . _ -";

/// Checks name and path of a spec, and that its numbers are in range. INVALID_ARGUMENT naming the
/// field.
absl::Status ValidateModelSpec(const ModelSpec& spec);

/// Opens and validates spec.path and sizes the KV cache, with `available_bytes` free for the whole
/// model. Errors: those of ModelManager::Load but for RESOURCE_EXHAUSTED, which is the budget's.
absl::StatusOr<LoadPlan> PlanLoad(const ModelSpec& spec, int64_t available_bytes);

/// Blocks of the KV cache of a spec. `sequence_blocks`: of one sequence of full length;
/// `free_bytes`: beside the weights. Errors: INVALID_ARGUMENT when spec.kv_cache_bytes does not
/// hold one sequence.
absl::StatusOr<int32_t> PlanKvBlocks(const ModelSpec& spec, int64_t sequence_blocks,
                                     int64_t block_bytes, int64_t free_bytes,
                                     int64_t available_bytes);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_LIFECYCLE_LOAD_PLAN_H_
