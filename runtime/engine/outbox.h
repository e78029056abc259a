#ifndef QUANTD_RUNTIME_ENGINE_OUTBOX_H_
#define QUANTD_RUNTIME_ENGINE_OUTBOX_H_

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "runtime/engine/request.h"

namespace quantd {

/// Carries events from the engine to the sinks. The engine thread stages events without locking
/// and hands over those of a step at once with Publish, which never waits for a sink; a thread of
/// the outbox's calls the sinks. Deltas of one request that are still queued are merged, so a
/// slow sink costs memory for the tokens it has not taken, and nothing else.
class Outbox {
 public:
  /// The events of one request on their way to its sink.
  class Channel;
  using ChannelPtr = std::shared_ptr<Channel>;

  /// `on_finished` is called on the publisher thread after each OnFinish has returned and the sink
  /// was dropped.
  explicit Outbox(std::function<void()> on_finished);
  /// Delivers what was published, then ends the thread.
  ~Outbox();

  /// Any thread.
  static ChannelPtr Open(std::shared_ptr<ResponseSink> sink);

  // Engine thread only.
  void Start(const ChannelPtr& channel, const Usage& usage);
  void Push(const ChannelPtr& channel, Delta delta);
  void Finish(const ChannelPtr& channel, quantd::Finish finish);
  /// Makes everything staged visible to the publisher.
  void Publish();

 private:
  /// What a sink has yet to hear, in the order of the members.
  struct Events {
    std::optional<Usage> start;
    std::optional<Delta> delta;
    std::optional<quantd::Finish> finish;
  };

  static void Merge(Events from, Events* to);
  Events& StagedOf(const ChannelPtr& channel);
  void Run();
  void Deliver(Channel& channel, Events events);

  const std::function<void()> on_finished_;
  std::vector<ChannelPtr> staged_;  // channels with staged events; engine thread only

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<ChannelPtr> ready_;  // channels with queued events, each once
  bool stopping_ = false;
  std::thread thread_;  // last: it uses the members above
};

class Outbox::Channel {
 public:
  explicit Channel(std::shared_ptr<ResponseSink> sink) : sink_(std::move(sink)) {}

 private:
  friend class Outbox;
  std::shared_ptr<ResponseSink> sink_;  // publisher thread only; dropped after OnFinish
  bool is_staged_ = false;              // engine thread only, as is staged_
  Events staged_;
  bool is_ready_ = false;  // under the outbox's mutex, as is queued_
  Events queued_;
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_ENGINE_OUTBOX_H_
