#ifndef QUANTD_KERNELS_GEMM_ROWS32_FORMAT_H_
#define QUANTD_KERNELS_GEMM_ROWS32_FORMAT_H_

#include <stdint.h>

// The byte order of WeightLayout::kRows32, as numbers. Plain constants only: files compiled for
// one instruction set include this. kernels/README.md draws the pictures.

namespace quantd {

/// The formats that have a kRows32 form, family by family; index into kRows32.
enum class PackedFormat : uint8_t {
  // Floats, multiplied as such.
  kF32,
  kF16,
  kBF16,
  kNf4,
  kFp4,
  kFp8,
  // Blocks of 32 with one scale.
  kQ8_0,
  kQ4_0,
  kQ4_1,
  kQ5_0,
  kQ5_1,
  kIq4Nl,
  kMxFp4,
  // Two levels of scales.
  kQ2_K,
  kQ3_K,
  kQ4_K,
  kQ5_K,
  kQ6_K,
  kIq4Xs,
  // Affine integers of any group: symmetric bytes; with a zero point; both with a scale per 16.
  kInt8,
  kAffine2,
  kAffine3,
  kAffine4,
  kAffine8,
  kAffine2Fine,
  kAffine3Fine,
  kAffine4Fine,
  kAffine8Fine,
};
inline constexpr int kPackedFormats = 28;

/// The families: each one's first format, and the end.
inline constexpr PackedFormat kFirstFloat = PackedFormat::kF32;
inline constexpr PackedFormat kFirstBlock = PackedFormat::kQ8_0;
inline constexpr PackedFormat kFirstTwoLevel = PackedFormat::kQ2_K;
inline constexpr PackedFormat kFirstAffine = PackedFormat::kInt8;
inline constexpr PackedFormat kEndFormats = static_cast<PackedFormat>(kPackedFormats);

/// What slabs of other formats are expanded to for many input rows: bytes or floats, F32 scales and
/// mins. Not formats of weights: they exist in a kernel's scratch memory only. The last two are of
/// instruction sets that multiply bytes of one sign only (cpu/simd_avx2.h).
inline constexpr PackedFormat kExpandedBytes = kEndFormats;
inline constexpr PackedFormat kExpanded = static_cast<PackedFormat>(kPackedFormats + 1);
inline constexpr PackedFormat kExpandedFine = static_cast<PackedFormat>(kPackedFormats + 2);
inline constexpr PackedFormat kExpandedMin = static_cast<PackedFormat>(kPackedFormats + 3);
inline constexpr PackedFormat kExpandedMinFine = static_cast<PackedFormat>(kPackedFormats + 4);
inline constexpr PackedFormat kExpandedFloats = static_cast<PackedFormat>(kPackedFormats + 5);
inline constexpr PackedFormat kExpandedSigned = static_cast<PackedFormat>(kPackedFormats + 6);
inline constexpr PackedFormat kExpandedSignedSpan = static_cast<PackedFormat>(kPackedFormats + 7);

inline constexpr int kGroupRows = 32;      ///< output rows that are interleaved
inline constexpr int kHalfRows = 16;       ///< of them that a 64-byte vector holds
inline constexpr int kBlockWeights = 32;   ///< consecutive k in a block
inline constexpr int kSuperWeights = 256;  ///< consecutive k in a superblock
inline constexpr int kBlocksPerSuper = kSuperWeights / kBlockWeights;

/// What the codes of a format are.
enum class Codes : uint8_t {
  kFloat,       ///< values by themselves: F32, F16, BF16
  kInt,         ///< integers
  kIntTable,    ///< indices of a table of integers
  kFloatTable,  ///< indices of a table of floats
  kE4M3,        ///< 8-bit floats
  kValues,      ///< F32, to be scaled
  kSigned,      ///< two's complement
};

/// How a scale, or a min, is stored.
enum class SetType : uint8_t {
  kNone,
  kF32,
  kF16,
  kE8M0,   ///< exponent e: 2^(e - 128)
  kI8,     ///< small integer, to be multiplied by the superblock's F16
  kLow4,   ///< as kI8, 0 .. 15, in the low half of a byte
  kHigh4,  ///< likewise, for mins: in the high half of the scale's byte
  kI6,     ///< as kI8, -32 .. 31, stored plus 32 in planes (SixBitPlace)
  kU6,     ///< as kI8, 0 .. 63, likewise; for scales with mins, and for these
  kZero,   ///< integer zero point z: the min is -(scale * z)
};

constexpr int SetBytes(SetType type) {
  switch (type) {
    case SetType::kNone:
    case SetType::kHigh4:
      return 0;
    case SetType::kF32:
      return 4;
    case SetType::kF16:
      return 2;
    default:
      return 1;
  }
}

/// One superblock of 32 rows: a header, then up to 8 blocks of codes of 32 consecutive k each. A
/// row group is its superblocks one after the other; the matrix is its row groups. A float format
/// has no superblocks: a row group is the 32 rows' values of every k.
///
/// Header: with two levels (kI8, kLow4, kI6, kU6) 32 F16 scales and, if there are mins, 32 F16
/// mins; then the scale sets, each 32 scales; then the min sets; padded to 64 bytes. Set s covers
/// the s-th `set_weights` consecutive k. Sets of 6 bits are laid out as SixBitPlace says.
///
/// Block: planes of 64-byte vectors, vector (j, h) having byte 4 * row + i for k = 4 * j + i and
/// row = 16 * h .. 16 * h + 15. A plane of p bits holds the 8 / p vectors j, j + p, j + 2p ... in
/// one byte, lowest bits first, j by j, h by h. (Values: a vector (k, h) of 16 rows each.) bits 8,
/// 4, 2: one plane. 3: planes of 2 and 1 bits. 5: 4 and 1. 6: 4 and 2. kSigned: behind them an
/// int32 for each row, minus the sum of its negative codes.
struct Rows32Format {
  Codes codes;
  int bits;         ///< of a code
  int zero;         ///< subtracted from integer codes (kIntTable: see kTableOffset)
  int set_weights;  ///< k that share a scale: 16, 32; 0: given at run time, 32 .. 256
  SetType scale = SetType::kNone;
  SetType min = SetType::kNone;

  constexpr bool is_float() const { return codes == Codes::kFloat; }
  /// Multiplied in integers, by int8 activations.
  constexpr bool is_int() const {
    return codes == Codes::kInt || codes == Codes::kIntTable || codes == Codes::kSigned;
  }
  constexpr bool six_bit() const { return scale == SetType::kI6 || scale == SetType::kU6; }
  /// What a scale of 6 bits is stored plus.
  constexpr int six_bit_offset() const { return scale == SetType::kI6 ? 32 : 0; }
  constexpr bool two_level() const {
    return scale == SetType::kI8 || scale == SetType::kLow4 || six_bit();
  }
  constexpr bool has_min() const { return min != SetType::kNone; }
  constexpr bool fine() const { return set_weights == 16; }
  constexpr int low_bits() const { return bits == 3 ? 2 : bits == 5 || bits == 6 ? 4 : bits; }
  constexpr int high_bits() const { return bits - low_bits(); }
  constexpr int super_scale_bytes() const {
    return two_level() ? 2 * kGroupRows * (has_min() ? 2 : 1) : 0;
  }
  /// Sets of a superblock of `blocks` blocks; `span` is used where set_weights is 0.
  constexpr int sets(int blocks, int span) const {
    const int weights = set_weights == 0 ? span : set_weights;
    return (blocks * kBlockWeights + weights - 1) / weights;
  }
  /// Scale and min sets of a superblock together, where they are 6 bits: it has all its blocks.
  constexpr int six_bit_sets() const { return kSuperWeights / set_weights * (has_min() ? 2 : 1); }
  /// Where the first min set lies in the header, or would if 6 bits took a byte.
  constexpr int min_offset(int blocks, int span) const {
    const bool shared = min == SetType::kHigh4;
    return super_scale_bytes() + (shared ? 0 : sets(blocks, span) * kGroupRows * SetBytes(scale));
  }
  /// Bytes from a row's min to the next row's.
  constexpr int min_stride() const {
    return min == SetType::kHigh4 ? SetBytes(scale) : SetBytes(min);
  }
  constexpr int header_bytes(int blocks, int span) const {
    const int set_bytes = six_bit()
                              ? six_bit_sets() * kGroupRows * 6 / 8
                              : sets(blocks, span) * kGroupRows * (SetBytes(scale) + SetBytes(min));
    const int raw = super_scale_bytes() + set_bytes;
    return (raw + 63) / 64 * 64;
  }
  constexpr int code_bytes() const { return bits * kGroupRows * kBlockWeights / 8; }
  constexpr int block_bytes() const {
    return code_bytes() + (codes == Codes::kSigned ? 4 * kGroupRows : 0);
  }
  constexpr int super_bytes(int blocks, int span) const {
    return header_bytes(blocks, span) + blocks * block_bytes();
  }
};

/// Where the 32 values of the i-th of so many 6-bit sets lie (scale sets, then min sets): their low
/// 4 bits from byte `low` on, a byte for each row, `low_shift` up; the high 2 bits likewise.
struct SixBitPlace {
  int low, low_shift, high, high_shift;

  constexpr SixBitPlace(int sets, int i)
      : low(i % (sets / 2) * kGroupRows),
        low_shift(i / (sets / 2) * 4),
        high((sets / 2 + i % (sets / 4)) * kGroupRows),
        high_shift(i / (sets / 4) * 2) {}

  /// The value of a row as stored, 0 .. 63; `sets`: where the first set begins.
  constexpr int Value(const uint8_t* sets, int row) const {
    return (sets[low + row] >> low_shift & 15) | (sets[high + row] >> high_shift & 3) << 4;
  }
};

/// Integer tables are added to this, so that their values are unsigned bytes like other codes.
inline constexpr int kTableOffset = 128;

inline constexpr Rows32Format kRows32[] = {
    /* F32    */ {Codes::kFloat, 32, 0, 1},
    /* F16    */ {Codes::kFloat, 16, 0, 1},
    /* BF16   */ {Codes::kFloat, 16, 0, 1},
    /* NF4    */ {Codes::kFloatTable, 4, 0, 0, SetType::kF32},
    /* FP4    */ {Codes::kFloatTable, 4, 0, 0, SetType::kF32},
    /* FP8    */ {Codes::kE4M3, 8, 0, 0, SetType::kF32},
    /* Q8_0   */ {Codes::kInt, 8, 128, 32, SetType::kF16},
    /* Q4_0   */ {Codes::kInt, 4, 8, 32, SetType::kF16},
    /* Q4_1   */ {Codes::kInt, 4, 0, 32, SetType::kF16, SetType::kF16},
    /* Q5_0   */ {Codes::kInt, 5, 16, 32, SetType::kF16},
    /* Q5_1   */ {Codes::kInt, 5, 0, 32, SetType::kF16, SetType::kF16},
    /* IQ4_NL */ {Codes::kIntTable, 4, kTableOffset, 32, SetType::kF16},
    /* MXFP4  */ {Codes::kIntTable, 4, kTableOffset, 32, SetType::kE8M0},
    /* Q2_K   */ {Codes::kInt, 2, 0, 16, SetType::kLow4, SetType::kHigh4},
    /* Q3_K   */ {Codes::kInt, 3, 4, 16, SetType::kI6},
    /* Q4_K   */ {Codes::kInt, 4, 0, 32, SetType::kU6, SetType::kU6},
    /* Q5_K   */ {Codes::kInt, 5, 0, 32, SetType::kU6, SetType::kU6},
    /* Q6_K   */ {Codes::kInt, 6, 32, 16, SetType::kI8},
    /* IQ4_XS */ {Codes::kIntTable, 4, kTableOffset, 32, SetType::kI6},
    /* INT8   */ {Codes::kInt, 8, 128, 0, SetType::kF32},
    /* affine */ {Codes::kInt, 2, 0, 0, SetType::kF32, SetType::kZero},
    /* affine */ {Codes::kInt, 3, 0, 0, SetType::kF32, SetType::kZero},
    /* affine */ {Codes::kInt, 4, 0, 0, SetType::kF32, SetType::kZero},
    /* affine */ {Codes::kInt, 8, 0, 0, SetType::kF32, SetType::kZero},
    /* fine   */ {Codes::kInt, 2, 0, 16, SetType::kF32, SetType::kZero},
    /* fine   */ {Codes::kInt, 3, 0, 16, SetType::kF32, SetType::kZero},
    /* fine   */ {Codes::kInt, 4, 0, 16, SetType::kF32, SetType::kZero},
    /* fine   */ {Codes::kInt, 8, 0, 16, SetType::kF32, SetType::kZero},
    /* expanded: tables; codes up to 6 bits; codes up to 5 bits with mins; tables of floats, E4M3;
       signed bytes and tables */
    {Codes::kInt, 8, 128, 32, SetType::kF32},
    {Codes::kInt, 8, 32, 32, SetType::kF32},
    {Codes::kInt, 8, 32, 16, SetType::kF32},
    {Codes::kInt, 8, 0, 32, SetType::kF32, SetType::kF32},
    {Codes::kInt, 8, 0, 16, SetType::kF32, SetType::kF32},
    {Codes::kValues, 32, 0, 0, SetType::kF32},
    {Codes::kSigned, 8, 0, 32, SetType::kF32},
    {Codes::kSigned, 8, 0, 0, SetType::kF32},
};

/// What a format is expanded to; the format itself where that gains nothing: F32, bytes, nibbles
/// with plain scales, and spans, whose scales cover several blocks. `one_sign`: for an instruction
/// set that multiplies bytes of one sign only, so that those of both signs gain too.
constexpr PackedFormat ExpandedOf(PackedFormat format, bool one_sign) {
  const Rows32Format& f = kRows32[static_cast<int>(format)];
  if (f.is_float()) return PackedFormat::kF32;
  if (f.codes == Codes::kFloatTable || f.codes == Codes::kE4M3) return kExpandedFloats;
  if (one_sign && f.is_int() && f.zero == kTableOffset) {
    return f.set_weights == 0 ? kExpandedSignedSpan : kExpandedSigned;
  }
  if (!f.is_int() || f.set_weights == 0 || f.min == SetType::kZero) return format;
  if (f.bits == 8 || (f.bits == 4 && !f.two_level())) return format;
  if (f.codes == Codes::kIntTable) return kExpandedBytes;
  if (f.has_min()) return f.fine() ? kExpandedMinFine : kExpandedMin;
  return f.fine() ? kExpandedFine : kExpanded;
}

constexpr const Rows32Format& FormatOf(PackedFormat format) {
  return kRows32[static_cast<int>(format)];
}

/// Bytes of a row group of k weights per row.
constexpr int64_t Rows32GroupBytes(PackedFormat format, int64_t k, int span) {
  const Rows32Format& f = FormatOf(format);
  if (f.is_float()) return k * kGroupRows * f.bits / 8;
  const int64_t blocks = (k + kBlockWeights - 1) / kBlockWeights;
  const int64_t rest = blocks % kBlocksPerSuper;
  const int64_t tail = rest == 0 ? 0 : f.super_bytes(static_cast<int>(rest), span);
  return blocks / kBlocksPerSuper * f.super_bytes(kBlocksPerSuper, span) + tail;
}

}  // namespace quantd

#endif  // QUANTD_KERNELS_GEMM_ROWS32_FORMAT_H_
