// GEMM kernels for AVX2, FMA and F16C. vpmaddubsw multiplies unsigned by signed bytes and adds
// pairs into int16 with saturation: the comments show that it cannot saturate here.
#include "kernels/gemm/cpu/simd_ymm.h"

namespace quantd {
namespace isa_avx2 {
namespace {

// Codes of 4, 5 and 6 bits: a pair is at most 2 * (2^bits - 1) * 127, which is 3810, 7874 and
// 16002. So 8, 4 and 2 of them fit into an int16 before it must be widened.
template <class Base, int kBits>
struct NarrowDot {
  using Weights = typename Base::Bytes;
  struct Acc {
    __m256i narrow[2];
    __m256i wide[2];
  };
  static constexpr int kSafeSteps = kBits == 4 ? 8 : kBits == 5 ? 4 : 2;

  static QUANTD_INLINE __m256i Widen(__m256i narrow) {
    return _mm256_madd_epi16(narrow, _mm256_set1_epi16(1));
  }
  static QUANTD_INLINE Weights Prepare(const Weights& codes) { return codes; }
  template <int kLow, int kHigh>
  static QUANTD_INLINE Acc Start(const int16_t* sums) {
    const auto start = Base::template SumTimes<kLow, kHigh>(sums);
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

// Codes of 8 bits as w = code - 128: |w| <= 128 is the unsigned side, a with the sign of w the
// signed one. A pair is at most 2 * 128 * 127 = 32512. No zero point is left to subtract.
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
  template <int kLow, int kHigh>
  static QUANTD_INLINE Acc Start(const int16_t* sums) {
    return Base::template SumTimes<0, 0>(sums);
  }
  template <int kStep>
  static QUANTD_INLINE void Step(Acc& acc, const Weights& weights, const int8_t* a) {
    const __m256i a4 = Base::Broadcast4(a);
    for (int h = 0; h < 2; ++h) {
      const __m256i pairs =
          _mm256_maddubs_epi16(weights.magnitude[h], _mm256_sign_epi8(a4, weights.sign[h]));
      acc.v[h] = _mm256_add_epi32(acc.v[h], _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
    }
  }
  static QUANTD_INLINE typename Base::Ints Finish(const Acc& acc) { return acc; }
};

struct Simd : YmmBase<Simd> {
  template <int kBits>
  struct DotOf {
    using Type = NarrowDot<YmmBase<Simd>, kBits>;
  };
  template <PackedFormat kFormat>
  using Dot = typename DotOf<kRows16[static_cast<int>(kFormat)].bits>::Type;
};
template <>
struct Simd::DotOf<8> {
  using Type = SignedDot<YmmBase<Simd>>;
};

}  // namespace

const RunPair kRuns[kPackedFormats] = {
    Runs<Simd, PackedFormat::kF32>(),  Runs<Simd, PackedFormat::kF16>(),
    Runs<Simd, PackedFormat::kBF16>(), Runs<Simd, PackedFormat::kQ8_0>(),
    Runs<Simd, PackedFormat::kQ4_0>(), Runs<Simd, PackedFormat::kQ4_1>(),
    Runs<Simd, PackedFormat::kQ5_0>(), Runs<Simd, PackedFormat::kQ5_1>(),
    Runs<Simd, PackedFormat::kQ6_K>(),
};

}  // namespace isa_avx2
}  // namespace quantd
