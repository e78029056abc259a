#include "runtime/chat/budget.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace quantd::jinja {

absl::Status Budget::Spend(int64_t steps) {
  if (steps <= steps_) {
    steps_ -= steps;
    return absl::OkStatus();
  }
  steps_ = 0;
  return absl::ResourceExhaustedError(
      absl::StrCat("the template takes more than ", limits_.steps, " steps"));
}

absl::Status Budget::MemoryError() const {
  return absl::ResourceExhaustedError(
      absl::StrCat("the template's values need more than ", limits_.memory_bytes, " bytes"));
}

MemoryClaim::MemoryClaim(MemoryClaim&& other) noexcept
    : budget_(other.budget_), bytes_(std::exchange(other.bytes_, 0)) {}

MemoryClaim& MemoryClaim::operator=(MemoryClaim&& other) noexcept {
  if (this != &other) {
    Release();
    budget_ = other.budget_;
    bytes_ = std::exchange(other.bytes_, 0);
  }
  return *this;
}

bool MemoryClaim::Resize(size_t bytes) {
  if (budget_ != nullptr) {
    if (bytes > bytes_ && bytes - bytes_ > budget_->memory_) return false;
    budget_->memory_ = budget_->memory_ + bytes_ - bytes;
  }
  bytes_ = bytes;
  return true;
}

void MemoryClaim::Release() {
  if (budget_ != nullptr) budget_->memory_ += std::exchange(bytes_, 0);
}

}  // namespace quantd::jinja
