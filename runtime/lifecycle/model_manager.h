#ifndef QUANTD_RUNTIME_LIFECYCLE_MODEL_MANAGER_H_
#define QUANTD_RUNTIME_LIFECYCLE_MODEL_MANAGER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "runtime/chat/chat_template.h"
#include "runtime/engine/engine.h"
#include "runtime/lifecycle/kv_choice.h"
#include "runtime/model/model.h"
#include "runtime/tokenizer/tokenizer.h"

namespace quantd {

class KernelTuner;
struct LoadPlan;

/// What to serve under a name, and how.
struct ModelSpec {
  std::string name;         ///< in requests, metrics and health; [A-Za-z0-9._-]+
  std::string path;         ///< a .gguf file, or a folder with config.json and safetensors
  int32_t max_context = 0;  ///< tokens per sequence; 0 = the model's own
  int64_t kv_cache_bytes =
      0;  ///< 0 = enough for max_sequences full contexts, but at most a quarter of free memory
  KvChoice kv_type;
  std::string chat_template;  ///< file of a Jinja template in place of the model's own; "" = none
  EngineOptions engine;
};

/// A model ready to serve: everything a request needs, kept alive by shared handles. Reading is
/// thread-safe.
class ServedModel {
 public:
  /// Loads without a manager (`quantd run`, benchmarks). Same errors as ModelManager::Load.
  static absl::StatusOr<std::shared_ptr<ServedModel>> Load(const ModelSpec& spec,
                                                           const KernelSet& kernels,
                                                           ThreadPool& pool,
                                                           const LoadOptions& options,
                                                           EngineObserver* observer);
  /// The second half of a load, with memory already promised to `plan`.
  static absl::StatusOr<std::shared_ptr<ServedModel>> FromPlan(LoadPlan plan,
                                                               const KernelSet& kernels,
                                                               ThreadPool& pool,
                                                               const LoadOptions& options,
                                                               EngineObserver* observer);

  const ModelSpec& spec() const { return spec_; }
  const ModelConfig& config() const { return model_->config(); }
  const Tokenizer& tokenizer() const { return *tokenizer_; }
  /// How conversations become prompts; an error says why this model takes none.
  absl::StatusOr<const ChatTemplate*> chat_template() const {
    if (!chat_template_.ok()) return chat_template_.status();
    return chat_template_->get();
  }
  Model& model() const { return *model_; }
  Engine& engine() const { return *engine_; }
  KvType kv_type() const { return kv_type_; }
  int32_t kv_blocks() const { return kv_blocks_; }
  /// Longest sequence, tokens: the model's own or spec().max_context, whichever is less.
  int32_t max_context() const { return max_context_; }
  uint64_t file_bytes() const { return file_bytes_; }
  uint64_t kv_bytes() const { return kv_bytes_; }
  const std::string& format() const { return format_; }  ///< the format most weight bytes have
  absl::Duration load_time() const { return load_time_; }

 private:
  ServedModel() = default;
  ModelSpec spec_;
  std::unique_ptr<Tokenizer> tokenizer_;
  absl::StatusOr<std::unique_ptr<const ChatTemplate>> chat_template_;
  std::shared_ptr<Model> model_;
  std::unique_ptr<Engine> engine_;  // last: its thread uses the others
  KvType kv_type_ = KvType::kF16;
  int32_t kv_blocks_ = 0, max_context_ = 0;
  uint64_t file_bytes_ = 0, kv_bytes_ = 0;
  std::string format_;
  absl::Duration load_time_;
};

/// A model's life: LOADING -> READY -> UNLOADING -> (gone), or LOADING -> FAILED.
enum class ModelState : uint8_t { kLoading, kReady, kUnloading, kFailed };
const char* ModelStateName(ModelState state);  ///< "LOADING", ...

struct ModelStatus {
  std::string name, path;
  ModelState state = ModelState::kLoading;
  double progress = 0;                 ///< of LOADING, 0 to 1
  absl::Status error;                  ///< of FAILED
  std::shared_ptr<ServedModel> model;  ///< of READY and UNLOADING
};

/// Owns the models of the process. Thread-safe. A new load is refused before any allocation when
/// the memory it needs is not available; the models already there keep serving. A model is freed
/// on a thread of the manager's when its last handle goes, so a handle may be dropped anywhere,
/// also on the model's own engine threads; handles should be gone before the manager is.
class ModelManager {
 public:
  struct Options {
    int64_t memory_limit_bytes = 0;  ///< for weights and KV of all models; 0 = what the system has
    absl::Duration unload_drain = absl::Seconds(30);  ///< then what still runs is cancelled
    KernelTuner* tuner = nullptr;  ///< chooses kernels for what is loaded; may be null
  };
  /// Told of every state change, on the thread that made it, with no lock held; the changes of one
  /// model in their order. Must not call Load or Unload.
  using Listener = std::function<void(const ModelStatus&)>;
  /// Makes the observer of a model's engine; may return null. The result lives as long as the
  /// model.
  using ObserverFactory = std::function<std::unique_ptr<EngineObserver>(const std::string& name)>;

  ModelManager(const KernelSet& kernels, ThreadPool& pool, const Options& options,
               Listener listener, ObserverFactory observers);
  /// Cancels loads, unloads everything.
  ~ModelManager();

  /// Loads and waits. Concurrent loads of one name: one loads, the others wait and get its result
  /// if path, context and KV settings are the same, else ALREADY_EXISTS; a load of what is READY
  /// already is OK likewise. A name that FAILED before may be loaded again.
  /// Errors: INVALID_ARGUMENT naming the field, NOT_FOUND, DATA_LOSS, UNIMPLEMENTED,
  /// RESOURCE_EXHAUSTED, CANCELLED (shutdown), UNAVAILABLE (draining, or the name is unloading).
  absl::Status Load(const ModelSpec& spec);
  /// Starts a load on a thread of the manager's and returns; errors show in the state.
  absl::Status StartLoad(const ModelSpec& spec);

  /// Drains and frees a model, or forgets one that FAILED. NOT_FOUND; FAILED_PRECONDITION while it
  /// is loading or another call unloads it.
  absl::Status Unload(const std::string& name);

  /// The model to serve `name` with. "" means the only model, if there is just one. NOT_FOUND
  /// listing the names; UNAVAILABLE while loading, unloading or after a failed load.
  absl::StatusOr<std::shared_ptr<ServedModel>> Get(const std::string& name) const;

  std::vector<ModelStatus> List() const;  ///< sorted by name

  /// Refuses new requests and loads everywhere, and cancels the loads in progress.
  void StartDrain();
  /// Waits until no model has a live request; false if `timeout` passed.
  bool AwaitIdle(absl::Duration timeout);
  void CancelAll();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_LIFECYCLE_MODEL_MANAGER_H_
