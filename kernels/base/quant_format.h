#ifndef QUANTD_KERNELS_BASE_QUANT_FORMAT_H_
#define QUANTD_KERNELS_BASE_QUANT_FORMAT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace quantd {

/// How the value of one weight is stored.
enum class CodeType : uint8_t {
  kF32,
  kF16,
  kBF16,
  kF8E4M3,  ///< a byte: sign, 4 bits of exponent (bias 7), 3 of fraction; no infinities
  kInt,     ///< an unsigned integer of `bits` bits
  kTable,   ///< an index into a CodeTable
};

/// The values that codes of type kTable stand for.
enum class CodeTable : uint8_t {
  kNone,
  kIq4Nl,  ///< 16 integers within -127 .. 113, denser around zero
  kE2M1,   ///< the 4-bit float of MXFP4, doubled so that its values are integers within -12 .. 12
  kNf4,  ///< 16 floats within -1 .. 1, quantiles of the normal distribution (Dettmers et al. 2023)
  kFp4,  ///< the 4-bit float of bitsandbytes, scaled to -1 .. 1
};

/// The values of a table (code_tables.h), by code; empty for kNone.
absl::Span<const float> TableValues(CodeTable table);

/// What is subtracted from an integer code before scaling.
enum class ZeroType : uint8_t {
  kNone,      ///< codes that are values by themselves: floats and tables
  kMidpoint,  ///< w = scale * (code - 2^(bits-1))
  kMin,       ///< w = scale * code + min, one min per group
  kCode,      ///< w = scale * (code - zero), one integer zero point per group
};

/// How scales (and mins) are given, and the numeric type in which each is exact.
enum class ScaleType : uint8_t {
  kNone,      ///< float weights
  kF16,       ///< one per group
  kF32,       ///< one per group
  kE8M0,      ///< one per group, a power of two
  kTwoLevel,  ///< a small integer per group times an F16 per kSuperGroup weights
};

/// Weights along K that share the upper level of a two-level scale.
inline constexpr int kSuperGroup = 256;

/// What a weight matrix is made of, whatever container it came from: two schemes of the same
/// QuantFormat share every kernel. A value type; compare with ==.
struct QuantFormat {
  CodeType code = CodeType::kF32;
  uint8_t bits = 32;  ///< bits per code
  /// Consecutive weights along K that share a scale: 1 for float weights; 0: the whole row;
  /// otherwise a multiple of 16.
  uint16_t group = 1;
  ZeroType zero = ZeroType::kNone;
  ScaleType scale = ScaleType::kNone;
  CodeTable table = CodeTable::kNone;

  /// Weights are floats without a scale: values, not codes.
  bool is_float() const { return scale == ScaleType::kNone; }
  bool two_level() const { return scale == ScaleType::kTwoLevel; }
  /// Scales of a row of k weights. k must be a multiple of the group.
  int64_t groups(int64_t k) const { return group == 0 ? 1 : k / group; }
  /// What k must be a multiple of.
  int64_t k_multiple() const { return two_level() ? kSuperGroup : group == 0 ? 1 : group; }
  friend bool operator==(const QuantFormat&, const QuantFormat&) = default;
};

inline constexpr QuantFormat kF32{};
inline constexpr QuantFormat kF16{CodeType::kF16, 16};
inline constexpr QuantFormat kBF16{CodeType::kBF16, 16};
inline constexpr QuantFormat kQ8_0{CodeType::kInt, 8, 32, ZeroType::kMidpoint, ScaleType::kF16};
inline constexpr QuantFormat kQ4_0{CodeType::kInt, 4, 32, ZeroType::kMidpoint, ScaleType::kF16};
inline constexpr QuantFormat kQ4_1{CodeType::kInt, 4, 32, ZeroType::kMin, ScaleType::kF16};
inline constexpr QuantFormat kQ5_0{CodeType::kInt, 5, 32, ZeroType::kMidpoint, ScaleType::kF16};
inline constexpr QuantFormat kQ5_1{CodeType::kInt, 5, 32, ZeroType::kMin, ScaleType::kF16};
inline constexpr QuantFormat kQ2_K{CodeType::kInt, 2, 16, ZeroType::kMin, ScaleType::kTwoLevel};
inline constexpr QuantFormat kQ3_K{CodeType::kInt, 3, 16, ZeroType::kMidpoint,
                                   ScaleType::kTwoLevel};
inline constexpr QuantFormat kQ4_K{CodeType::kInt, 4, 32, ZeroType::kMin, ScaleType::kTwoLevel};
inline constexpr QuantFormat kQ5_K{CodeType::kInt, 5, 32, ZeroType::kMin, ScaleType::kTwoLevel};
inline constexpr QuantFormat kQ6_K{CodeType::kInt, 6, 16, ZeroType::kMidpoint,
                                   ScaleType::kTwoLevel};
inline constexpr QuantFormat kIq4Nl{CodeType::kTable, 4, 32, ZeroType::kNone, ScaleType::kF16,
                                    CodeTable::kIq4Nl};
inline constexpr QuantFormat kIq4Xs{CodeType::kTable, 4, 32, ZeroType::kNone, ScaleType::kTwoLevel,
                                    CodeTable::kIq4Nl};
inline constexpr QuantFormat kMxFp4{CodeType::kTable, 4, 32, ZeroType::kNone, ScaleType::kE8M0,
                                    CodeTable::kE2M1};
/// bitsandbytes: blocks of 64.
inline constexpr QuantFormat kNf4{CodeType::kTable, 4, 64, ZeroType::kNone, ScaleType::kF32,
                                  CodeTable::kNf4};
inline constexpr QuantFormat kFp4{CodeType::kTable, 4, 64, ZeroType::kNone, ScaleType::kF32,
                                  CodeTable::kFp4};
/// One scale for each output feature.
inline constexpr QuantFormat kFp8{CodeType::kF8E4M3, 8, 0, ZeroType::kNone, ScaleType::kF32};
inline constexpr QuantFormat kInt8{CodeType::kInt, 8, 0, ZeroType::kMidpoint, ScaleType::kF32};

/// Affine integer weights of GPTQ, AWQ and compressed-tensors. bits: 2, 3, 4 or 8.
/// zero: kMidpoint (symmetric) or kCode.
constexpr QuantFormat AffineFormat(int bits, int group, ZeroType zero) {
  return {CodeType::kInt, static_cast<uint8_t>(bits), static_cast<uint16_t>(group), zero,
          ScaleType::kF32};
}

/// A format that has a name of its own in reports, metrics and on the command line.
struct NamedFormat {
  const char* name;
  QuantFormat format;
};

/// Every named format, in the order of reports. THE list: tests and reports iterate over it.
const std::vector<NamedFormat>& NamedFormats();

/// The format's name: "Q4_0", "F16"; a format without a name of its own is described:
/// "INT4-g128", "INT4-g128-zero", "NF4-g128".
std::string FormatName(const QuantFormat& format);

/// The named format, case-insensitively; null if there is none.
const NamedFormat* FindFormat(absl::string_view name);

}  // namespace quantd

#endif  // QUANTD_KERNELS_BASE_QUANT_FORMAT_H_
