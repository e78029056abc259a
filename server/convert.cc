#include "server/convert.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "kernels/base/status_macros.h"
#include "server/status_mapping.h"

namespace quantd {
namespace {

// Sampling fields whose name is the same in proto and engine; the engine checks their values.
constexpr absl::string_view kSamplingFields[] = {
    "temperature",      "top_k", "top_p",     "min_p", "repetition_penalty", "frequency_penalty",
    "presence_penalty", "seed",  "logit_bias"};

SamplingParams ToSampling(const v1::SamplingParams& proto) {
  SamplingParams sampling;
  if (proto.has_temperature()) sampling.temperature = proto.temperature();
  if (proto.has_top_k()) sampling.top_k = proto.top_k();
  if (proto.has_top_p()) sampling.top_p = proto.top_p();
  if (proto.has_min_p()) sampling.min_p = proto.min_p();
  if (proto.has_repetition_penalty()) sampling.repetition_penalty = proto.repetition_penalty();
  if (proto.has_frequency_penalty()) sampling.frequency_penalty = proto.frequency_penalty();
  if (proto.has_presence_penalty()) sampling.presence_penalty = proto.presence_penalty();
  if (proto.has_seed()) sampling.seed = proto.seed();
  sampling.logit_bias.assign(proto.logit_bias().begin(), proto.logit_bias().end());
  return sampling;
}

absl::StatusOr<std::vector<int32_t>> ChatToPrompt(
    const v1::GenerateRequest& request, const Tokenizer& tokenizer,
    const absl::StatusOr<const ChatTemplate*>& chat_template) {
  if (!chat_template.ok()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "chat: ", chat_template.status().message(),
        "; set the model's `chat_template` to a file, or send `text` with parse_control_tokens"));
  }
  const absl::StatusOr<ChatPrompt> prompt =
      (*chat_template)->Render(ToConversation(request.chat()));
  if (!prompt.ok()) {
    return absl::Status(prompt.status().code(), absl::StrCat("chat.", prompt.status().message()));
  }
  const bool add_bos = request.has_add_bos() ? request.add_bos() : tokenizer.default_add_bos();
  std::vector<int32_t> ids =
      EncodeChat(*prompt, tokenizer, add_bos, request.parse_control_tokens());
  if (ids.empty()) return FieldError("chat.messages", "make no token");
  return ids;
}

absl::StatusOr<std::vector<int32_t>> ToPrompt(
    const v1::GenerateRequest& request, const Tokenizer& tokenizer,
    const absl::StatusOr<const ChatTemplate*>& chat_template) {
  if (request.has_add_bos() && request.add_bos() && !tokenizer.bos().has_value()) {
    return FieldError("add_bos", "the model's vocabulary has no begin token");
  }
  if (request.has_chat()) {
    QUANTD_RETURN_IF_ERROR(tokenizer.CheckText());
    return ChatToPrompt(request, tokenizer, chat_template);
  }
  if (request.prompt_case() == v1::GenerateRequest::kText) {
    QUANTD_RETURN_IF_ERROR(tokenizer.CheckText());
    EncodeOptions options;
    options.add_bos = request.has_add_bos() ? request.add_bos() : tokenizer.default_add_bos();
    options.parse_control = request.parse_control_tokens();
    std::vector<int32_t> ids = tokenizer.Encode(request.text(), options);
    if (ids.empty()) return FieldError("text", "makes no token; give at least one character");
    return ids;
  }
  std::vector<int32_t> ids;
  if (request.add_bos()) ids.push_back(*tokenizer.bos());
  ids.insert(ids.end(), request.token_ids().ids().begin(), request.token_ids().ids().end());
  return ids;
}

}  // namespace

absl::Status CheckRequest(const v1::GenerateRequest& request) {
  if (request.request_id().size() > kMaxRequestId) {
    return FieldError("request_id", absl::StrCat("has ", request.request_id().size(),
                                                 " bytes, the limit is ", kMaxRequestId));
  }
  switch (request.prompt_case()) {
    case v1::GenerateRequest::PROMPT_NOT_SET:
      return FieldError("prompt", "one of text, token_ids and chat must be set");
    case v1::GenerateRequest::kTokenIds:
      if (request.token_ids().ids().empty() && !request.add_bos()) {
        return FieldError("token_ids.ids", "holds no token; at least one is needed");
      }
      break;
    case v1::GenerateRequest::kChat:
    case v1::GenerateRequest::kText:
      break;
  }
  // In the engine zero and negative numbers mean "absent" here; on the wire absence is explicit.
  if (request.has_max_tokens() && request.max_tokens() < 1) {
    return FieldError("max_tokens", absl::StrCat(request.max_tokens(), " is less than 1"));
  }
  if (request.has_logprobs() && request.logprobs() < 0) {
    return FieldError("logprobs", absl::StrCat(request.logprobs(), " is less than 0"));
  }
  return absl::OkStatus();
}

Conversation ToConversation(const v1::ChatMessages& chat) {
  Conversation conversation;
  for (const v1::ChatMessage& message : chat.messages()) {
    ChatMessage& to = conversation.messages.emplace_back();
    to.role = message.role();
    if (message.has_content()) to.content = message.content();
    to.reasoning = message.reasoning();
    to.name = message.name();
    to.tool_call_id = message.tool_call_id();
    to.tool_calls_json = message.tool_calls_json();
  }
  conversation.tools_json = chat.tools_json();
  conversation.variables_json = chat.variables_json();
  conversation.add_generation_prompt =
      !chat.has_add_generation_prompt() || chat.add_generation_prompt();
  return conversation;
}

absl::StatusOr<Request> ToEngineRequest(const v1::GenerateRequest& request,
                                        const Tokenizer& tokenizer,
                                        const absl::StatusOr<const ChatTemplate*>& chat_template) {
  Request result;
  QUANTD_ASSIGN_OR_RETURN(result.prompt, ToPrompt(request, tokenizer, chat_template));
  result.sampling = ToSampling(request.sampling());
  result.sampling.logprobs = request.has_logprobs() ? request.logprobs() : -1;
  result.max_tokens = request.max_tokens();
  result.min_tokens = request.min_tokens();
  if (!request.stop().empty()) QUANTD_RETURN_IF_ERROR(tokenizer.CheckText());
  result.stop.assign(request.stop().begin(), request.stop().end());
  result.stop_ids.assign(request.stop_ids().begin(), request.stop_ids().end());
  result.ignore_eos = request.ignore_eos();
  result.priority = request.priority();
  result.cache_salt = request.cache_salt();
  result.want_prompt_logits = request.return_prompt_logits();
  return result;
}

absl::Status NameClientField(const absl::Status& status, const v1::GenerateRequest& request) {
  const absl::string_view field = FieldOf(status);
  if (field.empty()) return status;
  std::string named(field);
  const absl::string_view head = field.substr(0, field.find_first_of(".["));
  for (const absl::string_view name : kSamplingFields) {
    if (head == name) named = absl::StrCat("sampling.", field);
  }
  if (head == "id") named = "request_id";
  if (head == "prompt") {
    const absl::string_view rest = field.substr(head.size());
    named = request.has_text()   ? "text"
            : request.has_chat() ? "chat.messages"
                                 : absl::StrCat("token_ids.ids", rest);
  }
  return absl::InvalidArgumentError(absl::StrCat(named, status.message().substr(field.size())));
}

ModelSpec ToModelSpec(const v1::LoadModelRequest& request, const EngineOptions& engine) {
  ModelSpec spec;
  spec.name = request.name();
  spec.path = request.path();
  spec.max_context = request.max_context();
  spec.kv_cache_bytes = request.kv_cache_bytes();
  for (const KvTypeInfo& info : KvTypes()) {
    if (ToProto(info.type) == request.kv_cache_type()) spec.kv_type = info.type;
  }
  spec.chat_template = request.chat_template();
  spec.engine = engine;
  return spec;
}

v1::Delta ToProto(const Delta& delta, bool logprobs) {
  v1::Delta proto;
  proto.set_text(delta.text);
  for (const GeneratedToken& token : delta.tokens) {
    proto.add_token_ids(token.id);
    if (!logprobs) continue;
    v1::TokenLogprobs* place = proto.add_logprobs();
    place->set_logprob(token.logprob);
    for (const TokenLogprob& top : token.top) {
      v1::TopLogprob* entry = place->add_top();
      entry->set_token_id(top.id);
      entry->set_logprob(top.logprob);
    }
  }
  return proto;
}

v1::Finished ToProto(const Finish& finish) {
  v1::Finished proto;
  switch (finish.reason) {
    case FinishReason::kStop:
      proto.set_reason(v1::FINISH_REASON_STOP);
      break;
    case FinishReason::kLength:
      proto.set_reason(v1::FINISH_REASON_LENGTH);
      break;
    case FinishReason::kCancelled:
      proto.set_reason(v1::FINISH_REASON_CANCELLED);
      break;
    case FinishReason::kDeadline:
      proto.set_reason(v1::FINISH_REASON_DEADLINE);
      break;
    case FinishReason::kError:
      proto.set_reason(v1::FINISH_REASON_ERROR);
      break;
  }
  proto.set_matched_stop(finish.matched_stop);
  if (finish.matched_stop_id.has_value()) proto.set_matched_stop_id(*finish.matched_stop_id);
  proto.mutable_usage()->set_prompt_tokens(finish.usage.prompt_tokens);
  proto.mutable_usage()->set_cached_prompt_tokens(finish.usage.cached_prompt_tokens);
  proto.mutable_usage()->set_completion_tokens(finish.usage.completion_tokens);
  v1::Timings* timings = proto.mutable_timings();
  timings->set_queue_seconds(absl::ToDoubleSeconds(finish.timings.queue));
  timings->set_prefill_seconds(absl::ToDoubleSeconds(finish.timings.prefill));
  timings->set_decode_seconds(absl::ToDoubleSeconds(finish.timings.decode));
  timings->set_time_to_first_token_seconds(
      absl::ToDoubleSeconds(finish.timings.time_to_first_token));
  timings->set_total_seconds(absl::ToDoubleSeconds(finish.timings.total));
  proto.mutable_prompt_logits()->Add(finish.prompt_logits.begin(), finish.prompt_logits.end());
  return proto;
}

}  // namespace quantd
