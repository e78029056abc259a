#include "kernels/base/aligned_buffer.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <limits>

namespace quantd {
namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kHugePage = size_t{2} << 20;

size_t RoundUp(size_t value, size_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

// Zeroed pages that start on a huge-page boundary; null when the system refuses. Whole huge pages
// need that boundary, which mmap alone does not promise: map more and give the ends back.
void* MapHuge(size_t bytes) {
  const size_t mapped = bytes + kHugePage;
  void* const raw =
      mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (raw == MAP_FAILED) return nullptr;
  auto* const begin = static_cast<char*>(raw);
  const size_t lead =
      RoundUp(reinterpret_cast<uintptr_t>(begin), kHugePage) - reinterpret_cast<uintptr_t>(begin);
  if (lead > 0) munmap(begin, lead);
  if (mapped - lead > bytes) munmap(begin + lead + bytes, mapped - lead - bytes);
  madvise(begin + lead, bytes, MADV_HUGEPAGE);  // advice only: failure costs speed, nothing else
  return begin + lead;
}

size_t MappedBytes(size_t size) { return RoundUp(size, kHugePage); }

}  // namespace

AlignedBuffer::AlignedBuffer(size_t bytes) {
  if (bytes == 0 || bytes > std::numeric_limits<size_t>::max() / 4) return;
  mapped_ = bytes >= kHugePage;
  if (mapped_) {
    data_ = MapHuge(MappedBytes(bytes));
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
