#include "runtime/lifecycle/model_manager.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <future>
#include <thread>

#include "absl/strings/str_cat.h"
#include "tests/runtime/lifecycle/lifecycle_fixture.h"

namespace quantd {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A manager that records its listener's calls as "name STATE".
class ModelManagerTest : public ::testing::Test {
 protected:
  void Start(const ModelManager::Options& options = {},
             const ModelManager::ObserverFactory& observers = nullptr) {
    manager_ = std::make_unique<ModelManager>(
        SharedRuntime().kernels(), SharedRuntime().pool(), options,
        [this](const ModelStatus& status) {
          {
            std::lock_guard<std::mutex> lock(mutex_);
            events_.push_back(absl::StrCat(status.name, " ", ModelStateName(status.state)));
          }
          if (on_event_) on_event_(status);
        },
        observers);
  }
  std::vector<std::string> events() {
    std::lock_guard<std::mutex> lock(mutex_);
    return events_;
  }
  ModelState StateOf(const std::string& name) {
    for (const ModelStatus& status : manager_->List()) {
      if (status.name == name) return status.state;
    }
    ADD_FAILURE() << name << " is not listed";
    return ModelState::kFailed;
  }

  std::function<void(const ModelStatus&)> on_event_;
  std::unique_ptr<ModelManager> manager_;

 private:
  std::mutex mutex_;
  std::vector<std::string> events_;
};

// Starts more work than ends before a test's next lines, on however slow a machine; returns when
// the first of it runs. The last of it is certainly not done by then.
std::shared_ptr<RecordingSink> StartBacklog(ServedModel& model) {
  const auto first = StartGreedy(model, 200);
  std::shared_ptr<RecordingSink> last;
  for (int i = 0; i < 40; ++i) last = StartGreedy(model, 200);
  first->WaitFirstToken();
  return last;
}

std::string TempPath(const std::string& name) {
  return absl::StrCat(::testing::TempDir(), "/quantd_", getpid(), "_", name);
}

TEST_F(ModelManagerTest, LoadsServesAndUnloads) {
  Start();
  ASSERT_TRUE(manager_->Load(DemoSpec("demo", "f16")).ok());
  auto model = manager_->Get("demo");
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ((*model)->format(), "F16");
  EXPECT_EQ((*model)->max_context(), 256);
  EXPECT_EQ((*model)->kv_blocks(), 32);
  EXPECT_EQ((*model)->kv_bytes(),
            32u * (*model)->model().kv_layout((*model)->kv_type()).block_bytes());
  EXPECT_GT((*model)->load_time(), absl::ZeroDuration());
  EXPECT_EQ(manager_->Get("")->get(), model->get());
  const auto sink = StartGreedy(**model, 8);
  EXPECT_EQ(sink->Wait().usage.completion_tokens, 8);
  model->reset();
  EXPECT_TRUE(manager_->Unload("demo").ok());
  EXPECT_TRUE(manager_->List().empty());
  EXPECT_EQ(manager_->Get("demo").status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(events(), ElementsAre("demo LOADING", "demo READY", "demo UNLOADING"));
}

TEST_F(ModelManagerTest, FiftyParallelLoadsLoadOnce) {
  std::atomic<int> loads{0};
  Start({}, [&loads](const std::string&) {
    ++loads;
    return nullptr;
  });
  std::atomic<int> ok{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 50; ++i) {
    threads.emplace_back([&, i] {
      const absl::Status status =
          i % 2 == 0 ? manager_->Load(DemoSpec("demo")) : manager_->StartLoad(DemoSpec("demo"));
      ok += status.ok();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(ok, 50);
  EXPECT_TRUE(manager_->Load(DemoSpec("demo")).ok());  // waits for the one that won
  EXPECT_EQ(loads, 1);
  EXPECT_THAT(events(), ElementsAre("demo LOADING", "demo READY"));
}

TEST_F(ModelManagerTest, WaitersGetTheErrorOfTheLoadThatFailed) {
  Start();
  ModelSpec spec = DemoSpec("demo");
  spec.path = TempPath("missing.gguf");
  std::vector<std::future<absl::Status>> results;
  for (int i = 0; i < 8; ++i) {
    results.push_back(std::async(std::launch::async, [&] { return manager_->Load(spec); }));
  }
  for (auto& result : results) EXPECT_EQ(result.get().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(StateOf("demo"), ModelState::kFailed);
}

TEST_F(ModelManagerTest, OtherPathOrSettingsUnderATakenNameAreRefused) {
  Start();
  ASSERT_TRUE(manager_->Load(DemoSpec("demo")).ok());
  EXPECT_EQ(manager_->Load(DemoSpec("demo", "Q4_0")).code(), absl::StatusCode::kAlreadyExists);
  ModelSpec smaller = DemoSpec("demo");
  smaller.max_context = 64;
  EXPECT_EQ(manager_->StartLoad(smaller).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(StateOf("demo"), ModelState::kReady);
}

TEST_F(ModelManagerTest, FailedLoadKeepsItsErrorAndCanBeRetried) {
  Start();
  ModelSpec spec = DemoSpec("demo");
  const std::string good = spec.path;
  spec.path = TempPath("short.gguf");
  std::ofstream(spec.path, std::ios::binary) << ReadFileOrDie(good).substr(0, 1000);
  const absl::Status failed = manager_->Load(spec);
  EXPECT_EQ(failed.code(), absl::StatusCode::kDataLoss);
  const auto list = manager_->List();
  ASSERT_EQ(list.size(), 1u);
  EXPECT_EQ(list[0].state, ModelState::kFailed);
  EXPECT_EQ(list[0].error, failed);
  EXPECT_EQ(list[0].model, nullptr);
  const absl::Status get = manager_->Get("demo").status();
  EXPECT_EQ(get.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(get.message()), HasSubstr("failed to load"));
  EXPECT_TRUE(manager_->Load(DemoSpec("demo")).ok());
  EXPECT_TRUE(manager_->Get("demo").ok());
  EXPECT_THAT(events(), ElementsAre("demo LOADING", "demo FAILED", "demo LOADING", "demo READY"));
  std::filesystem::remove(spec.path);
}

TEST_F(ModelManagerTest, FailedModelCanBeForgotten) {
  Start();
  ModelSpec spec = DemoSpec("demo");
  spec.path = TempPath("missing.gguf");
  EXPECT_FALSE(manager_->Load(spec).ok());
  EXPECT_TRUE(manager_->Unload("demo").ok());
  EXPECT_TRUE(manager_->List().empty());
  EXPECT_EQ(manager_->Unload("demo").code(), absl::StatusCode::kNotFound);
}

TEST_F(ModelManagerTest, LoadBeyondMemoryIsRefusedAndOthersKeepServing) {
  ModelManager::Options options;
  options.memory_limit_bytes = 24 << 20;
  Start(options);
  ASSERT_TRUE(manager_->Load(DemoSpec("small", "Q4_0")).ok());
  ModelSpec large = DemoSpec("large", "f16");
  large.kv_cache_bytes = 20 << 20;
  const absl::Status refused = manager_->Load(large);
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("are available"));
  EXPECT_EQ(StateOf("large"), ModelState::kFailed);
  const auto small = manager_->Get("small");
  ASSERT_TRUE(small.ok());
  EXPECT_EQ(StartGreedy(**small, 4)->Wait().usage.completion_tokens, 4);
}

TEST_F(ModelManagerTest, UnloadGivesTheMemoryBack) {
  ModelManager::Options options;
  options.memory_limit_bytes = 16 << 20;
  Start(options);
  ModelSpec a = DemoSpec("a", "f16"), b = DemoSpec("b", "f16");
  a.engine.max_sequences = b.engine.max_sequences = 1;
  ASSERT_TRUE(manager_->Load(a).ok());
  EXPECT_EQ(manager_->Load(b).code(), absl::StatusCode::kResourceExhausted);
  ASSERT_TRUE(manager_->Unload("a").ok());
  EXPECT_TRUE(manager_->Load(b).ok());
}

TEST_F(ModelManagerTest, UnloadLetsRequestsFinish) {
  Start();
  ASSERT_TRUE(manager_->Load(DemoSpec("demo")).ok());
  auto model = *manager_->Get("demo");
  const auto sink = StartGreedy(*model, 64);
  model.reset();
  EXPECT_TRUE(manager_->Unload("demo").ok());
  const Finish finish = sink->Wait();
  EXPECT_EQ(finish.reason, FinishReason::kLength);
  EXPECT_EQ(finish.usage.completion_tokens, 64);
}

TEST_F(ModelManagerTest, UnloadCancelsWhatOutlastsTheDrain) {
  ModelManager::Options options;
  options.unload_drain = absl::ZeroDuration();
  Start(options);
  ASSERT_TRUE(manager_->Load(DemoSpec("demo")).ok());
  auto model = *manager_->Get("demo");
  const auto sink = StartBacklog(*model);
  EXPECT_TRUE(manager_->Unload("demo").ok());
  EXPECT_EQ(sink->Wait().reason, FinishReason::kCancelled);
  // The handle still works: there is just no engine work any more.
  EXPECT_EQ(model->engine().Submit({}, sink).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(ModelManagerTest, LastHandleMayGoOnTheEnginesOwnThread) {
  Start();
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(manager_->Load(DemoSpec("demo")).ok());
    std::shared_ptr<RecordingSink> sink;
    {
      auto model = *manager_->Get("demo");
      ServedModel& served = *model;
      sink = StartGreedy(served, 16, std::move(model));
    }
    EXPECT_TRUE(manager_->Unload("demo").ok());
    EXPECT_EQ(sink->Wait().usage.completion_tokens, 16);
  }
}

TEST_F(ModelManagerTest, OneUnloadWinsAndLoadsWaitForItsEnd) {
  std::promise<void> entered, release;
  on_event_ = [&](const ModelStatus& status) {
    if (status.state != ModelState::kUnloading) return;
    entered.set_value();
    release.get_future().wait();
  };
  Start();
  ASSERT_TRUE(manager_->Load(DemoSpec("demo")).ok());
  auto unload = std::async(std::launch::async, [&] { return manager_->Unload("demo"); });
  entered.get_future().wait();
  EXPECT_EQ(manager_->Unload("demo").code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(manager_->Load(DemoSpec("demo")).code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(manager_->Get("demo").status().code(), absl::StatusCode::kUnavailable);
  release.set_value();
  EXPECT_TRUE(unload.get().ok());
}

TEST_F(ModelManagerTest, WhileLoadingGetAndUnloadSaySo) {
  on_event_ = [&](const ModelStatus& status) {
    if (status.state != ModelState::kLoading) return;
    EXPECT_EQ(manager_->Get("demo").status().code(), absl::StatusCode::kUnavailable);
    EXPECT_EQ(manager_->Unload("demo").code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_EQ(manager_->List().at(0).progress, 0);
  };
  Start();
  EXPECT_TRUE(manager_->Load(DemoSpec("demo")).ok());
  EXPECT_EQ(manager_->List().at(0).progress, 1);
}

TEST_F(ModelManagerTest, DrainCancelsALoadBeforeItReadsWeights) {
  on_event_ = [&](const ModelStatus& status) {
    if (status.state == ModelState::kLoading) manager_->StartDrain();
  };
  Start();
  EXPECT_EQ(manager_->Load(DemoSpec("demo")).code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(StateOf("demo"), ModelState::kFailed);
  EXPECT_EQ(manager_->Load(DemoSpec("other")).code(), absl::StatusCode::kUnavailable);
}

TEST_F(ModelManagerTest, DrainCancelsALoadBetweenTensors) {
  Start({}, [this](const std::string&) {
    manager_->StartDrain();  // memory is promised, the first tensor comes next
    return nullptr;
  });
  EXPECT_EQ(manager_->Load(DemoSpec("demo")).code(), absl::StatusCode::kCancelled);
  EXPECT_LT(manager_->List().at(0).progress, 1);
}

TEST_F(ModelManagerTest, DestructionEndsLoadsInTheBackground) {
  for (int i = 0; i < 10; ++i) {
    Start();
    for (const char* name : {"a", "b", "c"}) {
      EXPECT_TRUE(manager_->StartLoad(DemoSpec(name)).ok());
    }
    if (i % 2 == 1) std::this_thread::sleep_for(std::chrono::milliseconds(i));
    manager_.reset();
  }
}

TEST_F(ModelManagerTest, DestructionCancelsRequests) {
  Start();
  ASSERT_TRUE(manager_->Load(DemoSpec("demo")).ok());
  const auto sink = StartBacklog(**manager_->Get("demo"));
  manager_.reset();
  EXPECT_EQ(sink->Wait().reason, FinishReason::kCancelled);
}

TEST_F(ModelManagerTest, DrainRefusesNewRequestsAndWaitsForLiveOnes) {
  Start();
  ASSERT_TRUE(manager_->Load(DemoSpec("a")).ok());
  ASSERT_TRUE(manager_->Load(DemoSpec("b", "Q4_0")).ok());
  const auto sink = StartGreedy(**manager_->Get("a"), 32);
  manager_->StartDrain();
  Request request;
  request.prompt = {1};
  EXPECT_EQ((*manager_->Get("b"))->engine().Submit(request, sink).status().code(),
            absl::StatusCode::kUnavailable);
  EXPECT_TRUE(manager_->AwaitIdle(absl::Seconds(60)));
  EXPECT_EQ(sink->Wait().usage.completion_tokens, 32);
}

TEST_F(ModelManagerTest, CancelAllEndsADrain) {
  Start();
  ASSERT_TRUE(manager_->Load(DemoSpec("a")).ok());
  const auto sink = StartBacklog(**manager_->Get("a"));
  manager_->StartDrain();
  EXPECT_FALSE(manager_->AwaitIdle(absl::ZeroDuration()));
  manager_->CancelAll();
  EXPECT_TRUE(manager_->AwaitIdle(absl::Seconds(60)));
  EXPECT_EQ(sink->Wait().reason, FinishReason::kCancelled);
}

TEST_F(ModelManagerTest, GetNamesTheModelsThereAre) {
  Start();
  EXPECT_THAT(std::string(manager_->Get("").status().message()), HasSubstr("no model is loaded"));
  ASSERT_TRUE(manager_->Load(DemoSpec("b")).ok());
  ASSERT_TRUE(manager_->Load(DemoSpec("a")).ok());
  const absl::Status ambiguous = manager_->Get("").status();
  EXPECT_EQ(ambiguous.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(ambiguous.message()), HasSubstr("a, b"));
  const absl::Status unknown = manager_->Get("c\n" + std::string(100000, 'x')).status();
  EXPECT_EQ(unknown.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(unknown.message()), HasSubstr("'c\\nxxx"));
  EXPECT_LT(unknown.message().size(), 500u);
  std::vector<std::string> names;
  for (const ModelStatus& status : manager_->List()) names.push_back(status.name);
  EXPECT_THAT(names, ElementsAre("a", "b"));
}

TEST_F(ModelManagerTest, ReplacedFileDoesNotTouchTheServedModel) {
  const std::string file = TempPath("model.gguf"), link = TempPath("link.gguf");
  std::filesystem::remove(file);
  std::filesystem::remove(link);
  ModelSpec spec = DemoSpec("demo");
  std::filesystem::copy_file(spec.path, file);
  std::filesystem::create_symlink(file, link);
  spec.path = link;
  Start();
  ASSERT_TRUE(manager_->Load(spec).ok());
  const auto model = *manager_->Get("demo");
  const auto before = StartGreedy(*model, 16);
  before->Wait();
  std::ofstream(file, std::ios::binary | std::ios::trunc) << "garbage";
  std::filesystem::remove(link);
  const auto after = StartGreedy(*model, 16);
  after->Wait();
  EXPECT_EQ(before->ids(), after->ids());
  std::filesystem::remove(file);
}

TEST_F(ModelManagerTest, ContextLimitReachesRequests) {
  Start();
  ModelSpec spec = DemoSpec("demo");
  spec.max_context = 16;
  ASSERT_TRUE(manager_->Load(spec).ok());
  Request request;
  request.prompt.assign(17, 1);
  const auto id =
      (*manager_->Get("demo"))->engine().Submit(request, std::make_shared<RecordingSink>());
  EXPECT_EQ(id.status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(ModelManagerTest, RandomOperationsFromManyThreadsKeepTheStatesStraight) {
  ModelManager::Options options;
  options.unload_drain = absl::Milliseconds(5);
  Start(options);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([this, t] {
      const std::string name = t % 2 == 0 ? "a" : "b";
      for (int i = 0; i < 6; ++i) {
        (void)manager_->Load(DemoSpec(name, "Q4_0"));
        if (const auto model = manager_->Get(name); model.ok()) {
          Request request;
          request.prompt = {1, 2, 3};
          request.max_tokens = 4;
          (void)(*model)->engine().Submit(request, std::make_shared<RecordingSink>(*model));
        }
        (void)manager_->List();
        (void)manager_->Unload(name);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const char* name : {"a", "b"}) {
    EXPECT_TRUE(manager_->Load(DemoSpec(name, "Q4_0")).ok());
    std::string last = "gone";
    for (const std::string& event : events()) {
      if (event[0] != name[0]) continue;
      const std::string state = event.substr(2);
      const std::string before = state == "READY"       ? "LOADING"
                                 : state == "UNLOADING" ? "READY"
                                                        : "UNLOADING";
      EXPECT_TRUE(last == before || (last == "gone" && state == "LOADING")) << last << " " << state;
      last = state;
    }
    EXPECT_EQ(last, "READY");
  }
}

TEST(ServedModelTest, ProgressRunsToTheEndAndCanCancel) {
  uint64_t last = 0, total = 0;
  LoadOptions options;
  options.progress = [&](const LoadProgress& progress) {
    EXPECT_GT(progress.done_bytes, last);
    last = progress.done_bytes;
    total = progress.total_bytes;
    return true;
  };
  const auto load = [&] {
    return ServedModel::Load(DemoSpec("demo"), SharedRuntime().kernels(), SharedRuntime().pool(),
                             options, nullptr);
  };
  EXPECT_TRUE(load().ok());
  EXPECT_EQ(last, total);
  options.progress = [](const LoadProgress& progress) {
    return progress.done_bytes < progress.total_bytes / 2;
  };
  EXPECT_EQ(load().status().code(), absl::StatusCode::kCancelled);
}

TEST(ServedModelTest, RefusesWhatTheMachineCannotHold) {
  ModelSpec spec = DemoSpec("demo");
  spec.kv_cache_bytes = int64_t{1} << 55;
  const auto model =
      ServedModel::Load(spec, SharedRuntime().kernels(), SharedRuntime().pool(), {}, nullptr);
  EXPECT_EQ(model.status().code(), absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace quantd
