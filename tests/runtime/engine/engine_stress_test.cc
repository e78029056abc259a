#include <algorithm>
#include <atomic>
#include <deque>
#include <random>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "runtime/engine/engine.h"
#include "tests/runtime/engine/fakes.h"

namespace quantd {
namespace {

constexpr int kContext = 300;
constexpr int kBlocks = 10;  // barely one sequence of full context

Request RandomRequest(std::mt19937& rng) {
  Request r;
  // Few families of prompts, so that prefixes are shared.
  const int family = rng() % 4;
  const int length = rng() % 4 == 0 ? 1 + rng() % 250 : 1 + rng() % 40;
  for (int i = 0; i < length; ++i) r.prompt.push_back(1 + (i * 5 + family * 11) % 60);
  if (rng() % 2) r.prompt.back() = 1 + rng() % 60;
  r.max_tokens = 1 + rng() % 120;
  r.ignore_eos = rng() % 2;
  r.priority = static_cast<int>(rng() % 3) - 1;
  r.sampling.temperature = rng() % 2 ? 0.0f : 1.0f;
  if (r.sampling.temperature > 0) {
    r.sampling.seed = rng();
    r.sampling.top_k = rng() % 3 ? 0 : 10;
    r.sampling.presence_penalty = rng() % 3 ? 0.0f : 0.5f;
  }
  if (rng() % 4 == 0) r.stop = {"a", "bc"};
  if (rng() % 4 == 0) r.cache_salt = "salt";
  if (rng() % 5 == 0) r.deadline = absl::Now() + absl::Microseconds(rng() % 5000);
  return r;
}

struct Live {
  std::shared_ptr<RecordingSink> sink;
  Request request;
};

// Greedy outputs that were not cut short must be exactly the model's.
void CheckOutput(const Live& live) {
  const Finish& finish = *live.sink->finish_;
  const bool complete =
      finish.reason == FinishReason::kStop || finish.reason == FinishReason::kLength;
  ASSERT_EQ(complete, finish.status.ok());
  ASSERT_NE(finish.reason, FinishReason::kError) << finish.status;
  if (live.request.sampling.temperature > 0) return;
  const int room = kContext - static_cast<int>(live.request.prompt.size());
  const auto expected = GreedyReference(
      live.request.prompt, std::min(live.request.max_tokens, room), live.request.ignore_eos);
  const auto& got = live.sink->ids_;
  ASSERT_LE(got.size(), expected.size());
  ASSERT_TRUE(std::equal(got.begin(), got.end(), expected.begin()));
  if (complete && live.request.stop.empty()) {
    ASSERT_EQ(got.size(), expected.size());
  }
}

// One client: submits, cancels some at random moments, waits for some.
void RunClient(Engine* engine, int client, int requests, std::atomic<int>* refused) {
  std::mt19937 rng(client);
  std::deque<Live> open;
  for (int i = 0; i < requests; ++i) {
    Live live{std::make_shared<RecordingSink>(), RandomRequest(rng)};
    live.request.id = absl::StrCat(client, "-", i % 50);
    const auto id = engine->Submit(live.request, live.sink);
    if (id.ok()) {
      open.push_back(std::move(live));
    } else {
      const bool expected = id.status().code() == absl::StatusCode::kResourceExhausted ||
                            id.status().code() == absl::StatusCode::kAlreadyExists;
      ASSERT_TRUE(expected) << id.status();
      ++*refused;
    }
    if (rng() % 4 == 0) engine->Cancel(absl::StrCat(client, "-", rng() % 50));
    if (rng() % 1000 == 0) engine->CancelAll();
    while (open.size() > rng() % 12) {
      open.front().sink->AwaitFinish();
      CheckOutput(open.front());
      open.pop_front();
    }
  }
  for (const Live& live : open) {
    live.sink->AwaitFinish();
    CheckOutput(live);
  }
}

class CountFinishes : public EngineObserver {
 public:
  void OnStep(const StepStats& step) override { preemptions += step.preemptions; }
  void OnFinish(const Finish&) override { ++finishes; }
  void OnReject(const absl::Status&) override { ++rejects; }
  std::atomic<int> finishes = 0, rejects = 0, preemptions = 0;
};

TEST(EngineStressTest, RandomRequestsOnATinyPool) {
  constexpr int kClients = 4, kRequests = 1200;
  FakeTokenizer tokenizer;
  CountFinishes observer;
  EngineOptions options;
  options.max_sequences = 8;
  options.step_token_budget = 48;
  options.max_queued_requests = 20;
  auto engine = Engine::Create(
      options, std::make_unique<HistoryExecutor>(kContext, kBlocks, HistoryExecutor::Hooks{}),
      std::move(KvBlockPool::Create(kFakeLayout, kBlocks)).value(), &tokenizer, &observer);
  ASSERT_TRUE(engine.ok()) << engine.status();
  std::atomic<int> refused = 0;
  std::vector<std::thread> clients;
  for (int c = 0; c < kClients; ++c) {
    clients.emplace_back([&, c] { RunClient(engine->get(), c, kRequests, &refused); });
  }
  for (std::thread& client : clients) client.join();
  ASSERT_TRUE((*engine)->AwaitIdle(absl::Seconds(60)));
  const EngineSnapshot s = (*engine)->Snapshot();
  EXPECT_EQ(s.running + s.waiting, 0);
  EXPECT_EQ(s.waiting_tokens, 0);
  EXPECT_EQ(s.kv_blocks_used, 0);
  EXPECT_GT(s.kv_blocks_cached, 0);
  EXPECT_TRUE(s.alive);
  EXPECT_EQ(observer.finishes, kClients * kRequests - refused);
  EXPECT_EQ(observer.rejects, refused);
  EXPECT_GT(observer.preemptions, 10);
}

}  // namespace
}  // namespace quantd
