#ifndef QUANTD_TESTS_RUNTIME_LIFECYCLE_LIFECYCLE_FIXTURE_H_
#define QUANTD_TESTS_RUNTIME_LIFECYCLE_LIFECYCLE_FIXTURE_H_

#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "runtime/lifecycle/model_manager.h"
#include "runtime/lifecycle/runtime_context.h"
#include "tests/support/test_data.h"

namespace quantd {

/// The kernels and threads that all lifecycle tests share.
inline RuntimeContext& SharedRuntime() {
  static RuntimeContext* const runtime = [] {
    RuntimeContext::Options options;
    options.threads = 2;
    auto created = RuntimeContext::Create(options);
    EXPECT_TRUE(created.ok()) << created.status();
    return created->release();
  }();
  return *runtime;
}

inline ModelSpec DemoSpec(const std::string& name, const std::string& format = "Q8_0") {
  ModelSpec spec;
  spec.name = name;
  spec.path = SourcePath("config/models/shakespeare-6m-" + format + ".gguf");
  spec.engine.max_sequences = 4;
  return spec;
}

/// Keeps what a request got; optionally also a model handle, to be dropped with the sink.
class RecordingSink : public ResponseSink {
 public:
  explicit RecordingSink(std::shared_ptr<ServedModel> kept = nullptr) : kept_(std::move(kept)) {}
  void OnDelta(Delta delta) override {
    std::lock_guard<std::mutex> lock(mutex_);
    for (const GeneratedToken& token : delta.tokens) ids_.push_back(token.id);
    if (!ids_.empty() && !started_) {
      started_ = true;
      first_.set_value();
    }
  }
  void OnFinish(Finish finish) override {
    kept_.reset();
    finish_.set_value(std::move(finish));
  }
  Finish Wait() { return finish_.get_future().get(); }
  void WaitFirstToken() { first_.get_future().wait(); }
  std::vector<int32_t> ids() {
    std::lock_guard<std::mutex> lock(mutex_);
    return ids_;
  }

 private:
  std::shared_ptr<ServedModel> kept_;
  std::promise<Finish> finish_;
  std::promise<void> first_;
  std::mutex mutex_;
  bool started_ = false;
  std::vector<int32_t> ids_;
};

/// Starts a greedy request of `tokens` tokens.
inline std::shared_ptr<RecordingSink> StartGreedy(ServedModel& model, int32_t tokens,
                                                  std::shared_ptr<ServedModel> kept = nullptr) {
  auto sink = std::make_shared<RecordingSink>(std::move(kept));
  Request request;
  request.prompt = model.tokenizer().Encode("To be, or not", {});
  request.sampling.temperature = 0;
  request.max_tokens = tokens;
  request.ignore_eos = true;
  const auto id = model.engine().Submit(std::move(request), sink);
  EXPECT_TRUE(id.ok()) << id.status();
  return sink;
}

}  // namespace quantd

#endif  // QUANTD_TESTS_RUNTIME_LIFECYCLE_LIFECYCLE_FIXTURE_H_
