#include "runtime/lifecycle/model_reaper.h"

#include <utility>

#include "kernels/base/heap.h"

namespace quantd {

std::shared_ptr<ModelReaper> ModelReaper::Create() {
  std::shared_ptr<ModelReaper> reaper(new ModelReaper);
  reaper->thread_ = std::thread([raw = reaper.get()] { raw->Loop(); });
  return reaper;
}

ModelReaper::~ModelReaper() { Close(); }

std::shared_ptr<ServedModel> ModelReaper::Wrap(std::unique_ptr<HostedModel> hosted) {
  ServedModel* model = hosted->model.get();
  std::shared_ptr<HostedModel> owner(hosted.release(),
                                     [reaper = shared_from_this()](HostedModel* dropped) {
                                       reaper->Take(std::unique_ptr<HostedModel>(dropped));
                                     });
  return std::shared_ptr<ServedModel>(std::move(owner), model);
}

void ModelReaper::Take(std::unique_ptr<HostedModel> hosted) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (closed_) return;
  queue_.push_back(std::move(hosted));
  changed_.notify_all();
}

void ModelReaper::Flush() {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [this] { return closed_ || (queue_.empty() && !busy_); });
}

void ModelReaper::Close() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    closed_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void ModelReaper::Loop() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return closed_ || !queue_.empty(); });
    if (queue_.empty()) return;
    std::unique_ptr<HostedModel> hosted = std::move(queue_.front());
    queue_.pop_front();
    busy_ = true;
    lock.unlock();
    hosted.reset();
    ReturnFreedMemory();
    lock.lock();
    busy_ = false;
    changed_.notify_all();
  }
}

}  // namespace quantd
