#ifndef QUANTD_KERNELS_GEMM_CPU_EXPAND_ROWS_H_
#define QUANTD_KERNELS_GEMM_CPU_EXPAND_ROWS_H_

#include <stdint.h>
#include <string.h>

#if defined(__SSSE3__)
#include <tmmintrin.h>
#endif

#include "kernels/gemm/expand_args.h"

// How a packed row group becomes the F32 form of the same rows, in loops that compilers turn into
// vector code: one source, compiled for each instruction set. C headers and unnamed namespaces
// only (see kernels.h), and no constant of another header by address: that would be a weak symbol.

namespace quantd {
namespace {  // NOLINT(google-build-namespaces): each file has its own, compiled with its flags

// What the codes of one scale set are turned into weights with: scale * (value - zero) + min.
struct ExpandedSet {
  float scale[kGroupRows], zero[kGroupRows], min[kGroupRows];
};

// Like HalfToFloat, without branches.
inline float ExpandHalf(uint16_t half) {
  constexpr uint32_t kTop = 0x7c00u << 13;  // exponent of infinity and NaN
  const uint32_t magnitude = (half & 0x7fffu) << 13;
  float scaled;
  memcpy(&scaled, &magnitude, sizeof(scaled));
  scaled *= 0x1p112f;  // the difference of the exponents' biases; mends subnormals too
  uint32_t bits;
  memcpy(&bits, &scaled, sizeof(bits));
  bits = magnitude >= kTop ? magnitude | 0x7f800000u : bits;
  bits |= (half & 0x8000u) << 16;
  float result;
  memcpy(&result, &bits, sizeof(result));
  return result;
}

// See E4M3ToFloat.
inline float ExpandE4M3(uint32_t code) {
  const uint32_t magnitude = (code & 0x7fu) << 20;
  float scaled;
  memcpy(&scaled, &magnitude, sizeof(scaled));
  scaled *= 0x1p120f;
  uint32_t bits;
  memcpy(&bits, &scaled, sizeof(bits));
  bits = magnitude == 0x7fu << 20 ? 0x7fc00000u : bits;
  bits |= (code & 0x80u) << 24;
  float result;
  memcpy(&result, &bits, sizeof(result));
  return result;
}

inline void ExpandHalves(const uint8_t* at, float* out, int count) {
  for (int r = 0; r < count; ++r) {
    uint16_t half;
    memcpy(&half, at + 2 * r, sizeof(half));
    out[r] = ExpandHalf(half);
  }
}

// The 32 scales or mins at `at`; `upper`: what small integers are multiplied by.
inline void ExpandSetValues(SetType type, const uint8_t* at, const float* upper, float* out) {
  switch (type) {
    case SetType::kF32:
      memcpy(out, at, kGroupRows * sizeof(float));
      return;
    case SetType::kF16:
      return ExpandHalves(at, out, kGroupRows);
    case SetType::kE8M0:
      for (int r = 0; r < kGroupRows; ++r) {
        // 2^(e - 128): the exponent field e - 1, or a subnormal.
        const uint32_t e = at[r];
        const uint32_t bits = e < 2 ? 0x00200000u << e : (e - 1) << 23;
        memcpy(out + r, &bits, sizeof(bits));
      }
      return;
    case SetType::kI6:
    case SetType::kI8:
      for (int r = 0; r < kGroupRows; ++r) out[r] = upper[r] * static_cast<int8_t>(at[r]);
      return;
    case SetType::kU6:
      for (int r = 0; r < kGroupRows; ++r) out[r] = upper[r] * at[r];
      return;
    case SetType::kLow4:
      for (int r = 0; r < kGroupRows; ++r) out[r] = upper[r] * (at[r] & 15);
      return;
    case SetType::kHigh4:
      for (int r = 0; r < kGroupRows; ++r) out[r] = upper[r] * (at[r] >> 4);
      return;
    case SetType::kZero:
      for (int r = 0; r < kGroupRows; ++r) out[r] = at[r];
      return;
    case SetType::kNone:
      return;
  }
}

// The 6-bit sets at `sets`, a byte each.
inline void ExpandSixBits(const Rows32Format& f, const uint8_t* sets, uint8_t* out) {
  for (int i = 0; i < f.six_bit_sets(); ++i, out += kGroupRows) {
    const SixBitPlace place(f.six_bit_sets(), i);
    for (int r = 0; r < kGroupRows; ++r) {
      out[r] = static_cast<uint8_t>(place.Value(sets, r) - f.six_bit_offset());
    }
  }
}

// One superblock and where its parts lie.
struct ExpandedSuper {
  const Rows32Format* f;
  const uint8_t *scales, *mins, *codes;
  float scale_upper[kGroupRows], min_upper[kGroupRows];
  uint8_t bytes[16 * kGroupRows];  // 6-bit sets

  ExpandedSuper(const Rows32Format& format, const uint8_t* w, int blocks, int span)
      : f(&format),
        scales(w + format.super_scale_bytes()),
        mins(w + format.min_offset(blocks, span)),
        codes(w + format.header_bytes(blocks, span)) {
    if (f->six_bit()) {
      ExpandSixBits(*f, scales, bytes);
      mins = bytes + (mins - scales);
      scales = bytes;
    }
    if (!f->two_level()) return;
    ExpandHalves(w, scale_upper, kGroupRows);
    if (f->has_min()) ExpandHalves(w + 2 * kGroupRows, min_upper, kGroupRows);
  }

  void Set(int set, ExpandedSet* out) const {
    const int zero = f->codes == Codes::kFloatTable ? 0 : f->zero;
    for (int r = 0; r < kGroupRows; ++r) out->zero[r] = static_cast<float>(zero);
    for (int r = 0; r < kGroupRows; ++r) out->min[r] = 0;
    const uint8_t* const scale = scales + set * kGroupRows * SetBytes(f->scale);
    const uint8_t* const min = mins + set * kGroupRows * f->min_stride();
    ExpandSetValues(f->scale, scale, scale_upper, out->scale);
    ExpandSetValues(f->min, min, min_upper, f->min == SetType::kZero ? out->zero : out->min);
  }
};

// Vector (j, h) of a block: the codes of 4 k in the 4 bytes of each row's word.
inline void ExpandCodes(const Rows32Format& f, const uint8_t* block, int j, int h,
                        uint32_t words[kHalfRows]) {
  const int low = f.low_bits(), high = f.high_bits();
  memcpy(words, block + 64 * (2 * (j % low) + h), 64);
  if (low == 8) return;
  const uint32_t low_mask = 0x01010101u * ((1u << low) - 1);
  const int low_shift = j / low * low;
  for (int r = 0; r < kHalfRows; ++r) words[r] = words[r] >> low_shift & low_mask;
  if (high == 0) return;
  uint32_t tops[kHalfRows];
  memcpy(tops, block + low * kGroupRows * kBlockWeights / 8 + 64 * (2 * (j % high) + h), 64);
  const uint32_t high_mask = 0x01010101u * ((1u << high) - 1);
  const int high_shift = j / high * high;
  for (int r = 0; r < kHalfRows; ++r) words[r] |= (tops[r] >> high_shift & high_mask) << low;
}

// Replaces each code by its entry in a table of integers, plus kTableOffset.
inline void LookUpBytes(const signed char* table, uint32_t words[kHalfRows]) {
#if defined(__SSSE3__)
  const __m128i entries =
      _mm_xor_si128(_mm_loadu_si128(reinterpret_cast<const __m128i*>(table)), _mm_set1_epi8(-128));
  for (int i = 0; i < 4; ++i) {
    __m128i* const four = reinterpret_cast<__m128i*>(words + 4 * i);
    _mm_storeu_si128(four, _mm_shuffle_epi8(entries, _mm_loadu_si128(four)));
  }
#else
  uint8_t bytes[4 * kHalfRows];
  memcpy(bytes, words, sizeof(bytes));
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(table[byte] + kTableOffset);
  memcpy(words, bytes, sizeof(bytes));
#endif
}

// The weights of one k and half of the rows, from byte i of each row's word.
inline void ExpandValues(Codes codes, const float* table, const uint32_t words[kHalfRows], int i,
                         const ExpandedSet& set, int first_row, float* out) {
  float values[kHalfRows];
  if (codes == Codes::kFloatTable) {
    for (int r = 0; r < kHalfRows; ++r) values[r] = table[words[r] >> 8 * i & 15];
  } else if (codes == Codes::kE4M3) {
    for (int r = 0; r < kHalfRows; ++r) values[r] = ExpandE4M3(words[r] >> 8 * i & 255);
  } else {
    for (int r = 0; r < kHalfRows; ++r) {
      values[r] = static_cast<float>(static_cast<int32_t>(words[r] >> 8 * i & 255));
    }
  }
  const float *const scale = set.scale + first_row, *const zero = set.zero + first_row;
  const float* const min = set.min + first_row;
  for (int r = 0; r < kHalfRows; ++r) out[r] = scale[r] * (values[r] - zero[r]) + min[r];
}

// The first `count` k of block `b` into out[count][32].
inline void ExpandBlock(const ExpandArgs& args, const ExpandedSuper& super, int b, int count,
                        float* out) {
  const Rows32Format& f = *args.format;
  const uint8_t* const block = super.codes + b * f.block_bytes();
  const int set_weights = f.set_weights == 0 ? args.span : f.set_weights;
  ExpandedSet set;
  for (int j = 0; 4 * j < count; ++j) {
    // A set covers 16 k at least, so that it changes here or in the middle of a block.
    if (j % 4 == 0) super.Set((b * kBlockWeights + 4 * j) / set_weights, &set);
    for (int h = 0; h < 2; ++h) {
      uint32_t words[kHalfRows];
      ExpandCodes(f, block, j, h, words);
      if (f.codes == Codes::kIntTable) LookUpBytes(args.integers, words);
      for (int i = 0; i < 4 && 4 * j + i < count; ++i) {
        float* const row = out + (4 * j + i) * kGroupRows + kHalfRows * h;
        ExpandValues(f.codes, args.floats, words, i, set, kHalfRows * h, row);
      }
    }
  }
}

inline void ExpandFloats(PackedFormat format, int64_t count, const uint8_t* group, float* out) {
  if (format == PackedFormat::kF32) {
    memcpy(out, group, count * sizeof(float));
    return;
  }
  for (int64_t at = 0; at < count; at += kGroupRows) {
    const uint8_t* const halves = group + 2 * at;
    if (format == PackedFormat::kF16) {
      ExpandHalves(halves, out + at, kGroupRows);
      continue;
    }
    for (int r = 0; r < kGroupRows; ++r) {
      uint16_t half;
      memcpy(&half, halves + 2 * r, sizeof(half));
      const uint32_t bits = static_cast<uint32_t>(half) << 16;
      memcpy(out + at + r, &bits, sizeof(bits));
    }
  }
}

// See ExpandRun.
inline void ExpandRows(const ExpandArgs& args) {
  const Rows32Format& f = *args.format;
  if (f.is_float()) return ExpandFloats(args.packed, args.k * kGroupRows, args.group, args.out);
  const uint8_t* group = args.group;
  float* out = args.out;
  for (int64_t at = 0; at < args.k; at += kSuperWeights) {
    const int64_t rest = args.k - at < kSuperWeights ? args.k - at : kSuperWeights;
    const int blocks = static_cast<int>((rest + kBlockWeights - 1) / kBlockWeights);
    const ExpandedSuper super(f, group, blocks, args.span);
    for (int b = 0; b < blocks; ++b) {
      const int64_t left = rest - b * kBlockWeights;
      const int count = left < kBlockWeights ? static_cast<int>(left) : kBlockWeights;
      ExpandBlock(args, super, b, count, out);
      out += count * kGroupRows;
    }
    group += f.super_bytes(blocks, args.span);
  }
}

}  // namespace
}  // namespace quantd

#endif  // QUANTD_KERNELS_GEMM_CPU_EXPAND_ROWS_H_
