#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kernels/base/status_macros.h"
#include "runtime/cache/kv_block_pool.h"
#include "runtime/lifecycle/load_plan.h"
#include "runtime/lifecycle/memory_budget.h"
#include "runtime/lifecycle/model_manager.h"

namespace quantd {
namespace {

// A model's executor with the context that the configuration allows.
class ContextCap : public Executor {
 public:
  ContextCap(std::unique_ptr<Executor> inner, int32_t context)
      : inner_(std::move(inner)), context_(context) {}
  ExecutorLimits limits() const override {
    ExecutorLimits limits = inner_->limits();
    limits.context = context_;
    return limits;
  }
  void Submit(const Batch& batch, const KvView& kv) override { inner_->Submit(batch, kv); }
  absl::StatusOr<absl::Span<float>> AwaitPrevious() override { return inner_->AwaitPrevious(); }

 private:
  std::unique_ptr<Executor> inner_;
  int32_t context_;
};

}  // namespace

absl::StatusOr<std::shared_ptr<ServedModel>> ServedModel::Load(const ModelSpec& spec,
                                                               const KernelSet& kernels,
                                                               ThreadPool& pool,
                                                               const LoadOptions& options,
                                                               EngineObserver* observer) {
  const auto budget = MemoryBudget::Create(0, AvailableMemoryBytes);
  QUANTD_ASSIGN_OR_RETURN(LoadPlan plan, PlanLoad(spec, budget->Available()));
  QUANTD_RETURN_IF_ERROR(budget->Reserve(spec.name, plan.need).status());
  return FromPlan(std::move(plan), kernels, pool, options, observer);
}

absl::StatusOr<std::shared_ptr<ServedModel>> ServedModel::FromPlan(LoadPlan plan,
                                                                   const KernelSet& kernels,
                                                                   ThreadPool& pool,
                                                                   const LoadOptions& options,
                                                                   EngineObserver* observer) {
  std::shared_ptr<ServedModel> served(new ServedModel);
  served->spec_ = std::move(plan.spec);
  served->tokenizer_ = std::move(plan.tokenizer);
  served->chat_template_ = std::move(plan.chat_template);
  served->kv_type_ = plan.kv_type;
  served->kv_blocks_ = plan.kv_blocks;
  served->max_context_ = plan.context;
  served->file_bytes_ = plan.checkpoint->file_bytes();
  served->format_ = options.quantize_to ? FormatName(*options.quantize_to) : std::move(plan.format);

  LoadOptions load_options = options;
  load_options.context = plan.context;
  QUANTD_ASSIGN_OR_RETURN(served->model_,
                          Model::Load(*plan.checkpoint, kernels, pool, load_options));
  const KvLayout layout = served->model_->kv_layout(plan.kv_type);
  QUANTD_ASSIGN_OR_RETURN(auto kv_pool, KvBlockPool::Create(layout, plan.kv_blocks));
  served->kv_bytes_ = static_cast<uint64_t>(plan.kv_blocks) * layout.block_bytes();
  auto executor =
      std::make_unique<ContextCap>(MakeModelExecutor(served->model_), served->max_context_);
  QUANTD_ASSIGN_OR_RETURN(
      served->engine_, Engine::Create(served->spec_.engine, std::move(executor), std::move(kv_pool),
                                      served->tokenizer_.get(), observer));
  served->load_time_ = absl::FromChrono(std::chrono::steady_clock::now() - plan.started);
  return served;
}

}  // namespace quantd
