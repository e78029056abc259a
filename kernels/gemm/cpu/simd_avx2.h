#ifndef QUANTD_KERNELS_GEMM_CPU_SIMD_AVX2_H_
#define QUANTD_KERNELS_GEMM_CPU_SIMD_AVX2_H_

#include "kernels/gemm/cpu/simd_ymm.h"

// AVX2 has no dot product of bytes: vpmaddubsw multiplies unsigned by signed bytes and adds pairs
// into int16 with saturation. The comments show that it cannot saturate here.

namespace quantd::isa_avx2 {
namespace {  // NOLINT(google-build-namespaces): each file has its own, compiled with its flags

// Codes of 2 to 6 bits: a pair is at most 2 * (2^bits - 1) * 127, which is 762, 1778, 3810, 7874
// and 16002. So 8, 8, 8, 4 and 2 of them fit into an int16 before it must be widened.
template <class Base, int kBits>
struct NarrowDot {
  using Weights = typename Base::Bytes;
  struct Acc {
    __m256i narrow[2];
    __m256i wide[2];
  };
  static constexpr int kSafeSteps = kBits <= 4 ? 8 : kBits == 5 ? 4 : 2;

  static QUANTD_INLINE __m256i Widen(__m256i narrow) {
    return _mm256_madd_epi16(narrow, _mm256_set1_epi16(1));
  }
  static QUANTD_INLINE Weights Prepare(const Weights& codes) { return codes; }
  template <int kZero>
  static QUANTD_INLINE Acc Start(int32_t minus_sum) {
    const auto start = Base::template TimesZero<kZero>(minus_sum);
    return {{_mm256_setzero_si256(), _mm256_setzero_si256()}, {start.v[0], start.v[1]}};
  }
  template <int kStep>
  static QUANTD_INLINE void Step(Acc& acc, const Weights& weights, const int8_t* a) {
    const __m256i a4 = Base::Broadcast4(a);
    for (int h = 0; h < 2; ++h) {
      const __m256i pairs = _mm256_maddubs_epi16(weights.v[h], a4);
      if constexpr (kStep % kSafeSteps == 0) {
        if constexpr (kStep > 0) acc.wide[h] = _mm256_add_epi32(acc.wide[h], Widen(acc.narrow[h]));
        acc.narrow[h] = pairs;
      } else {
        acc.narrow[h] = _mm256_add_epi16(acc.narrow[h], pairs);
      }
    }
  }
  static QUANTD_INLINE typename Base::Ints Finish(const Acc& acc) {
    return {{_mm256_add_epi32(acc.wide[0], Widen(acc.narrow[0])),
             _mm256_add_epi32(acc.wide[1], Widen(acc.narrow[1]))}};
  }
};

// sums + bytes * a, 4 products per lane; no pair may leave int16.
QUANTD_INLINE __m256i AddProducts(__m256i sums, __m256i bytes, __m256i a) {
  const __m256i pairs = _mm256_maddubs_epi16(bytes, a);
  return _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

// Bytes, and integers of a table, as w = code - 128: |w| <= 128 is the unsigned side, a with the
// sign of w the signed one. A pair is at most 2 * 128 * 127 = 32512. No zero point is left to
// subtract.
template <class Base>
struct SignedDot {
  struct Weights {
    __m256i magnitude[2];
    __m256i sign[2];
  };
  using Acc = typename Base::Ints;

  static QUANTD_INLINE Weights Prepare(const typename Base::Bytes& codes) {
    Weights weights;
    for (int h = 0; h < 2; ++h) {
      weights.sign[h] = _mm256_xor_si256(codes.v[h], _mm256_set1_epi8(-128));
      weights.magnitude[h] = _mm256_abs_epi8(weights.sign[h]);
    }
    return weights;
  }
  template <int kZero>
  static QUANTD_INLINE Acc Start(int32_t minus_sum) {
    return Base::ZeroInts();
  }
  template <int kStep>
  static QUANTD_INLINE void Step(Acc& acc, const Weights& weights, const int8_t* a) {
    const __m256i a4 = Base::Broadcast4(a);
    for (int h = 0; h < 2; ++h) {
      acc.v[h] = AddProducts(acc.v[h], weights.magnitude[h], _mm256_sign_epi8(a4, weights.sign[h]));
    }
  }
  static QUANTD_INLINE typename Base::Ints Finish(const Acc& acc) { return acc; }
};

// Unsigned bytes with a zero point of their own: as those, and 128 times the sum of activations on
// top.
template <class Base>
struct UnsignedDot : SignedDot<Base> {
  using Acc = typename SignedDot<Base>::Acc;
  template <int kZero>
  static QUANTD_INLINE Acc Start(int32_t minus_sum) {
    static_assert(kZero == 0);
    const __m256i v = _mm256_set1_epi32(-128 * minus_sum);
    return {{v, v}};
  }
};

// Codes::kSigned. Giving a the sign of w takes a multiplier's place on Zen, flipping the bits of a
// does not: that gives -a - 1 where w < 0, so |w| too little, and the sums start at what is
// missing. A pair is 2 * 128 * -128 at least, 2 * 127 * 127 at most.
template <class Base>
struct FlippedDot : SignedDot<Base> {
  using Weights = typename SignedDot<Base>::Weights;
  using Acc = typename SignedDot<Base>::Acc;

  static QUANTD_INLINE Weights Prepare(const typename Base::Bytes& codes) {
    Weights weights;
    for (int h = 0; h < 2; ++h) {
      weights.magnitude[h] = _mm256_abs_epi8(codes.v[h]);
      weights.sign[h] = _mm256_cmpgt_epi8(_mm256_setzero_si256(), codes.v[h]);
    }
    return weights;
  }
  template <int kStep>
  static QUANTD_INLINE void Step(Acc& acc, const Weights& weights, const int8_t* a) {
    const __m256i a4 = Base::Broadcast4(a);
    for (int h = 0; h < 2; ++h) {
      acc.v[h] = AddProducts(acc.v[h], weights.magnitude[h], _mm256_xor_si256(a4, weights.sign[h]));
    }
  }
};

struct Simd : YmmBase<Simd> {
  using Base = YmmBase<Simd>;
  static constexpr bool kOneSign = true;

  static QUANTD_INLINE Ints LoadInts(const uint8_t* at) {
    return {{LoadVector(at), LoadVector(at + 32)}};
  }
  static QUANTD_INLINE void StoreInts(uint8_t* at, const Ints& ints) { StoreBytes(at, ints); }
  static QUANTD_INLINE Ints AddNegatives(const Ints& ints, const Bytes& codes) {
    Ints sums = ints;
    for (int h = 0; h < 2; ++h) {
      const __m256i minus = _mm256_subs_epu8(_mm256_set1_epi8(-128), codes.v[h]);
      sums.v[h] = AddProducts(sums.v[h], minus, _mm256_set1_epi8(1));
    }
    return sums;
  }

  // Bits that matter for saturation: bytes of the expanded forms hold codes of 6, or with mins 5.
  static constexpr int DotBits(PackedFormat format) {
    const Rows32Format& f = FormatOf(format);
    if (f.codes == Codes::kIntTable) return 8;
    if (f.bits == 8 && f.zero == 32) return 6;
    return f.bits == 8 && f.min == SetType::kF32 ? 5 : f.bits;
  }
  template <int kBits, int kZero, bool kSigned>
  struct DotOf {
    using Type = NarrowDot<Base, kBits>;
  };
  template <PackedFormat kFormat>
  using Dot = typename DotOf<DotBits(kFormat), FormatOf(kFormat).zero,
                             FormatOf(kFormat).codes == Codes::kSigned>::Type;
};
template <>
struct Simd::DotOf<8, 128, false> {
  using Type = SignedDot<Base>;
};
template <>
struct Simd::DotOf<8, 0, false> {
  using Type = UnsignedDot<Base>;
};
template <>
struct Simd::DotOf<8, 0, true> {
  using Type = FlippedDot<Base>;
};

}  // namespace
}  // namespace quantd::isa_avx2

#endif  // QUANTD_KERNELS_GEMM_CPU_SIMD_AVX2_H_
