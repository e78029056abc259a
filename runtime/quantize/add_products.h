#ifndef QUANTD_RUNTIME_QUANTIZE_ADD_PRODUCTS_H_
#define QUANTD_RUNTIME_QUANTIZE_ADD_PRODUCTS_H_

#include <algorithm>
#include <cstdint>

namespace quantd {

/// Columns that AddProducts takes at once: as many as registers hold.
inline constexpr int64_t kProductTile = 32;

/// out[j] += sum over p < count of a[p] * b[p * stride + j], for j < width. The order of the sum is
/// that of p, whatever the width.
template <typename T>
void AddProducts(const T* a, int64_t count, const T* b, int64_t stride, int64_t width, T* out) {
  for (int64_t begin = 0; begin < width; begin += kProductTile) {
    const int64_t tile = std::min(kProductTile, width - begin);
    T sums[kProductTile] = {};
    if (tile == kProductTile) {  // a constant, so that the compiler keeps the sums in registers
      for (int64_t p = 0; p < count; ++p) {
        for (int64_t j = 0; j < kProductTile; ++j) sums[j] += a[p] * b[p * stride + begin + j];
      }
    } else {
      for (int64_t p = 0; p < count; ++p) {
        for (int64_t j = 0; j < tile; ++j) sums[j] += a[p] * b[p * stride + begin + j];
      }
    }
    for (int64_t j = 0; j < tile; ++j) out[begin + j] += sums[j];
  }
}

}  // namespace quantd

#endif  // QUANTD_RUNTIME_QUANTIZE_ADD_PRODUCTS_H_
