#include "server/generation_call.h"

#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "kernels/base/status_macros.h"
#include "server/convert.h"
#include "server/logging.h"
#include "server/status_mapping.h"

namespace quantd {
namespace {

// Advice to clients that a full queue turned away: about the time of a short generation.
constexpr absl::Duration kRetryDelay = absl::Seconds(1);

// Not guessable, so that nobody aborts a stranger's request by trying numbers.
std::string MakeRequestId() {
  std::random_device random;
  return absl::StrFormat("req-%08x%08x%08x", random(), random(), random());
}

absl::Status AdviseRetry(absl::Status status) {
  return absl::IsResourceExhausted(status) || absl::IsUnavailable(status)
             ? WithRetryDelay(std::move(status), kRetryDelay)
             : status;
}

}  // namespace

GenerationCall::GenerationCall(const ServiceContext& context, const v1::GenerateRequest* request,
                               absl::Time deadline, std::unique_ptr<GenerationOutput> output)
    : context_(context),
      request_(request),
      deadline_(deadline),
      output_(std::move(output)),
      id_(request->request_id().empty() ? MakeRequestId() : request->request_id()),
      logprobs_(request->has_logprobs()) {}

void GenerationCall::Start(const absl::Status& admitted) {
  absl::Status status = admitted;
  if (status.ok()) status = CheckRequest(*request_);
  if (status.ok()) {
    status = context_.calls.Begin(id_, shared_from_this());
    registered_ = status.ok();
  }
  if (status.ok()) {
    status =
        AdviseRetry(context_.tokenizing.Post(static_cast<int64_t>(request_->ByteSizeLong()),
                                             [self = shared_from_this()] { self->Prepare(); }));
  }
  if (!status.ok()) End(status, std::nullopt, "");
}

void GenerationCall::Cancel() {
  std::shared_ptr<ServedModel> model;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    cancelled_ = true;
    model = model_;
  }
  // Before model_ is set Prepare finds the flag.
  if (model != nullptr) model->engine().Cancel(id_);
}

absl::Status GenerationCall::CheckLive() {
  if (absl::Now() >= deadline_) {
    return absl::DeadlineExceededError("the deadline passed before the request was computed");
  }
  std::lock_guard<std::mutex> lock(mutex_);
  return cancelled_ ? absl::CancelledError("the request was cancelled") : absl::OkStatus();
}

void GenerationCall::Prepare() {
  const absl::Status status = Submit();
  if (!status.ok()) End(status, std::nullopt, "");
}

absl::Status GenerationCall::Submit() {
  QUANTD_RETURN_IF_ERROR(CheckLive());
  auto found = context_.models.Get(request_->model());
  if (!found.ok()) return AdviseRetry(found.status());
  const std::shared_ptr<ServedModel> model = *std::move(found);
  model_name_ = model->spec().name;

  QUANTD_ASSIGN_OR_RETURN(Request request,
                          ToEngineRequest(*request_, model->tokenizer(), model->chat_template()));
  QUANTD_RETURN_IF_ERROR(CheckLive());
  request.id = id_;
  request.deadline = deadline_;
  prompt_ = request.prompt;

  const absl::Status submitted =
      model->engine().Submit(std::move(request), shared_from_this()).status();
  if (!submitted.ok()) return AdviseRetry(NameClientField(submitted, *request_));
  bool cancelled = false;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    // A short generation may be over by now.
    if (!ended_) model_ = model;
    cancelled = cancelled_;
  }
  if (cancelled) model->engine().Cancel(id_);
  return absl::OkStatus();
}

void GenerationCall::OnStart(const Usage& prompt_usage) {
  v1::PromptInfo info;
  info.set_request_id(id_);
  info.set_model(model_name_);
  info.set_prompt_tokens(prompt_usage.prompt_tokens);
  info.set_cached_prompt_tokens(prompt_usage.cached_prompt_tokens);
  info.mutable_token_ids()->Add(prompt_.begin(), prompt_.end());
  output_->Prompt(std::move(info));
}

void GenerationCall::OnDelta(Delta delta) {
  if (too_slow_ || output_->Delta(ToProto(delta, logprobs_))) return;
  too_slow_ = true;
  Cancel();
}

void GenerationCall::OnFinish(Finish finish) {
  absl::Status status = finish.status;
  if (too_slow_) {
    status = absl::ResourceExhaustedError(absl::StrCat("the stream was read too slowly: more than ",
                                                       context_.config.grpc.stream_buffer_bytes,
                                                       " bytes were waiting"));
  } else if (finish.reason == FinishReason::kCancelled && absl::Now() >= deadline_) {
    // gRPC cancels a call whose deadline passes, often before the engine looks at the clock.
    status = absl::DeadlineExceededError("the deadline passed while the request was computed");
    finish.reason = FinishReason::kDeadline;
  }
  End(status, ToProto(finish), FinishReasonName(finish.reason));
}

void GenerationCall::End(const absl::Status& status, std::optional<v1::Finished> finished,
                         const char* reason) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    ended_ = true;
    model_.reset();
  }
  if (registered_) context_.calls.RemoveId(id_);
  context_.metrics.CountRequest(model_name_, status.code(), reason);
  const v1::Usage usage = finished.has_value() ? finished->usage() : v1::Usage();
  const bool ours = absl::IsInternal(status) || absl::IsDataLoss(status);
  Log(ours ? LogLevel::kError : LogLevel::kDebug, "request ended",
      {{"request_id", id_},
       {"model", model_name_},
       {"code", absl::StatusCodeToString(status.code())},
       {"error", status.message()},
       {"finish_reason", reason},
       {"prompt_tokens", usage.prompt_tokens()},
       {"completion_tokens", usage.completion_tokens()}});
  output_->End(status, std::move(finished));
}

void GenerationCall::OnRpcDone() {
  if (registered_) context_.calls.End();
}

}  // namespace quantd
