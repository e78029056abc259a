#include "server/generation_output.h"

#include <utility>

namespace quantd {
namespace {

// What MergeFrom would do, but for the text, which it would replace.
void AppendDelta(const v1::Delta& from, v1::Delta* to) {
  to->mutable_token_ids()->MergeFrom(from.token_ids());
  to->mutable_text()->append(from.text());
  to->mutable_logprobs()->MergeFrom(from.logprobs());
}

}  // namespace

void StreamOutput::Prompt(v1::PromptInfo info) {
  std::lock_guard<std::mutex> lock(mutex_);
  prompt_ = std::move(info);
  Pump();
}

bool StreamOutput::Delta(v1::Delta delta) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (broken_ || overflown_) return !overflown_;
  delta_bytes_ += static_cast<int64_t>(delta.ByteSizeLong());
  if (!delta_.has_value()) delta_.emplace();
  AppendDelta(delta, &*delta_);
  Pump();
  overflown_ = delta_bytes_ > buffer_bytes_;
  return !overflown_;
}

void StreamOutput::End(const absl::Status& status, std::optional<v1::Finished> finished) {
  std::lock_guard<std::mutex> lock(mutex_);
  end_ = status;
  finished_ = std::move(finished);
  if (overflown_) {
    // The reader does not read: the status must not wait behind what it did not take.
    prompt_.reset();
    delta_.reset();
    finished_.reset();
    closed_ = true;
    port_->Finish(status);
    return;
  }
  Pump();
}

void StreamOutput::OnWriteDone(bool ok) {
  std::lock_guard<std::mutex> lock(mutex_);
  writing_ = false;
  broken_ = broken_ || !ok;
  Pump();
}

void StreamOutput::Pump() {
  if (writing_ || closed_) return;
  if (!broken_ && TakeNext()) {
    if (in_flight_.has_finished() && end_->ok()) {
      closed_ = true;
      port_->WriteAndFinish(&in_flight_);
    } else {
      writing_ = true;
      port_->Write(&in_flight_);
    }
    return;
  }
  if (!end_.has_value()) return;
  closed_ = true;
  port_->Finish(*end_);
}

bool StreamOutput::TakeNext() {
  if (prompt_.has_value()) {
    *in_flight_.mutable_prompt() = *std::move(prompt_);
    prompt_.reset();
  } else if (delta_.has_value()) {
    *in_flight_.mutable_delta() = *std::move(delta_);
    delta_.reset();
    delta_bytes_ = 0;
  } else if (finished_.has_value()) {
    *in_flight_.mutable_finished() = *std::move(finished_);
    finished_.reset();
  } else {
    return false;
  }
  return true;
}

void UnaryOutput::Prompt(v1::PromptInfo info) { *response_->mutable_prompt() = std::move(info); }

bool UnaryOutput::Delta(v1::Delta delta) {
  AppendDelta(delta, response_->mutable_output());
  return true;
}

void UnaryOutput::End(const absl::Status& status, std::optional<v1::Finished> finished) {
  response_->mutable_output();  // present, if empty, when nothing was generated
  if (finished.has_value()) *response_->mutable_finished() = *std::move(finished);
  finish_(status);
}

}  // namespace quantd
