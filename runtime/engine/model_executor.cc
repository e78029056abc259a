#include <utility>
#include <vector>

#include "runtime/engine/executor.h"
#include "runtime/model/model.h"

namespace quantd {
namespace {

// Runs the forward pass on the calling thread (which the model's kernels spread over the thread
// pool), so a step is done when Submit returns.
class ModelExecutor : public Executor {
 public:
  explicit ModelExecutor(std::shared_ptr<Model> model) : model_(std::move(model)) {}

  ExecutorLimits limits() const override {
    return {model_->config().vocab, model_->config().context};
  }

  void Submit(const Batch& batch, const KvView& kv) override {
    used_ = batch.logit_rows.size() * static_cast<size_t>(model_->config().vocab);
    // Never shrinks: the memory of the largest step is soon needed again.
    if (logits_.size() < used_) logits_.resize(used_);
    model_->Forward(batch, kv, absl::MakeSpan(logits_.data(), used_));
  }

  absl::StatusOr<absl::Span<float>> AwaitPrevious() override {
    return absl::MakeSpan(logits_.data(), used_);
  }

 private:
  std::shared_ptr<Model> model_;
  std::vector<float> logits_;
  size_t used_ = 0;
};

}  // namespace

std::unique_ptr<Executor> MakeModelExecutor(std::shared_ptr<Model> model) {
  return std::make_unique<ModelExecutor>(std::move(model));
}

}  // namespace quantd
