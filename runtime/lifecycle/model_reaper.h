#ifndef QUANTD_RUNTIME_LIFECYCLE_MODEL_REAPER_H_
#define QUANTD_RUNTIME_LIFECYCLE_MODEL_REAPER_H_

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>

#include "runtime/lifecycle/memory_budget.h"
#include "runtime/lifecycle/model_manager.h"

namespace quantd {

/// A served model with what must outlive it. Members are in the order of their need: the model
/// goes first, then the observer that its engine calls, then the promise of its memory.
struct HostedModel {
  MemoryBudget::Reservation memory;
  std::unique_ptr<EngineObserver> observer;
  std::shared_ptr<ServedModel> model;
};

/// Frees models on a thread of its own. The last handle of a model is often dropped by a request
/// that ends on the model's own publisher thread, where freeing it would make the engine join
/// itself. Thread-safe; handles share it.
class ModelReaper : public std::enable_shared_from_this<ModelReaper> {
 public:
  static std::shared_ptr<ModelReaper> Create();
  ~ModelReaper();

  /// A handle whose last copy gives `hosted` to this reaper.
  std::shared_ptr<ServedModel> Wrap(std::unique_ptr<HostedModel> hosted);

  /// Waits until everything taken so far is freed.
  void Flush();

  /// Frees what is left and ends the thread. Models that come later are freed where they are
  /// dropped.
  void Close();

 private:
  ModelReaper() = default;
  void Take(std::unique_ptr<HostedModel> hosted);
  void Loop();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::unique_ptr<HostedModel>> queue_;
  bool busy_ = false, closed_ = false;
  std::thread thread_;
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_LIFECYCLE_MODEL_REAPER_H_
