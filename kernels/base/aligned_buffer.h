#ifndef QUANTD_KERNELS_BASE_ALIGNED_BUFFER_H_
#define QUANTD_KERNELS_BASE_ALIGNED_BUFFER_H_

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/status/status.h"

namespace quantd {

/// How large buffers (of 2 MiB and more) lie in memory.
struct MemoryPolicy {
  bool huge_pages = true;  ///< ask the kernel for huge pages; else ask it for none
  /// NUMA nodes that they are spread over page by page; of one node, bound to it. Empty: where they
  /// are first touched.
  std::vector<int> nodes;
};

/// Sets the policy of all large buffers made from now on; the process has one. Thread-safe. Errors:
/// UNIMPLEMENTED or INVALID_ARGUMENT as the kernel refuses the nodes; then the policy stays as it
/// was.
absl::Status SetMemoryPolicy(const MemoryPolicy& policy);

/// Owns zero-initialized memory aligned to 64 bytes (a cache line, a 512-bit vector); buffers of
/// 2 MiB and more are mapped directly, aligned to huge pages, and follow the MemoryPolicy. When the
/// memory is not there, data() is null and size() is 0. Move-only; a move assignment swaps.
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  explicit AlignedBuffer(size_t bytes);
  ~AlignedBuffer();
  AlignedBuffer(AlignedBuffer&& other) noexcept { *this = std::move(other); }
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept;

  void* data() const { return data_; }
  size_t size() const { return size_; }
  template <typename T>
  T* as() const {
    return static_cast<T*>(data_);
  }

 private:
  void* data_ = nullptr;
  size_t size_ = 0;
  bool mapped_ = false;
};

}  // namespace quantd

#endif  // QUANTD_KERNELS_BASE_ALIGNED_BUFFER_H_
