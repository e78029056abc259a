#include "server/readiness.h"

#include <map>
#include <string>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace quantd {
namespace {

class FakeHealth : public grpc::HealthCheckServiceInterface {
 public:
  void SetServingStatus(const std::string& service, bool serving) override {
    services[service] = serving;
  }
  void SetServingStatus(bool) override {}
  std::map<std::string, bool> services;
};

ModelSpec Spec(const std::string& name) {
  ModelSpec spec;
  spec.name = name;
  return spec;
}

ModelStatus State(const std::string& name, ModelState state,
                  const absl::Status& error = absl::OkStatus()) {
  ModelStatus status;
  status.name = name;
  status.state = state;
  status.error = error;
  return status;
}

TEST(ReadinessTest, ReadyWhenEveryRequiredModelIs) {
  Readiness readiness({Spec("a"), Spec("b")});
  FakeHealth health;
  readiness.Bind(&health);
  EXPECT_EQ(health.services,
            (std::map<std::string, bool>{{"", false}, {"a", false}, {"b", false}}));
  EXPECT_EQ(readiness.AwaitSettled(absl::Milliseconds(1)).loading, 2);
  readiness.Update({State("a", ModelState::kReady)});
  EXPECT_EQ(readiness.AwaitSettled(absl::Milliseconds(1)).loading, 1);
  EXPECT_TRUE(health.services["a"]);
  EXPECT_FALSE(health.services[""]);
  EXPECT_THAT(readiness.Ready().message(), ::testing::HasSubstr("'b' is LOADING"));
  EXPECT_TRUE(absl::IsDeadlineExceeded(readiness.Await(absl::Milliseconds(1))));
  readiness.Update({State("a", ModelState::kReady), State("b", ModelState::kReady)});
  EXPECT_TRUE(health.services[""]);
  EXPECT_TRUE(readiness.Ready().ok());
  EXPECT_TRUE(readiness.Await(absl::ZeroDuration()).ok());
  EXPECT_EQ(readiness.AwaitSettled().loading, 0);
}

TEST(ReadinessTest, ModelsOfOthersDoNotCount) {
  Readiness readiness({Spec("a")});
  FakeHealth health;
  readiness.Bind(&health);
  readiness.Update({State("a", ModelState::kReady), State("x", ModelState::kFailed)});
  EXPECT_TRUE(health.services[""]);
  EXPECT_FALSE(health.services["x"]);
  readiness.Update({State("a", ModelState::kReady)});
  EXPECT_FALSE(health.services["x"]) << "known to gRPC for ever, but not serving";
}

TEST(ReadinessTest, FailureIsTheAnswerOfAwait) {
  Readiness readiness({Spec("a"), Spec("b")});
  readiness.SetFailed("a", absl::NotFoundError("no file"));
  EXPECT_EQ(readiness.Await(absl::InfiniteDuration()), absl::NotFoundError("no file"));
  readiness.Update({State("b", ModelState::kReady)});
  EXPECT_THAT(readiness.Ready().message(), ::testing::HasSubstr("no file"));
  const Daemon::LoadResult result = readiness.AwaitSettled();
  EXPECT_EQ(result.ready, 1);
  EXPECT_EQ(result.failed, 1);
}

TEST(ReadinessTest, AnUnloadedModelIsNotMissed) {
  Readiness readiness({Spec("a"), Spec("b")});
  FakeHealth health;
  readiness.Bind(&health);
  readiness.Update({State("a", ModelState::kReady), State("b", ModelState::kUnloading)});
  EXPECT_FALSE(health.services[""]);
  readiness.Update({State("a", ModelState::kReady)});
  readiness.Forget("b");
  EXPECT_TRUE(health.services[""]);
  EXPECT_FALSE(health.services["b"]);
}

TEST(ReadinessTest, DrainEndsEverything) {
  Readiness readiness({Spec("a")});
  FakeHealth health;
  readiness.Bind(&health);
  readiness.Update({State("a", ModelState::kReady)});
  Readiness waiting({Spec("never")});
  std::thread waiter([&] { EXPECT_TRUE(absl::IsUnavailable(waiting.Await(absl::Hours(1)))); });
  waiting.StartDrain();
  waiter.join();
  readiness.StartDrain();
  readiness.Update({State("a", ModelState::kReady)});
  EXPECT_FALSE(health.services[""] || health.services["a"]);
  EXPECT_TRUE(absl::IsUnavailable(readiness.Ready()));
  EXPECT_TRUE(readiness.AwaitSettled().draining);
}

}  // namespace
}  // namespace quantd
