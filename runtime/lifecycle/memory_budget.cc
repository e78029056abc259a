#include "runtime/lifecycle/memory_budget.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace quantd {
namespace {

std::string Mebibytes(int64_t bytes) {
  return absl::StrFormat("%.1f MiB", static_cast<double>(bytes) / (1 << 20));
}

}  // namespace

MemoryBudget::MemoryBudget(int64_t limit_bytes, SystemAvailable available)
    : limit_bytes_(limit_bytes), available_(std::move(available)) {}

std::shared_ptr<MemoryBudget> MemoryBudget::Create(int64_t limit_bytes, SystemAvailable available) {
  return std::shared_ptr<MemoryBudget>(new MemoryBudget(limit_bytes, std::move(available)));
}

int64_t MemoryBudget::AvailableLocked() const {
  // With a limit of the user's own, KV memory that a model has touched would count twice if
  // unseen_ were taken off the system's figure as well; the limit already covers it.
  const int64_t system = available_();
  const int64_t left =
      limit_bytes_ > 0 ? std::min(limit_bytes_ - reserved_, system) : system - unseen_;
  return std::max<int64_t>(left, 0);
}

int64_t MemoryBudget::Available() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return AvailableLocked();
}

absl::StatusOr<MemoryBudget::Reservation> MemoryBudget::Reserve(const std::string& model,
                                                                const MemoryNeed& need) {
  std::lock_guard<std::mutex> lock(mutex_);
  const int64_t available = AvailableLocked();
  if (need.weight_bytes > available || need.kv_bytes > available - need.weight_bytes) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "model '", model, "' needs ", Mebibytes(need.total()), " (weights ",
        Mebibytes(need.weight_bytes), ", KV cache ", Mebibytes(need.kv_bytes), ") but ",
        Mebibytes(available), " are available",
        limit_bytes_ > 0 ? absl::StrCat(" within the memory limit of ", Mebibytes(limit_bytes_))
                         : "",
        "; unload another model, lower kv_cache or max_context, use a smaller quantization",
        limit_bytes_ > 0 ? ", or raise the limit" : ""));
  }
  reserved_ += need.total();
  unseen_ += need.total();
  Reservation reservation;
  reservation.budget_ = shared_from_this();
  reservation.need_ = need;
  return reservation;
}

MemoryBudget::Reservation& MemoryBudget::Reservation::operator=(Reservation&& other) noexcept {
  if (this == &other) return *this;
  Release();
  budget_ = std::move(other.budget_);
  other.budget_ = nullptr;
  need_ = other.need_;
  loaded_ = other.loaded_;
  return *this;
}

void MemoryBudget::Reservation::MarkLoaded() {
  if (budget_ == nullptr || loaded_) return;
  std::lock_guard<std::mutex> lock(budget_->mutex_);
  budget_->unseen_ -= need_.weight_bytes;
  loaded_ = true;
}

void MemoryBudget::Reservation::Release() {
  if (budget_ == nullptr) return;
  {
    std::lock_guard<std::mutex> lock(budget_->mutex_);
    budget_->reserved_ -= need_.total();
    budget_->unseen_ -= loaded_ ? need_.kv_bytes : need_.total();
  }
  budget_ = nullptr;
}

}  // namespace quantd
