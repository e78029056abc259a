#include "runtime/engine/engine.h"

#include <random>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kernels/base/check.h"
#include "kernels/base/status_macros.h"
#include "runtime/engine/engine_loop.h"
#include "runtime/engine/inbox.h"
#include "runtime/engine/outbox.h"
#include "runtime/engine/request_limits.h"

namespace quantd {
namespace {

absl::Status CheckAtLeast(absl::string_view option, int64_t value, int64_t low,
                          absl::string_view why) {
  if (value >= low) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(option, ": ", value, " is less than ", low, why));
}

absl::Status CheckOptions(const EngineOptions& options) {
  QUANTD_RETURN_IF_ERROR(CheckAtLeast("max_sequences", options.max_sequences, 1, ""));
  QUANTD_RETURN_IF_ERROR(
      CheckAtLeast("step_token_budget", options.step_token_budget, options.max_sequences,
                   " (max_sequences): a step has a row for each sequence that is decoding"));
  QUANTD_RETURN_IF_ERROR(CheckAtLeast("max_queued_requests", options.max_queued_requests, 1, ""));
  QUANTD_RETURN_IF_ERROR(CheckAtLeast("max_queued_tokens", options.max_queued_tokens, 1, ""));
  if (options.watchdog < absl::ZeroDuration()) {
    return absl::InvalidArgumentError("watchdog: is negative; 0 turns it off");
  }
  return absl::OkStatus();
}

absl::Status CheckModel(const ExecutorLimits& limits, const Tokenizer& tokenizer) {
  QUANTD_RETURN_IF_ERROR(CheckAtLeast("vocab", limits.vocab, 1, ""));
  QUANTD_RETURN_IF_ERROR(CheckAtLeast("context", limits.context, 1, ""));
  for (int32_t id : tokenizer.end_ids()) {
    if (id < 0 || id >= limits.vocab) {
      return absl::InvalidArgumentError(absl::StrCat(
          "tokenizer: end token ", id, " is not in the model's vocabulary of ", limits.vocab));
    }
  }
  return absl::OkStatus();
}

uint64_t RandomSeed() {
  std::random_device device;
  return (uint64_t{device()} << 32) | device();
}

}  // namespace

struct Engine::Impl {
  Impl(const EngineOptions& options, std::unique_ptr<Executor> executor,
       std::unique_ptr<KvBlockPool> pool, const Tokenizer* tokenizer, EngineObserver* observer,
       const Clock* clock)
      : tokenizer(tokenizer),
        observer(observer),
        clock(clock),
        limits{executor->limits().vocab, executor->limits().context,
               int64_t{pool->total_blocks()} * kKvBlockTokens},
        inbox(options.max_queued_requests, options.max_queued_tokens),
        outbox([this] { inbox.NoteDelivered(); }),
        loop(options, std::move(executor), std::move(pool), clock, observer, &inbox, &outbox),
        thread([this] { loop.Run(); }) {}

  std::unique_ptr<Sequence> MakeSequence(Request request, std::shared_ptr<ResponseSink> sink) const;

  const Tokenizer* const tokenizer;
  EngineObserver* const observer;
  const Clock* const clock;
  const ModelLimits limits;
  Inbox inbox;
  Outbox outbox;  // its destructor delivers what is left, so it goes before the inbox
  EngineLoop loop;
  std::thread thread;  // last: it runs the loop
};

std::unique_ptr<Sequence> Engine::Impl::MakeSequence(Request request,
                                                     std::shared_ptr<ResponseSink> sink) const {
  auto sequence = std::make_unique<Sequence>(request, OutputLimit(request, limits), tokenizer);
  const absl::Duration now = clock->Monotonic();
  sequence->times.submitted = now;
  if (request.deadline != absl::InfiniteFuture()) {
    sequence->deadline = now + (request.deadline - clock->Wall());
  }
  sequence->id = std::move(request.id);
  sequence->priority = request.priority;
  sequence->cache_salt = std::move(request.cache_salt);
  sequence->tokens = std::move(request.prompt);
  sequence->prompt_tokens = static_cast<int32_t>(sequence->tokens.size());
  sequence->sampling = std::move(request.sampling);
  sequence->seed = sequence->sampling.seed ? *sequence->sampling.seed : RandomSeed();
  if (NeedsCounts(sequence->sampling)) {
    for (int32_t id : sequence->tokens) sequence->counts.AddPrompt(id);
  }
  sequence->want_prompt_logits = request.want_prompt_logits;
  sequence->channel = Outbox::Open(std::move(sink));
  return sequence;
}

Engine::Engine() = default;

absl::StatusOr<std::unique_ptr<Engine>> Engine::Create(const EngineOptions& options,
                                                       std::unique_ptr<Executor> executor,
                                                       std::unique_ptr<KvBlockPool> pool,
                                                       const Tokenizer* tokenizer,
                                                       EngineObserver* observer,
                                                       const Clock* clock) {
  QUANTD_RETURN_IF_ERROR(CheckOptions(options));
  QUANTD_RETURN_IF_ERROR(CheckModel(executor->limits(), *tokenizer));
  std::unique_ptr<Engine> engine(new Engine());
  engine->impl_ = std::make_unique<Impl>(options, std::move(executor), std::move(pool), tokenizer,
                                         observer, clock != nullptr ? clock : &Clock::Real());
  return engine;
}

Engine::~Engine() {
  impl_->inbox.Close(absl::UnavailableError("the model is being unloaded"));
  impl_->inbox.Stop();
  impl_->thread.join();
}

absl::StatusOr<std::string> Engine::Submit(Request request, std::shared_ptr<ResponseSink> sink) {
  QUANTD_CHECK(sink != nullptr, "a request's Finish must reach somebody");
  absl::Status valid = ValidateRequest(request, impl_->limits);
  absl::StatusOr<std::string> id =
      valid.ok() ? impl_->inbox.Push(impl_->MakeSequence(std::move(request), std::move(sink)))
                 : absl::StatusOr<std::string>(std::move(valid));
  if (!id.ok() && impl_->observer != nullptr) impl_->observer->OnReject(id.status());
  return id;
}

bool Engine::Cancel(const std::string& id) { return impl_->inbox.Cancel(id); }

void Engine::StartDrain() {
  impl_->inbox.Close(absl::UnavailableError("draining: no new requests are taken"));
}

bool Engine::AwaitIdle(absl::Duration timeout) {
  return impl_->inbox.AwaitIdle(*impl_->clock, timeout);
}

void Engine::CancelAll() { impl_->inbox.CancelAll(); }

EngineSnapshot Engine::Snapshot() const {
  EngineSnapshot snapshot = impl_->inbox.Snapshot();
  snapshot.alive = impl_->loop.alive();
  return snapshot;
}

}  // namespace quantd
