#ifndef QUANTD_RUNTIME_LIFECYCLE_MEMORY_BUDGET_H_
#define QUANTD_RUNTIME_LIFECYCLE_MEMORY_BUDGET_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "absl/status/statusor.h"

namespace quantd {

/// Bytes that a model takes once it serves.
struct MemoryNeed {
  int64_t weight_bytes = 0;
  int64_t kv_bytes = 0;
  int64_t total() const { return weight_bytes + kv_bytes; }
};

/// What models have been promised, so that a load is refused before it allocates. The system's
/// own figure is not enough for that: KV memory counts there only when first touched, and a load
/// in progress only as far as it got. Thread-safe; outlived by its reservations, which share it.
class MemoryBudget : public std::enable_shared_from_this<MemoryBudget> {
 public:
  /// Bytes that the system could give now.
  using SystemAvailable = std::function<int64_t()>;

  /// A model's share; given back on destruction. Move-only.
  class Reservation {
   public:
    Reservation() = default;
    Reservation(Reservation&& other) noexcept { *this = std::move(other); }
    Reservation& operator=(Reservation&& other) noexcept;
    ~Reservation() { Release(); }

    /// The weights are in memory: from now on the system's figure contains them.
    void MarkLoaded();

   private:
    friend class MemoryBudget;
    void Release();
    std::shared_ptr<MemoryBudget> budget_;
    MemoryNeed need_;
    bool loaded_ = false;
  };

  /// `limit_bytes`: for all models together; 0 = only what the system has.
  static std::shared_ptr<MemoryBudget> Create(int64_t limit_bytes, SystemAvailable available);

  /// Bytes that one more model may take; 0 at least.
  int64_t Available() const;

  /// Errors: RESOURCE_EXHAUSTED with the figures and what to do about them.
  absl::StatusOr<Reservation> Reserve(const std::string& model, const MemoryNeed& need);

 private:
  MemoryBudget(int64_t limit_bytes, SystemAvailable available);
  int64_t AvailableLocked() const;

  const int64_t limit_bytes_;
  const SystemAvailable available_;
  mutable std::mutex mutex_;
  int64_t reserved_ = 0;  ///< by every reservation
  int64_t unseen_ = 0;    ///< of them, what the system's figure may not contain yet
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_LIFECYCLE_MEMORY_BUDGET_H_
