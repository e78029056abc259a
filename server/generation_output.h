#ifndef QUANTD_SERVER_GENERATION_OUTPUT_H_
#define QUANTD_SERVER_GENERATION_OUTPUT_H_

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>

#include "absl/status/status.h"
#include "quantd/v1/inference.pb.h"

namespace quantd {

/// Where the events of one generation go. Called by the engine's publisher thread and by the
/// thread that prepares the request, never by two at once; must not block.
class GenerationOutput {
 public:
  virtual ~GenerationOutput() = default;
  virtual void Prompt(v1::PromptInfo info) = 0;
  /// False when the receiver is too slow for what is waiting: the caller ends the generation.
  virtual bool Delta(v1::Delta delta) = 0;
  /// Exactly once, last. `finished` is absent when the engine never took the request.
  virtual void End(const absl::Status& status, std::optional<v1::Finished> finished) = 0;
};

/// The writing side of a server stream: gRPC's reactor, or a test's fake. One Write at a time; its
/// completion is told to StreamOutput::OnWriteDone, from another call stack. After Finish or
/// WriteAndFinish nothing is called any more.
class EventPort {
 public:
  virtual ~EventPort() = default;
  /// `event` stays unchanged until OnWriteDone, of WriteAndFinish until the stream's end.
  virtual void Write(const v1::GenerateEvent* event) = 0;
  virtual void WriteAndFinish(const v1::GenerateEvent* event) = 0;
  virtual void Finish(const absl::Status& status) = 0;
};

/// Output to a stream of events. While a write is in flight, deltas that come are merged into one;
/// more than `buffer_bytes` of them make Delta return false. A status that is no success is sent
/// after the events that wait, except when the reader was too slow: then those are dropped.
/// Thread-safe; must live until the port's stream is over.
class StreamOutput final : public GenerationOutput {
 public:
  StreamOutput(EventPort* port, int64_t buffer_bytes) : port_(port), buffer_bytes_(buffer_bytes) {}

  void Prompt(v1::PromptInfo info) override;
  bool Delta(v1::Delta delta) override;
  void End(const absl::Status& status, std::optional<v1::Finished> finished) override;

  /// The write in flight ended; `ok` false: the stream is broken and takes no more.
  void OnWriteDone(bool ok);

 private:
  void Pump();  // writes or finishes, if it is time to; mutex_ is held
  bool TakeNext();

  std::mutex mutex_;
  EventPort* const port_;
  const int64_t buffer_bytes_;
  v1::GenerateEvent in_flight_;
  bool writing_ = false, broken_ = false, overflown_ = false, closed_ = false;
  std::optional<v1::PromptInfo> prompt_;
  std::optional<v1::Delta> delta_;
  std::optional<v1::Finished> finished_;
  int64_t delta_bytes_ = 0;
  std::optional<absl::Status> end_;
};

/// Output into the one message of a unary answer. Not thread-safe beyond its base's contract.
class UnaryOutput final : public GenerationOutput {
 public:
  /// `response` must live until `finish` was called, which happens once, with the call's status.
  UnaryOutput(v1::GenerateResponse* response, std::function<void(const absl::Status&)> finish)
      : response_(response), finish_(std::move(finish)) {}

  void Prompt(v1::PromptInfo info) override;
  bool Delta(v1::Delta delta) override;
  void End(const absl::Status& status, std::optional<v1::Finished> finished) override;

 private:
  v1::GenerateResponse* const response_;
  const std::function<void(const absl::Status&)> finish_;
};

}  // namespace quantd

#endif  // QUANTD_SERVER_GENERATION_OUTPUT_H_
