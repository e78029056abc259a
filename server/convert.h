#ifndef QUANTD_SERVER_CONVERT_H_
#define QUANTD_SERVER_CONVERT_H_

#include <string>

#include "absl/status/statusor.h"
#include "quantd/v1/hardware.pb.h"
#include "quantd/v1/inference.pb.h"
#include "quantd/v1/models.pb.h"
#include "runtime/chat/chat_template.h"
#include "runtime/engine/request.h"
#include "runtime/lifecycle/model_manager.h"
#include "runtime/lifecycle/runtime_context.h"
#include "runtime/tokenizer/tokenizer.h"

namespace quantd {

/// Most characters of a request id.
inline constexpr size_t kMaxRequestId = 128;

// ---- Requests. Errors are INVALID_ARGUMENT "path of the field: what and its limit".

/// What can be said about a request without its model.
absl::Status CheckRequest(const v1::GenerateRequest& request);

/// A conversation as the template takes it.
Conversation ToConversation(const v1::ChatMessages& chat);

/// The engine's form of a request that passed CheckRequest; conversations are rendered and text is
/// tokenized here. The id and the deadline are left to the caller. Errors also: FAILED_PRECONDITION
/// for a conversation when `chat_template` is an error.
absl::StatusOr<Request> ToEngineRequest(const v1::GenerateRequest& request,
                                        const Tokenizer& tokenizer,
                                        const absl::StatusOr<const ChatTemplate*>& chat_template);

/// An error of the engine with its field named as in the message that the client sent:
/// "temperature: ..." becomes "sampling.temperature: ...".
absl::Status NameClientField(const absl::Status& status, const v1::GenerateRequest& request);

/// The spec of a load, with the engine options that the configuration gives every model.
ModelSpec ToModelSpec(const v1::LoadModelRequest& request, const EngineOptions& engine);

// ---- Events.

/// `logprobs`: the request asked for them.
v1::Delta ToProto(const Delta& delta, bool logprobs);
v1::Finished ToProto(const Finish& finish);

// ---- Reports.

v1::KvCacheType ToProto(KvType type);
v1::Model ToProto(const ModelStatus& status);
v1::GetHardwareResponse ToProto(const Hardware& hardware, const KernelOverride& forced,
                                int threads);
v1::Kernel ToProto(const KernelStatus& kernel);
/// Weights one by one and summed up.
v1::ExplainModelResponse ToProto(const std::string& model,
                                 const std::vector<WeightReport>& weights);

}  // namespace quantd

#endif  // QUANTD_SERVER_CONVERT_H_
