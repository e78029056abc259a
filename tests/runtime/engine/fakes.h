#ifndef QUANTD_TESTS_RUNTIME_ENGINE_FAKES_H_
#define QUANTD_TESTS_RUNTIME_ENGINE_FAKES_H_

#include <atomic>
#include <condition_variable>
#include <cstring>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "runtime/engine/clock.h"
#include "runtime/engine/engine.h"
#include "runtime/engine/executor.h"
#include "runtime/tokenizer/tokenizer.h"

namespace quantd {

inline constexpr int kFakeVocab = 64;
inline constexpr int32_t kFakeEos = 0;
/// 256 bytes a block: room for one 4-byte value per token, and some to spare.
inline constexpr KvLayout kFakeLayout{KvType::kF32, 1, 1, 1};

/// Ids 1 to 26 are letters, 27 a space, 28 to 53 two letters, 60 and 61 the two parts of a euro
/// sign; 0 ends a generation.
class FakeTokenizer : public Tokenizer {
 public:
  FakeTokenizer() {
    types_.assign(kFakeVocab, TokenType::kNormal);
    types_[kFakeEos] = TokenType::kControl;
    end_ids_ = {kFakeEos};
    eos_ = kFakeEos;
  }

  std::string TokenBytes(int32_t id) const override {
    if (id >= 1 && id <= 26) return std::string(1, static_cast<char>('a' + id - 1));
    if (id == 27) return " ";
    if (id >= 28 && id <= 53) return {static_cast<char>('a' + id - 28), 'a'};
    if (id == 60) return "\xE2\x82";
    if (id == 61) return "\xAC";
    return id > 53 && id < kFakeVocab ? "#" : "";
  }

 protected:
  void EncodeStretch(const Stretch&, std::vector<int32_t>*) const override {}
};

/// Stands still until told to move.
class FakeClock : public Clock {
 public:
  absl::Duration Monotonic() const override { return absl::Nanoseconds(now_ns_.load()); }
  absl::Time Wall() const override {
    return absl::FromUnixSeconds(1'000'000) + absl::Nanoseconds(wall_ns_.load());
  }
  bool WaitFor(std::condition_variable& changed, std::unique_lock<std::mutex>& lock,
               absl::Duration timeout, absl::FunctionRef<bool()> done) const override {
    return Clock::Real().WaitFor(changed, lock, timeout, done);
  }

  void Advance(absl::Duration by) {
    now_ns_ += absl::ToInt64Nanoseconds(by);
    wall_ns_ += absl::ToInt64Nanoseconds(by);
  }
  void JumpWall(absl::Duration by) { wall_ns_ += absl::ToInt64Nanoseconds(by); }

 private:
  std::atomic<int64_t> now_ns_{0}, wall_ns_{0};
};

/// A pseudo-random logit for each token that may follow a history, in [-4, 4).
inline float FakeLogit(uint64_t history_hash, int32_t id) {
  uint64_t x = (history_hash ^ (static_cast<uint64_t>(id) + 1) * 0x9e3779b97f4a7c15u);
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return static_cast<float>((x ^ (x >> 31)) >> 40) * 0x1.0p-21f - 4.0f;
}

inline uint64_t HashStep(uint64_t hash, int32_t token) {
  return (hash ^ static_cast<uint64_t>(token + 1)) * 0x100000001b3u + 0x9e37u;
}

inline uint64_t HashHistory(absl::Span<const int32_t> tokens) {
  uint64_t hash = 1;
  for (int32_t token : tokens) hash = HashStep(hash, token);
  return hash;
}

/// What greedy decoding of the fake model gives, computed without an engine.
inline std::vector<int32_t> GreedyReference(std::vector<int32_t> tokens, int max_tokens,
                                            bool ignore_eos = false) {
  std::vector<int32_t> output;
  while (static_cast<int>(output.size()) < max_tokens) {
    const uint64_t hash = HashHistory(tokens);
    int32_t best = 0;
    for (int32_t id = 1; id < kFakeVocab; ++id) {
      if (FakeLogit(hash, id) > FakeLogit(hash, best)) best = id;
    }
    output.push_back(best);
    tokens.push_back(best);
    if (best == kFakeEos && !ignore_eos) break;
  }
  return output;
}

/// A model whose logits depend on every token of the sequence. It keeps them in the KV blocks, so
/// a wrong, stale or shared block changes the output, and checks each batch it is given.
class HistoryExecutor : public Executor {
 public:
  struct Hooks {
    /// Before a step is computed, on the engine thread.
    std::function<void(const Batch&)> before;
    /// May spoil the logits of a sequence's row.
    std::function<void(uint64_t sequence_id, int32_t position, absl::Span<float>)> spoil;
    /// The result of the step as a whole.
    std::function<absl::Status()> status;
  };

  HistoryExecutor(int32_t context, int32_t blocks, Hooks hooks)
      : context_(context), blocks_(blocks), hooks_(std::move(hooks)) {}

  ExecutorLimits limits() const override { return {kFakeVocab, context_}; }

  void Submit(const Batch& batch, const KvView& kv) override {
    if (hooks_.before) hooks_.before(batch);
    Check(batch);
    for (const BatchSequence& s : batch.sequences) {
      for (int32_t i = 0; i < s.rows; ++i) {
        const int32_t position = s.context + i;
        const int32_t token = batch.tokens[s.first_row + i];
        const int64_t value = int64_t{position} << 32 | token;
        std::memcpy(Slot(kv, s, position), &value, sizeof(value));
      }
    }
    logits_.resize(batch.logit_rows.size() * kFakeVocab);
    for (size_t i = 0; i < batch.logit_rows.size(); ++i) ComputeLogits(batch, kv, i);
  }

  absl::StatusOr<absl::Span<float>> AwaitPrevious() override {
    if (hooks_.status) {
      if (absl::Status status = hooks_.status(); !status.ok()) return status;
    }
    return absl::MakeSpan(logits_);
  }

 private:
  static std::byte* Slot(const KvView& kv, const BatchSequence& s, int32_t position) {
    const int32_t block = s.blocks[position / kKvBlockTokens];
    return kv.base + block * kv.layout.block_bytes() + position % kKvBlockTokens * 8;
  }

  void Check(const Batch& batch) const {
    ASSERT_GT(batch.rows(), 0);
    ASSERT_EQ(batch.positions.size(), batch.tokens.size());
    int32_t next_row = 0;
    std::vector<int> written(blocks_);
    for (const BatchSequence& s : batch.sequences) {
      ASSERT_EQ(s.first_row, next_row);
      ASSERT_GE(s.rows, 1);
      next_row += s.rows;
      ASSERT_EQ(static_cast<int64_t>(s.blocks.size()), KvBlocksFor(s.context + s.rows));
      ASSERT_LE(s.context + s.rows, context_);
      for (int32_t i = 0; i < s.rows; ++i) {
        ASSERT_EQ(batch.positions[s.first_row + i], s.context + i);
      }
      for (size_t b = s.context / kKvBlockTokens; b < s.blocks.size(); ++b) {
        ASSERT_EQ(written[s.blocks[b]]++, 0) << "two sequences write block " << s.blocks[b];
      }
      for (int32_t block : s.blocks) {
        ASSERT_GE(block, 0);
        ASSERT_LT(block, blocks_);
      }
    }
    ASSERT_EQ(next_row, batch.rows());
    ASSERT_TRUE(std::is_sorted(batch.logit_rows.begin(), batch.logit_rows.end()));
  }

  void ComputeLogits(const Batch& batch, const KvView& kv, size_t index) {
    const int32_t row = batch.logit_rows[index];
    for (const BatchSequence& s : batch.sequences) {
      if (row < s.first_row || row >= s.first_row + s.rows) continue;
      const int32_t position = s.context + row - s.first_row;
      uint64_t hash = 1;
      for (int32_t p = 0; p <= position; ++p) {
        int64_t value;
        std::memcpy(&value, Slot(kv, s, p), sizeof(value));
        EXPECT_EQ(value >> 32, p) << "the block holds another position";
        hash = HashStep(hash, static_cast<int32_t>(value));
      }
      const auto out = absl::MakeSpan(logits_).subspan(index * kFakeVocab, kFakeVocab);
      for (int32_t id = 0; id < kFakeVocab; ++id) out[id] = FakeLogit(hash, id);
      if (hooks_.spoil) hooks_.spoil(s.sequence_id, position, out);
    }
  }

  const int32_t context_, blocks_;
  const Hooks hooks_;
  std::vector<float> logits_;
};

/// Keeps every event of one request, and fails the test when their order is wrong.
class RecordingSink : public ResponseSink {
 public:
  void OnStart(const Usage& usage) override {
    std::lock_guard<std::mutex> lock(mutex_);
    EXPECT_EQ(starts_++, 0);
    EXPECT_EQ(deltas_, 0);
    EXPECT_FALSE(finish_.has_value());
    start_usage_ = usage;
    changed_.notify_all();
  }
  void OnDelta(Delta delta) override {
    std::lock_guard<std::mutex> lock(mutex_);
    EXPECT_EQ(starts_, 1);
    EXPECT_FALSE(finish_.has_value());
    ++deltas_;
    text_ += delta.text;
    for (GeneratedToken& token : delta.tokens) {
      ids_.push_back(token.id);
      tokens_.push_back(std::move(token));
    }
    changed_.notify_all();
  }
  void OnFinish(Finish finish) override {
    std::lock_guard<std::mutex> lock(mutex_);
    EXPECT_FALSE(finish_.has_value()) << "a second Finish";
    EXPECT_EQ(finish.usage.completion_tokens, static_cast<int>(ids_.size()));
    finish_ = std::move(finish);
    changed_.notify_all();
  }

  /// Waits (a minute at most) until `done` holds; the members may be read in it.
  bool Await(const std::function<bool(const RecordingSink&)>& done) {
    std::unique_lock<std::mutex> lock(mutex_);
    return changed_.wait_for(lock, std::chrono::minutes(1), [&] { return done(*this); });
  }
  Finish AwaitFinish() {
    EXPECT_TRUE(Await([](const RecordingSink& s) { return s.finish_.has_value(); }));
    std::lock_guard<std::mutex> lock(mutex_);
    return finish_.value_or(Finish{FinishReason::kError, absl::UnknownError("no finish came")});
  }

  // Stable once AwaitFinish has returned.
  std::vector<int32_t> ids_;
  std::vector<GeneratedToken> tokens_;
  std::string text_;
  Usage start_usage_;
  int starts_ = 0, deltas_ = 0;
  std::optional<Finish> finish_;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
};

/// Opened once; lets a fake executor stop in the middle of a step.
class Gate {
 public:
  void Open() {
    std::lock_guard<std::mutex> lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  /// Returns at once when open; else notes that somebody waits, and waits.
  void Pass() {
    std::unique_lock<std::mutex> lock(mutex_);
    ++waiting_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
  }
  void AwaitWaiter() {
    std::unique_lock<std::mutex> lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, std::chrono::minutes(1), [this] { return waiting_ > 0; }));
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
  int waiting_ = 0;
};

}  // namespace quantd

#endif  // QUANTD_TESTS_RUNTIME_ENGINE_FAKES_H_
