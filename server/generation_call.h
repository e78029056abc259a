#ifndef QUANTD_SERVER_GENERATION_CALL_H_
#define QUANTD_SERVER_GENERATION_CALL_H_

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "quantd/v1/inference.pb.h"
#include "server/generation_output.h"
#include "server/service_context.h"

namespace quantd {

/// One Generate or GenerateStream from arrival to end: registered under its id, tokenized on the
/// work queue, submitted to the model's engine, whose events it turns into messages for its
/// output. Shared by the RPC's reactor, the registry, the queue and the engine, each as long as it
/// needs it. Thread-safe.
class GenerationCall final : public ResponseSink,
                             public Cancellable,
                             public std::enable_shared_from_this<GenerationCall> {
 public:
  /// `request` must live until output's End was called.
  GenerationCall(const ServiceContext& context, const v1::GenerateRequest* request,
                 absl::Time deadline, std::unique_ptr<GenerationOutput> output);

  /// Begins, unless `admitted` is an error, which ends the call. Never blocks; errors reach the
  /// output.
  void Start(const absl::Status& admitted);
  /// Ends the generation wherever it is: the client cancelled or is gone, or somebody aborted it.
  void Cancel() override;
  /// The RPC is over; its last message is delivered or lost.
  void OnRpcDone();

  void OnStart(const Usage& prompt_usage) override;
  void OnDelta(Delta delta) override;
  void OnFinish(Finish finish) override;

 private:
  void Prepare();  // on the work queue
  absl::Status Submit();
  absl::Status CheckLive();
  void End(const absl::Status& status, std::optional<v1::Finished> finished, const char* reason);

  const ServiceContext context_;
  const v1::GenerateRequest* const request_;
  const absl::Time deadline_;
  const std::unique_ptr<GenerationOutput> output_;
  const std::string id_;
  const bool logprobs_;
  bool registered_ = false;      // set by Start, before anybody else knows the call
  std::vector<int32_t> prompt_;  // set before Submit, for PromptInfo
  std::string model_name_;       // likewise; "" until the model is known
  bool too_slow_ = false;        // publisher thread only

  std::mutex mutex_;
  bool cancelled_ = false, ended_ = false;
  std::shared_ptr<ServedModel> model_;  // while the engine has the request
};

}  // namespace quantd

#endif  // QUANTD_SERVER_GENERATION_CALL_H_
