#ifndef QUANTD_TESTS_SUPPORT_GUARDED_H_
#define QUANTD_TESTS_SUPPORT_GUARDED_H_

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace quantd {

/// An array whose last element ends where a page begins that nobody may touch: reading or writing
/// behind it ends the program, whichever instructions do it. Elements are zero at first. Move-only.
template <typename T>
class Guarded {
 public:
  Guarded() = default;
  explicit Guarded(size_t count) : size_(count) {
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    const size_t usable = (count * sizeof(T) + page - 1) / page * page;
    bytes_ = usable + page;
    memory_ = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory_ == MAP_FAILED ||
        mprotect(static_cast<char*>(memory_) + usable, page, PROT_NONE) != 0) {
      ADD_FAILURE() << "no memory for " << bytes_ << " guarded bytes";
      std::abort();
    }
    data_ = reinterpret_cast<T*>(static_cast<char*>(memory_) + usable) - count;
  }
  explicit Guarded(const std::vector<T>& values) : Guarded(values.size()) {
    std::copy(values.begin(), values.end(), data_);
  }
  Guarded(Guarded&& other) noexcept { *this = std::move(other); }
  Guarded& operator=(Guarded&& other) noexcept {
    std::swap(memory_, other.memory_);
    std::swap(bytes_, other.bytes_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~Guarded() {
    if (memory_ != nullptr) munmap(memory_, bytes_);
  }

  T* data() { return data_; }
  const T* data() const { return data_; }
  size_t size() const { return size_; }
  T& operator[](size_t i) { return data_[i]; }
  const T& operator[](size_t i) const { return data_[i]; }

 private:
  void* memory_ = nullptr;
  size_t bytes_ = 0;  // mapped, with the guard
  T* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace quantd

#endif  // QUANTD_TESTS_SUPPORT_GUARDED_H_
