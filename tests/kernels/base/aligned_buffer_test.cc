#include "kernels/base/aligned_buffer.h"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>

namespace quantd {
namespace {

constexpr size_t kMiB = 1 << 20;

TEST(AlignedBuffer, IsAlignedZeroedAndWritableToItsEnd) {
  for (const size_t bytes :
       {size_t{1}, size_t{63}, size_t{4096}, 2 * kMiB - 1, 2 * kMiB, 2 * kMiB + 1, 5 * kMiB + 7}) {
    AlignedBuffer buffer(bytes);
    ASSERT_NE(buffer.data(), nullptr);
    EXPECT_EQ(buffer.size(), bytes);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer.data()) % 64, 0u);
    if (bytes >= 2 * kMiB) {
      EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer.data()) % (2 * kMiB), 0u);
    }
    for (size_t i = 0; i < bytes; i += 61) ASSERT_EQ(buffer.as<uint8_t>()[i], 0);
    memset(buffer.data(), 0xff, bytes);
  }
}

TEST(AlignedBuffer, EmptyAndImpossibleSizesHoldNothing) {
  for (const size_t bytes :
       {size_t{0}, std::numeric_limits<size_t>::max(), std::numeric_limits<size_t>::max() / 5}) {
    const AlignedBuffer buffer(bytes);
    EXPECT_EQ(buffer.data(), nullptr);
    EXPECT_EQ(buffer.size(), 0u);
  }
}

TEST(AlignedBuffer, MoveKeepsTheBytes) {
  AlignedBuffer a(3 * kMiB), b(10);
  a.as<char>()[kMiB] = 'a';
  void* const data = a.data();
  AlignedBuffer c(std::move(a));
  EXPECT_EQ(c.data(), data);
  b = std::move(c);
  EXPECT_EQ(b.data(), data);
  EXPECT_EQ(b.size(), 3 * kMiB);
  EXPECT_EQ(b.as<char>()[kMiB], 'a');
}

}  // namespace
}  // namespace quantd
