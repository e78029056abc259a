#include "kernels/base/aligned_buffer.h"

#include <linux/mempolicy.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <mutex>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace quantd {
namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kHugePage = size_t{2} << 20;

size_t RoundUp(size_t value, size_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

constexpr int kMaxNodes = 1024;  // that Linux can be built for

std::mutex policy_mutex;

MemoryPolicy& LockedPolicy() {
  static auto* const policy = new MemoryPolicy;
  return *policy;
}

MemoryPolicy CurrentPolicy() {
  std::lock_guard<std::mutex> lock(policy_mutex);
  return LockedPolicy();
}

// Binds pages, none of them touched yet, to nodes; 0 or an errno.
int BindPages(void* pages, size_t bytes, const std::vector<int>& nodes) {
  constexpr size_t kBits = 8 * sizeof(unsigned long);  // NOLINT(runtime/int): as in mbind(2)
  unsigned long mask[kMaxNodes / kBits] = {};          // NOLINT(runtime/int)
  for (const int node : nodes) {
    if (node < 0 || node >= kMaxNodes) return EINVAL;
    mask[node / kBits] |= 1ul << node % kBits;
  }
  const int mode = nodes.size() == 1 ? MPOL_BIND : MPOL_INTERLEAVE;
  // The kernel looks at one bit less than it is told of.
  return syscall(SYS_mbind, pages, bytes, mode, mask, kMaxNodes + 1, 0) == 0 ? 0 : errno;
}

// Zeroed pages that start on a huge-page boundary; null when the system refuses. Whole huge pages
// need that boundary, which mmap alone does not promise: map more and give the ends back. Behind
// the last whole huge page there are small ones, so that no memory is taken that is not used.
void* MapLarge(size_t bytes) {
  const size_t mapped = bytes + kHugePage;
  void* const raw =
      mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (raw == MAP_FAILED) return nullptr;
  auto* const begin = static_cast<char*>(raw);
  const size_t lead =
      RoundUp(reinterpret_cast<uintptr_t>(begin), kHugePage) - reinterpret_cast<uintptr_t>(begin);
  if (lead > 0) munmap(begin, lead);
  if (mapped - lead > bytes) munmap(begin + lead + bytes, mapped - lead - bytes);
  // Advice only, and nodes that were accepted before: failure costs speed, nothing else.
  const MemoryPolicy policy = CurrentPolicy();
  madvise(begin + lead, bytes, policy.huge_pages ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
  if (!policy.nodes.empty()) BindPages(begin + lead, bytes, policy.nodes);
  return begin + lead;
}

size_t MappedBytes(size_t size) {
  static const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return RoundUp(size, page);
}

}  // namespace

absl::Status SetMemoryPolicy(const MemoryPolicy& policy) {
  if (!policy.nodes.empty()) {
    const size_t bytes = MappedBytes(1);
    void* const probe =
        mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (probe == MAP_FAILED) return absl::ErrnoToStatus(errno, "memory for a page");
    const int error = BindPages(probe, bytes, policy.nodes);
    munmap(probe, bytes);
    if (error != 0) {
      return absl::ErrnoToStatus(error, absl::StrCat("the system does not place memory on NUMA ",
                                                     "nodes ", absl::StrJoin(policy.nodes, ",")));
    }
  }
  std::lock_guard<std::mutex> lock(policy_mutex);
  LockedPolicy() = policy;
  return absl::OkStatus();
}

AlignedBuffer::AlignedBuffer(size_t bytes) {
  if (bytes == 0 || bytes > std::numeric_limits<size_t>::max() / 4) return;
  mapped_ = bytes >= kHugePage;
  if (mapped_) {
    data_ = MapLarge(MappedBytes(bytes));
  } else {
    data_ = std::aligned_alloc(kAlignment, RoundUp(bytes, kAlignment));
    if (data_ != nullptr) std::memset(data_, 0, RoundUp(bytes, kAlignment));
  }
  if (data_ != nullptr) size_ = bytes;
}

AlignedBuffer::~AlignedBuffer() {
  if (data_ == nullptr) return;
  if (mapped_) {
    munmap(data_, MappedBytes(size_));
  } else {
    std::free(data_);
  }
}

AlignedBuffer& AlignedBuffer::operator=(AlignedBuffer&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(mapped_, other.mapped_);
  return *this;
}

}  // namespace quantd
