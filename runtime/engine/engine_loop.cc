#include "runtime/engine/engine_loop.h"

#include <limits>

#include "absl/strings/str_cat.h"
#include "kernels/base/check.h"

namespace quantd {
namespace {

constexpr int64_t kIdle = std::numeric_limits<int64_t>::min();

Timings TimingsOf(const SequenceTimes& times, absl::Duration now) {
  Timings timings;
  timings.total = now - times.submitted;
  timings.queue = times.started.value_or(now) - times.submitted;
  if (times.started) timings.prefill = times.first_token.value_or(now) - *times.started;
  if (times.first_token) {
    timings.decode = now - *times.first_token;
    timings.time_to_first_token = *times.first_token - times.submitted;
  }
  return timings;
}

Usage UsageOf(const Sequence& sequence) {
  return {sequence.prompt_tokens, sequence.cached_prompt_tokens, sequence.output_tokens()};
}

}  // namespace

EngineLoop::EngineLoop(const EngineOptions& options, std::unique_ptr<Executor> executor,
                       std::unique_ptr<KvBlockPool> pool, const Clock* clock,
                       EngineObserver* observer, Inbox* inbox, Outbox* outbox)
    : options_(options),
      executor_(std::move(executor)),
      pool_(std::move(pool)),
      clock_(clock),
      observer_(observer),
      inbox_(inbox),
      outbox_(outbox),
      index_(pool_.get()),
      scheduler_({options.max_sequences, options.step_token_budget, options.prefix_cache}, &index_),
      sign_of_life_ns_(kIdle) {
  Report();  // the first snapshot
  sign_of_life_ns_ = kIdle;
}

void EngineLoop::Run() {
  bool stopping = false;
  while (!stopping && !failed_) {
    if (sequences_.empty()) sign_of_life_ns_ = kIdle;
    Inbox::Mail mail = inbox_->Drain(/*wait=*/sequences_.empty());
    now_ = clock_->Monotonic();
    sign_of_life_ns_ = absl::ToInt64Nanoseconds(now_);

    Admit(std::move(mail.arrivals));
    RetireCancelledAndExpired(mail.cancelled);
    stopping = mail.stop;
    if (stopping) RetireAll(FinishReason::kCancelled, absl::CancelledError("shutting down"));
    const StepPlan plan = scheduler_.Plan();
    QUANTD_CHECK(!plan.empty() || sequences_.empty(),
                 "a turn without progress would repeat forever");
    if (!plan.empty()) RunStep(plan);
    Report();
  }
  sign_of_life_ns_ = kIdle;
}

bool EngineLoop::alive() const {
  if (failed_) return false;
  const int64_t last_ns = sign_of_life_ns_;
  if (last_ns == kIdle || options_.watchdog == absl::ZeroDuration()) return true;
  return clock_->Monotonic() - absl::Nanoseconds(last_ns) <= options_.watchdog;
}

void EngineLoop::Admit(std::vector<std::unique_ptr<Sequence>> arrivals) {
  for (std::unique_ptr<Sequence>& sequence : arrivals) {
    if (sequence->deadline) deadlines_.emplace(*sequence->deadline, sequence->number);
    scheduler_.Add(sequence.get());
    ++not_started_;
    sequences_.emplace(sequence->number, std::move(sequence));
  }
}

void EngineLoop::RetireCancelledAndExpired(const absl::flat_hash_set<uint64_t>& cancelled) {
  for (uint64_t number : cancelled) {
    // One that ended before its cancellation was read is not there any more.
    if (!sequences_.contains(number)) continue;
    EndFromOutside(number, FinishReason::kCancelled, absl::CancelledError("request cancelled"));
  }
  while (!deadlines_.empty() && deadlines_.begin()->first <= now_) {
    EndFromOutside(deadlines_.begin()->second, FinishReason::kDeadline,
                   absl::DeadlineExceededError("the request's deadline has passed"));
  }
}

void EngineLoop::RetireAll(FinishReason reason, const absl::Status& status) {
  while (!sequences_.empty()) EndFromOutside(sequences_.begin()->first, reason, status);
}

void EngineLoop::RunStep(const StepPlan& plan) {
  const CommittedStep& step = scheduler_.Commit(plan);
  for (ScheduledState* state : step.started) {
    auto* sequence = static_cast<Sequence*>(state);
    sequence->times.started = now_;
    ++changes_.left_queue;
    changes_.left_queue_tokens += sequence->prompt_tokens;
    outbox_->Start(sequence->channel, UsageOf(*sequence));
  }
  Report();  // the step may take long
  const absl::Duration began = clock_->Monotonic();
  executor_->Submit(step.batch, pool_->view());
  absl::StatusOr<absl::Span<float>> logits = executor_->AwaitPrevious();
  const absl::Duration turn_began = std::exchange(now_, clock_->Monotonic());
  ++steps_;
  if (!logits.ok()) return Fail(logits.status());
  stats_ = StepStats();
  stats_.execute = now_ - began;
  Apply(step, *logits);
  stats_.total = clock_->Monotonic() - turn_began;
  if (observer_ != nullptr) observer_->OnStep(stats_);
}

void EngineLoop::Apply(const CommittedStep& step, absl::Span<float> logits) {
  const auto vocab = static_cast<size_t>(executor_->limits().vocab);
  QUANTD_CHECK(logits.size() == step.batch.logit_rows.size() * vocab,
               "the executor gives one row of logits per row asked for");
  scheduler_.MarkComputed();
  stats_.sequences = static_cast<int32_t>(step.entries.size());
  stats_.preemptions = step.preemptions;
  stats_.cached_prompt_tokens = step.cached_prompt_tokens;
  stats_.prefix_query_tokens = step.prefix_query_tokens;
  for (const CommittedStep::Entry& entry : step.entries) {
    (entry.decode ? stats_.decode_tokens : stats_.prefill_tokens) += entry.rows;
    if (entry.logits < 0) continue;
    Advance(static_cast<Sequence*>(entry.sequence), logits.subspan(entry.logits * vocab, vocab));
  }
}

void EngineLoop::Advance(Sequence* sequence, absl::Span<float> logits) {
  // The sampler overwrites the logits.
  if (sequence->want_prompt_logits && sequence->output_tokens() == 0) {
    sequence->prompt_logits.assign(logits.begin(), logits.end());
  }
  absl::StatusOr<GeneratedToken> token = sampler_.Sample(
      logits, {sequence->sampling, sequence->counts, sequence->generation.BannedNext(),
               sequence->seed, sequence->output_tokens()});
  if (!token.ok()) {
    return EndFromOutside(sequence->number, FinishReason::kError, token.status());
  }
  RecordToken(sequence, token->id);
  Generation::Step step = sequence->generation.Accept(*std::move(token));
  outbox_->Push(sequence->channel, std::move(step.delta));
  if (!step.finish) return;
  Finish finish;
  finish.reason = *step.finish;
  finish.matched_stop = std::move(step.matched_stop);
  finish.matched_stop_id = step.matched_stop_id;
  Retire(sequence, std::move(finish));
}

void EngineLoop::RecordToken(Sequence* sequence, int32_t id) {
  sequence->tokens.push_back(id);
  if (NeedsCounts(sequence->sampling)) sequence->counts.AddOutput(id);
  SequenceTimes& times = sequence->times;
  if (times.first_token) {
    stats_.inter_token_latency.push_back(now_ - times.last_token);
  } else {
    times.first_token = now_;
    stats_.first_token_latency.push_back(now_ - times.submitted);
  }
  times.last_token = now_;
}

void EngineLoop::Fail(const absl::Status& status) {
  failed_ = true;
  inbox_->Close(absl::UnavailableError(absl::StrCat("the device failed: ", status.message())));
  // Closed: what is in the inbox now is the last to come.
  Admit(inbox_->Drain(/*wait=*/false).arrivals);
  RetireAll(FinishReason::kError, status);
}

void EngineLoop::EndFromOutside(uint64_t number, FinishReason reason, const absl::Status& status) {
  Sequence* sequence = sequences_.at(number).get();
  std::string rest = sequence->generation.Flush();
  if (!rest.empty()) outbox_->Push(sequence->channel, {{}, std::move(rest)});
  Finish finish;
  finish.reason = reason;
  // A copy of its own: statuses share their text, and this one goes to another thread.
  finish.status = absl::Status(status.code(), status.message());
  Retire(sequence, std::move(finish));
}

void EngineLoop::Retire(Sequence* sequence, Finish finish) {
  scheduler_.Remove(sequence);
  finish.usage = UsageOf(*sequence);
  finish.timings = TimingsOf(sequence->times, now_);
  finish.prompt_logits = std::move(sequence->prompt_logits);
  if (observer_ != nullptr) observer_->OnFinish(finish);
  outbox_->Finish(sequence->channel, std::move(finish));
  if (!sequence->started) {
    ++changes_.left_queue;
    changes_.left_queue_tokens += sequence->prompt_tokens;
  }
  changes_.retired.push_back(std::move(sequence->id));
  if (sequence->deadline) deadlines_.erase({*sequence->deadline, sequence->number});
  sequences_.erase(sequence->number);
}

// Makes changes and events visible to others, in this order: who hears of a Finish finds the id
// free and the blocks given back.
void EngineLoop::Report() {
  sign_of_life_ns_ = absl::ToInt64Nanoseconds(clock_->Monotonic());
  EngineSnapshot& state = changes_.state;
  state.running = scheduler_.running();
  // The inbox counts those that have not started; the preempted ones come on top.
  not_started_ -= changes_.left_queue;
  state.waiting = scheduler_.waiting() - not_started_;
  state.kv_blocks_total = pool_->total_blocks();
  state.kv_blocks_used = index_.used_blocks();
  state.kv_blocks_cached = index_.idle_blocks();
  state.steps = steps_;
  inbox_->Update(std::exchange(changes_, {}));
  outbox_->Publish();
}

}  // namespace quantd
