#include "runtime/engine/outbox.h"

#include <iterator>

namespace quantd {

Outbox::Outbox(std::function<void()> on_finished)
    : on_finished_(std::move(on_finished)), thread_([this] { Run(); }) {}

Outbox::~Outbox() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

Outbox::ChannelPtr Outbox::Open(std::shared_ptr<ResponseSink> sink) {
  return std::make_shared<Channel>(std::move(sink));
}

Outbox::Events& Outbox::StagedOf(const ChannelPtr& channel) {
  if (!channel->is_staged_) {
    channel->is_staged_ = true;
    staged_.push_back(channel);
  }
  return channel->staged_;
}

void Outbox::Start(const ChannelPtr& channel, const Usage& usage) {
  StagedOf(channel).start = usage;
}

void Outbox::Push(const ChannelPtr& channel, Delta delta) {
  Merge({std::nullopt, std::move(delta), std::nullopt}, &StagedOf(channel));
}

void Outbox::Finish(const ChannelPtr& channel, quantd::Finish finish) {
  StagedOf(channel).finish = std::move(finish);
}

void Outbox::Merge(Events from, Events* to) {
  if (from.start) to->start = from.start;
  if (from.delta && to->delta) {
    to->delta->text += from.delta->text;
    to->delta->tokens.insert(to->delta->tokens.end(),
                             std::make_move_iterator(from.delta->tokens.begin()),
                             std::make_move_iterator(from.delta->tokens.end()));
  } else if (from.delta) {
    to->delta = std::move(from.delta);
  }
  if (from.finish) to->finish = std::move(from.finish);
}

void Outbox::Publish() {
  if (staged_.empty()) return;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    for (ChannelPtr& channel : staged_) {
      Merge(std::exchange(channel->staged_, {}), &channel->queued_);
      channel->is_staged_ = false;
      if (!channel->is_ready_) {
        channel->is_ready_ = true;
        ready_.push_back(std::move(channel));
      }
    }
  }
  staged_.clear();
  changed_.notify_one();
}

void Outbox::Run() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stopping_ || !ready_.empty(); });
    if (ready_.empty()) return;
    const ChannelPtr channel = std::move(ready_.front());
    ready_.pop_front();
    channel->is_ready_ = false;
    Events events = std::exchange(channel->queued_, {});
    lock.unlock();
    Deliver(*channel, std::move(events));
    lock.lock();
  }
}

void Outbox::Deliver(Channel& channel, Events events) {
  if (events.start) channel.sink_->OnStart(*events.start);
  if (events.delta) channel.sink_->OnDelta(*std::move(events.delta));
  if (!events.finish) return;
  channel.sink_->OnFinish(*std::move(events.finish));
  channel.sink_.reset();
  on_finished_();
}

}  // namespace quantd
