#include <immintrin.h>

#include "kernels/measure/cpu/peaks.h"

namespace quantd::isa_amx {
namespace {

// What ldtilecfg reads: whole tiles, 16 rows of 64 bytes.
struct alignas(64) WholeTiles {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

// Tiles become zeros.
void Configure() {
  const WholeTiles config;
  // GCC's intrinsic says that it reads 8 bytes only, so that the rest might never be written.
  asm volatile("" : : "r"(&config) : "memory");
  _tile_loadconfig(&config);
}

}  // namespace

void MultiplyBytes(int64_t rounds) {
  Configure();
  for (int64_t i = 0; i < rounds; ++i) {
    static_assert(kPeakSums % 4 == 0);
    for (int sum = 0; sum < kPeakSums; sum += 4) {
      _tile_dpbssd(0, 4, 5);
      _tile_dpbssd(1, 4, 5);
      _tile_dpbssd(2, 4, 5);
      _tile_dpbssd(3, 4, 5);
    }
  }
  _tile_release();
}

void MultiplyPairs(int64_t rounds) {
  Configure();
  for (int64_t i = 0; i < rounds; ++i) {
    for (int sum = 0; sum < kPeakSums; sum += 4) {
      _tile_dpbf16ps(0, 4, 5);
      _tile_dpbf16ps(1, 4, 5);
      _tile_dpbf16ps(2, 4, 5);
      _tile_dpbf16ps(3, 4, 5);
    }
  }
  _tile_release();
}

}  // namespace quantd::isa_amx
