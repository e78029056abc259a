#ifndef QUANTD_RUNTIME_CHAT_BUDGET_H_
#define QUANTD_RUNTIME_CHAT_BUDGET_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"

namespace quantd::jinja {

/// What one rendering may use. A template comes with a model file, which nobody vouches for, so
/// each limit ends the rendering with RESOURCE_EXHAUSTED.
struct Limits {
  /// A step is one expression or statement, or moving or searching some text or list elements;
  /// about 50 ns.
  int64_t steps = 200'000;
  /// Bytes that values made by the template hold at once.
  size_t memory_bytes = size_t{32} << 20;
  /// Bytes of the result.
  size_t output_bytes = size_t{8} << 20;
};

/// Most expressions, statements and calls under way at once: the C++ stack of an evaluation.
inline constexpr int kMaxDepth = 500;
/// Most levels of lists and dicts in each other.
inline constexpr int kMaxValueHeight = 100;

/// Counts down the limits of one rendering. Not thread-safe; outlives every value made under it.
class Budget {
 public:
  explicit Budget(const Limits& limits)
      : limits_(limits), steps_(limits.steps), memory_(limits.memory_bytes) {}
  Budget(const Budget&) = delete;
  Budget& operator=(const Budget&) = delete;

  absl::Status Spend(int64_t steps = 1);
  /// For work on the bytes of a text, or on elements of a list (`unit` 4).
  absl::Status SpendOn(size_t amount, size_t unit = 64) {
    return Spend(1 + static_cast<int64_t>(amount / unit));
  }
  absl::Status MemoryError() const;

  const Limits& limits() const { return limits_; }
  int64_t steps_spent() const { return limits_.steps - steps_; }

 private:
  friend class MemoryClaim;
  const Limits limits_;
  int64_t steps_;
  size_t memory_;  // left
};

/// Memory that a value holds, given back when it goes. Without a budget nothing is counted.
class MemoryClaim {
 public:
  MemoryClaim() = default;
  explicit MemoryClaim(Budget* budget) : budget_(budget) {}
  MemoryClaim(MemoryClaim&& other) noexcept;
  MemoryClaim& operator=(MemoryClaim&& other) noexcept;
  ~MemoryClaim() { Release(); }

  /// Claims `bytes` in all; false, with nothing changed, when that is more than is left.
  bool Resize(size_t bytes);
  size_t bytes() const { return bytes_; }
  Budget* budget() const { return budget_; }

 private:
  void Release();
  Budget* budget_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace quantd::jinja

#endif  // QUANTD_RUNTIME_CHAT_BUDGET_H_
