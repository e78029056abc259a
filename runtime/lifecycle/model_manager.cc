#include "runtime/lifecycle/model_manager.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <list>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "kernels/base/heap.h"
#include "kernels/base/status_macros.h"
#include "runtime/lifecycle/kernel_tuner.h"
#include "runtime/lifecycle/load_plan.h"
#include "runtime/lifecycle/memory_budget.h"
#include "runtime/lifecycle/model_reaper.h"

namespace quantd {
namespace {

// How long an unload waits for cancelled requests to end: a step or two of the slowest model.
constexpr absl::Duration kCancelWait = absl::Seconds(30);
constexpr size_t kNamesInError = 20;
constexpr size_t kNameLengthInError = 128;

// One name and what became of it. The load belongs to the thread that made the entry; everything
// but the atomics is guarded by the manager's mutex.
struct Entry {
  explicit Entry(const ModelSpec& spec) : spec(spec) {}
  const ModelSpec spec;
  ModelState state = ModelState::kLoading;
  std::atomic<double> progress{0};
  std::atomic<bool> cancelled{false};
  bool settled = false;  // the load is over and its listener was told
  absl::Status result;   // of the load
  std::shared_ptr<ServedModel> model;
};

// Whether two specs ask for the same thing, so that the second load is satisfied by the first.
bool SameLoad(const ModelSpec& a, const ModelSpec& b) {
  return a.path == b.path && a.max_context == b.max_context &&
         a.kv_cache_bytes == b.kv_cache_bytes && a.kv_type == b.kv_type &&
         a.chat_template == b.chat_template;
}

std::string Quoted(absl::string_view name) {
  return absl::StrCat("'", absl::CHexEscape(name.substr(0, kNameLengthInError)), "'");
}

ModelStatus StatusOf(const std::string& name, const Entry& entry) {
  ModelStatus status;
  status.name = name;
  status.path = entry.spec.path;
  status.state = entry.state;
  status.progress = entry.progress.load(std::memory_order_relaxed);
  if (entry.state == ModelState::kFailed) status.error = entry.result;
  status.model = entry.model;
  return status;
}

// Why a name that is known cannot serve.
absl::Status NotReady(const std::string& name, const Entry& entry) {
  switch (entry.state) {
    case ModelState::kLoading:
      return absl::UnavailableError(absl::StrFormat("model '%s' is loading (%.0f %%); retry later",
                                                    name, 100 * entry.progress.load()));
    case ModelState::kUnloading:
      return absl::UnavailableError(absl::StrCat("model '", name, "' is being unloaded"));
    case ModelState::kFailed:
      return absl::UnavailableError(
          absl::StrCat("model '", name, "' failed to load: ", entry.result.message()));
    case ModelState::kReady:
      break;
  }
  return absl::OkStatus();
}

}  // namespace

const char* ModelStateName(ModelState state) {
  switch (state) {
    case ModelState::kLoading:
      return "LOADING";
    case ModelState::kReady:
      return "READY";
    case ModelState::kUnloading:
      return "UNLOADING";
    case ModelState::kFailed:
      return "FAILED";
  }
  return "UNKNOWN";
}

struct ModelManager::Impl {
  Impl(const KernelSet& kernels, ThreadPool& pool, const Options& options, Listener listener,
       ObserverFactory observers)
      : kernels(kernels),
        pool(pool),
        options(options),
        listener(std::move(listener)),
        observers(std::move(observers)),
        budget(MemoryBudget::Create(options.memory_limit_bytes, AvailableMemoryBytes)),
        reaper(ModelReaper::Create()) {}

  // A thread of StartLoad.
  struct Loader {
    std::thread thread;
    std::shared_ptr<std::atomic<bool>> done = std::make_shared<std::atomic<bool>>(false);
  };

  // The entry of a spec's name: a new one (*mine, to be loaded by the caller), or one whose load
  // satisfies the spec too.
  absl::StatusOr<std::shared_ptr<Entry>> Admit(const ModelSpec& spec, bool* mine);
  void RunLoad(const std::shared_ptr<Entry>& entry);
  absl::StatusOr<std::shared_ptr<ServedModel>> LoadModel(Entry& entry);
  void Settle(const std::shared_ptr<Entry>& entry,
              absl::StatusOr<std::shared_ptr<ServedModel>> loaded);
  absl::Status CancelledLoad(const Entry& entry) const;
  void Tell(const ModelStatus& status) const {
    if (listener) listener(status);
  }
  void JoinLoaders(bool all);
  std::vector<std::shared_ptr<ServedModel>> Models() const;

  const KernelSet& kernels;
  ThreadPool& pool;
  const Options options;
  const Listener listener;
  const ObserverFactory observers;
  const std::shared_ptr<MemoryBudget> budget;
  const std::shared_ptr<ModelReaper> reaper;

  mutable std::mutex mutex;
  mutable std::condition_variable changed;
  bool draining = false;
  std::map<std::string, std::shared_ptr<Entry>> entries;
  std::mutex loaders_mutex;
  std::list<Loader> loaders;
};

absl::StatusOr<std::shared_ptr<Entry>> ModelManager::Impl::Admit(const ModelSpec& spec,
                                                                 bool* mine) {
  QUANTD_RETURN_IF_ERROR(ValidateModelSpec(spec));
  auto entry = std::make_shared<Entry>(spec);
  {
    std::lock_guard<std::mutex> lock(mutex);
    if (draining) return absl::UnavailableError("the server is shutting down; no model is loaded");
    std::shared_ptr<Entry>& slot = entries[spec.name];
    const bool failed = slot != nullptr && slot->settled && slot->state == ModelState::kFailed;
    *mine = slot == nullptr || failed;
    if (!*mine) {
      if (slot->state == ModelState::kUnloading) {
        return absl::UnavailableError(
            absl::StrCat("model '", spec.name, "' is being unloaded; load it when it is gone"));
      }
      if (!SameLoad(slot->spec, spec)) {
        return absl::AlreadyExistsError(
            absl::StrCat("model '", spec.name, "' exists with path ", slot->spec.path,
                         " or other settings; unload it first or choose another name"));
      }
      return slot;
    }
    slot = entry;
  }
  ModelStatus status;
  status.name = spec.name;
  status.path = spec.path;
  Tell(status);
  return entry;
}

absl::Status ModelManager::Impl::CancelledLoad(const Entry& entry) const {
  return absl::CancelledError(
      absl::StrCat("the load of model '", entry.spec.name, "' was cancelled by shutdown"));
}

absl::StatusOr<std::shared_ptr<ServedModel>> ModelManager::Impl::LoadModel(Entry& entry) {
  const std::string& name = entry.spec.name;
  QUANTD_ASSIGN_OR_RETURN(LoadPlan plan, PlanLoad(entry.spec, budget->Available()));
  if (entry.cancelled) return CancelledLoad(entry);
  auto hosted = std::make_unique<HostedModel>();
  QUANTD_ASSIGN_OR_RETURN(hosted->memory, budget->Reserve(name, plan.need));
  if (observers) hosted->observer = observers(name);

  LoadOptions load_options;
  load_options.progress = [&entry](const LoadProgress& progress) {
    const double total = static_cast<double>(progress.total_bytes);
    entry.progress = total > 0 ? static_cast<double>(progress.done_bytes) / total : 1;
    return !entry.cancelled;
  };
  if (options.tuner != nullptr) load_options.packed = TuneFor(*options.tuner);
  auto model =
      ServedModel::FromPlan(std::move(plan), kernels, pool, load_options, hosted->observer.get());
  if (entry.cancelled) return CancelledLoad(entry);
  if (!model.ok()) return model.status();
  hosted->model = *std::move(model);
  hosted->memory.MarkLoaded();
  return reaper->Wrap(std::move(hosted));
}

void ModelManager::Impl::RunLoad(const std::shared_ptr<Entry>& entry) {
  auto loaded = LoadModel(*entry);
  ReturnFreedMemory();
  Settle(entry, std::move(loaded));
}

void ModelManager::Impl::Settle(const std::shared_ptr<Entry>& entry,
                                absl::StatusOr<std::shared_ptr<ServedModel>> loaded) {
  ModelStatus status;
  {
    std::lock_guard<std::mutex> lock(mutex);
    if (loaded.ok() && draining) loaded = CancelledLoad(*entry);
    entry->result = loaded.status();
    entry->state = loaded.ok() ? ModelState::kReady : ModelState::kFailed;
    if (loaded.ok()) {
      entry->model = *std::move(loaded);
      entry->progress = 1;
    }
    status = StatusOf(entry->spec.name, *entry);
  }
  Tell(status);
  std::lock_guard<std::mutex> lock(mutex);
  entry->settled = true;
  changed.notify_all();
}

void ModelManager::Impl::JoinLoaders(bool all) {
  std::lock_guard<std::mutex> lock(loaders_mutex);
  for (auto it = loaders.begin(); it != loaders.end();) {
    if (!all && !it->done->load()) {
      ++it;
      continue;
    }
    it->thread.join();
    it = loaders.erase(it);
  }
}

std::vector<std::shared_ptr<ServedModel>> ModelManager::Impl::Models() const {
  std::lock_guard<std::mutex> lock(mutex);
  std::vector<std::shared_ptr<ServedModel>> models;
  for (const auto& [name, entry] : entries) {
    if (entry->model != nullptr) models.push_back(entry->model);
  }
  return models;
}

ModelManager::ModelManager(const KernelSet& kernels, ThreadPool& pool, const Options& options,
                           Listener listener, ObserverFactory observers)
    : impl_(std::make_unique<Impl>(kernels, pool, options, std::move(listener),
                                   std::move(observers))) {}

ModelManager::~ModelManager() {
  StartDrain();
  CancelAll();
  impl_->JoinLoaders(/*all=*/true);
  std::map<std::string, std::shared_ptr<Entry>> entries;
  {
    std::lock_guard<std::mutex> lock(impl_->mutex);
    entries.swap(impl_->entries);
  }
  entries.clear();
  impl_->reaper->Close();
}

absl::Status ModelManager::Load(const ModelSpec& spec) {
  bool mine = false;
  QUANTD_ASSIGN_OR_RETURN(const std::shared_ptr<Entry> entry, impl_->Admit(spec, &mine));
  if (mine) impl_->RunLoad(entry);
  std::unique_lock<std::mutex> lock(impl_->mutex);
  impl_->changed.wait(lock, [&] { return entry->settled; });
  return entry->result;
}

absl::Status ModelManager::StartLoad(const ModelSpec& spec) {
  bool mine = false;
  QUANTD_ASSIGN_OR_RETURN(const std::shared_ptr<Entry> entry, impl_->Admit(spec, &mine));
  if (!mine) return absl::OkStatus();
  impl_->JoinLoaders(/*all=*/false);
  std::lock_guard<std::mutex> lock(impl_->loaders_mutex);
  Impl::Loader& loader = impl_->loaders.emplace_back();
  loader.thread = std::thread([impl = impl_.get(), entry, done = loader.done] {
    impl->RunLoad(entry);
    *done = true;
  });
  return absl::OkStatus();
}

absl::Status ModelManager::Unload(const std::string& name) {
  std::shared_ptr<Entry> entry;
  std::shared_ptr<ServedModel> model;
  ModelStatus status;
  {
    std::unique_lock<std::mutex> lock(impl_->mutex);
    const auto it = impl_->entries.find(name);
    if (it == impl_->entries.end()) {
      return absl::NotFoundError(absl::StrCat("model ", Quoted(name), " is not loaded"));
    }
    entry = it->second;
    if (entry->state == ModelState::kLoading || entry->state == ModelState::kUnloading) {
      return absl::FailedPreconditionError(absl::StrCat(
          "model '", name, "' is ", ModelStateName(entry->state), "; unload it when it is READY"));
    }
    const bool failed = entry->state == ModelState::kFailed;
    if (!failed) entry->state = ModelState::kUnloading;
    impl_->changed.wait(lock, [&] { return entry->settled; });
    if (failed) {
      const auto current = impl_->entries.find(name);
      if (current != impl_->entries.end() && current->second == entry) {
        impl_->entries.erase(current);
      }
      return absl::OkStatus();
    }
    status = StatusOf(name, *entry);
  }
  impl_->Tell(status);
  status.model->engine().StartDrain();
  if (!status.model->engine().AwaitIdle(impl_->options.unload_drain)) {
    status.model->engine().CancelAll();
    status.model->engine().AwaitIdle(kCancelWait);
  }
  {
    std::lock_guard<std::mutex> lock(impl_->mutex);
    model = std::move(entry->model);
    impl_->entries.erase(name);
  }
  status.model.reset();
  model.reset();
  impl_->reaper->Flush();
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<ServedModel>> ModelManager::Get(const std::string& name) const {
  std::lock_guard<std::mutex> lock(impl_->mutex);
  const auto& entries = impl_->entries;
  const auto it = name.empty() && entries.size() == 1 ? entries.begin() : entries.find(name);
  if (it != entries.end()) {
    QUANTD_RETURN_IF_ERROR(NotReady(it->first, *it->second));
    return it->second->model;
  }
  if (entries.empty()) return absl::NotFoundError("no model is loaded");
  std::string names;
  size_t count = 0;
  for (const auto& [known, entry] : entries) {
    if (++count > kNamesInError) break;
    absl::StrAppend(&names, names.empty() ? "" : ", ", known);
  }
  if (count > kNamesInError) names += ", ...";
  return absl::NotFoundError(
      name.empty()
          ? absl::StrCat("the request names no model; name one of: ", names)
          : absl::StrCat("model ", Quoted(name), " is not loaded; the models are: ", names));
}

std::vector<ModelStatus> ModelManager::List() const {
  std::lock_guard<std::mutex> lock(impl_->mutex);
  std::vector<ModelStatus> list;
  for (const auto& [name, entry] : impl_->entries) list.push_back(StatusOf(name, *entry));
  return list;
}

void ModelManager::StartDrain() {
  {
    std::lock_guard<std::mutex> lock(impl_->mutex);
    impl_->draining = true;
    for (auto& [name, entry] : impl_->entries) entry->cancelled = true;
  }
  for (const auto& model : impl_->Models()) model->engine().StartDrain();
}

bool ModelManager::AwaitIdle(absl::Duration timeout) {
  // The clock must not jump: absl::Now() follows the wall clock.
  const auto start = std::chrono::steady_clock::now();
  bool idle = true;
  for (const auto& model : impl_->Models()) {
    const absl::Duration used = absl::FromChrono(std::chrono::steady_clock::now() - start);
    const absl::Duration left = std::max(timeout - used, absl::ZeroDuration());
    idle = model->engine().AwaitIdle(left) && idle;
  }
  return idle;
}

void ModelManager::CancelAll() {
  for (const auto& model : impl_->Models()) model->engine().CancelAll();
}

}  // namespace quantd
