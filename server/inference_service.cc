#include "server/inference_service.h"

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kernels/base/status_macros.h"
#include "server/generation_call.h"
#include "server/generation_output.h"
#include "server/status_mapping.h"

namespace quantd {
namespace {

absl::Time DeadlineOf(const grpc::CallbackServerContext& rpc) {
  const std::chrono::system_clock::time_point deadline = rpc.deadline();
  if (deadline == std::chrono::system_clock::time_point::max()) return absl::InfiniteFuture();
  return absl::FromChrono(deadline);
}

/// The gRPC end of a stream. Made with `new` for gRPC, deletes itself when the RPC is over; the
/// call may live longer, in the engine, but calls it no more once it has ended.
class StreamReactor final : public grpc::ServerWriteReactor<v1::GenerateEvent>, public EventPort {
 public:
  StreamReactor(const ServiceContext& context, const grpc::CallbackServerContext& rpc,
                const v1::GenerateRequest* request) {
    auto output = std::make_unique<StreamOutput>(this, context.config.grpc.stream_buffer_bytes);
    output_ = output.get();
    call_ = std::make_shared<GenerationCall>(context, request, DeadlineOf(rpc), std::move(output));
    call_->Start(context.auth.Check(rpc));
  }

  void Write(const v1::GenerateEvent* event) override { StartWrite(event); }
  void WriteAndFinish(const v1::GenerateEvent* event) override {
    StartWriteAndFinish(event, grpc::WriteOptions(), grpc::Status::OK);
  }
  void Finish(const absl::Status& status) override {
    grpc::ServerWriteReactor<v1::GenerateEvent>::Finish(ToGrpcStatus(status));
  }

 private:
  void OnWriteDone(bool ok) override { output_->OnWriteDone(ok); }
  void OnCancel() override { call_->Cancel(); }
  void OnDone() override {
    call_->OnRpcDone();
    delete this;
  }

  StreamOutput* output_;  // the call's
  std::shared_ptr<GenerationCall> call_;
};

/// The same for a unary answer.
class UnaryReactor final : public grpc::ServerUnaryReactor {
 public:
  UnaryReactor(const ServiceContext& context, const grpc::CallbackServerContext& rpc,
               const v1::GenerateRequest* request, v1::GenerateResponse* response) {
    auto output = std::make_unique<UnaryOutput>(
        response, [this](const absl::Status& status) { Finish(ToGrpcStatus(status)); });
    call_ = std::make_shared<GenerationCall>(context, request, DeadlineOf(rpc), std::move(output));
    call_->Start(context.auth.Check(rpc));
  }

 private:
  void OnCancel() override { call_->Cancel(); }
  void OnDone() override {
    call_->OnRpcDone();
    delete this;
  }

  std::shared_ptr<GenerationCall> call_;
};

/// Runs `work` on the queue and finishes with its status. It always runs, cancelled or not: its
/// end is what gRPC waits for.
grpc::ServerUnaryReactor* RunQueued(const ServiceContext& context, grpc::CallbackServerContext* rpc,
                                    size_t bytes, std::function<absl::Status()> work) {
  grpc::ServerUnaryReactor* reactor = rpc->DefaultReactor();
  absl::Status status = context.auth.Check(*rpc);
  if (status.ok()) {
    status = context.tokenizing.Post(
        static_cast<int64_t>(bytes),
        [reactor, work = std::move(work)] { reactor->Finish(ToGrpcStatus(work())); });
    if (!status.ok()) status = WithRetryDelay(status, absl::Seconds(1));
  }
  if (!status.ok()) reactor->Finish(ToGrpcStatus(status));
  return reactor;
}

absl::Status TokenizeNow(const ModelManager& models, const v1::TokenizeRequest& request,
                         v1::TokenizeResponse* response) {
  QUANTD_ASSIGN_OR_RETURN(const std::shared_ptr<ServedModel> model, models.Get(request.model()));
  const Tokenizer& tokenizer = model->tokenizer();
  QUANTD_RETURN_IF_ERROR(tokenizer.CheckText());
  EncodeOptions options;
  options.add_bos = request.has_add_bos() ? request.add_bos() : tokenizer.default_add_bos();
  options.parse_control = request.parse_control_tokens();
  if (request.add_bos() && !tokenizer.bos().has_value()) {
    return FieldError("add_bos", "the model's vocabulary has no begin token");
  }
  const std::vector<int32_t> ids = tokenizer.Encode(request.text(), options);
  response->mutable_ids()->Add(ids.begin(), ids.end());
  return absl::OkStatus();
}

absl::Status DetokenizeNow(const ModelManager& models, const v1::DetokenizeRequest& request,
                           v1::DetokenizeResponse* response) {
  QUANTD_ASSIGN_OR_RETURN(const std::shared_ptr<ServedModel> model, models.Get(request.model()));
  QUANTD_RETURN_IF_ERROR(model->tokenizer().CheckText());
  const int32_t vocab = model->tokenizer().vocab_size();
  for (int i = 0; i < request.ids_size(); ++i) {
    if (request.ids(i) >= 0 && request.ids(i) < vocab) continue;
    return FieldError(absl::StrCat("ids[", i, "]"),
                      absl::StrCat(request.ids(i), " is not in [0, ", vocab, ")"));
  }
  response->set_text(model->tokenizer().Decode(
      absl::MakeConstSpan(request.ids().data(), static_cast<size_t>(request.ids_size()))));
  return absl::OkStatus();
}

}  // namespace

grpc::ServerUnaryReactor* InferenceService::Generate(grpc::CallbackServerContext* rpc,
                                                     const v1::GenerateRequest* request,
                                                     v1::GenerateResponse* response) {
  return new UnaryReactor(context_, *rpc, request, response);
}

grpc::ServerWriteReactor<v1::GenerateEvent>* InferenceService::GenerateStream(
    grpc::CallbackServerContext* rpc, const v1::GenerateRequest* request) {
  return new StreamReactor(context_, *rpc, request);
}

grpc::ServerUnaryReactor* InferenceService::Abort(grpc::CallbackServerContext* rpc,
                                                  const v1::AbortRequest* request,
                                                  v1::AbortResponse* response) {
  grpc::ServerUnaryReactor* reactor = rpc->DefaultReactor();
  absl::Status status = context_.auth.Check(*rpc);
  if (status.ok() && request->request_id().empty()) {
    status = FieldError("request_id", "is empty; name the request to end");
  }
  if (status.ok()) response->set_found(context_.calls.Cancel(request->request_id()));
  reactor->Finish(ToGrpcStatus(status));
  return reactor;
}

grpc::ServerUnaryReactor* InferenceService::Tokenize(grpc::CallbackServerContext* rpc,
                                                     const v1::TokenizeRequest* request,
                                                     v1::TokenizeResponse* response) {
  return RunQueued(context_, rpc, request->ByteSizeLong(), [this, request, response] {
    return TokenizeNow(context_.models, *request, response);
  });
}

grpc::ServerUnaryReactor* InferenceService::Detokenize(grpc::CallbackServerContext* rpc,
                                                       const v1::DetokenizeRequest* request,
                                                       v1::DetokenizeResponse* response) {
  return RunQueued(context_, rpc, request->ByteSizeLong(), [this, request, response] {
    return DetokenizeNow(context_.models, *request, response);
  });
}

}  // namespace quantd
