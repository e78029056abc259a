#ifndef QUANTD_KERNELS_BASE_QUANT_FORMAT_H_
#define QUANTD_KERNELS_BASE_QUANT_FORMAT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace quantd {

/// How the value of one weight is stored.
enum class CodeType : uint8_t { kF32, kF16, kBF16, kInt };

/// What is subtracted from an integer code before scaling.
enum class ZeroType : uint8_t {
  kNone,      ///< floating-point weights
  kMidpoint,  ///< w = scale * (code - 2^(bits-1))
  kMin,       ///< w = scale * code + min, one min per group
};

/// Numeric type in which a scale (and a min) is exact.
enum class ScaleType : uint8_t { kNone, kF16, kF32 };

/// What a weight matrix is made of, whatever container it came from: two schemes of the same
/// QuantFormat share every kernel. A value type; compare with ==.
struct QuantFormat {
  CodeType code = CodeType::kF32;
  uint8_t bits = 32;   ///< bits per code
  uint16_t group = 1;  ///< consecutive weights along K that share a scale; 1 for float weights
  ZeroType zero = ZeroType::kNone;
  ScaleType scale = ScaleType::kNone;

  bool is_float() const { return code != CodeType::kInt; }
  friend bool operator==(const QuantFormat&, const QuantFormat&) = default;
};

inline constexpr QuantFormat kF32{};
inline constexpr QuantFormat kF16{CodeType::kF16, 16, 1, ZeroType::kNone, ScaleType::kNone};
inline constexpr QuantFormat kBF16{CodeType::kBF16, 16, 1, ZeroType::kNone, ScaleType::kNone};
inline constexpr QuantFormat kQ8_0{CodeType::kInt, 8, 32, ZeroType::kMidpoint, ScaleType::kF16};
inline constexpr QuantFormat kQ4_0{CodeType::kInt, 4, 32, ZeroType::kMidpoint, ScaleType::kF16};
inline constexpr QuantFormat kQ4_1{CodeType::kInt, 4, 32, ZeroType::kMin, ScaleType::kF16};
inline constexpr QuantFormat kQ5_0{CodeType::kInt, 5, 32, ZeroType::kMidpoint, ScaleType::kF16};
inline constexpr QuantFormat kQ5_1{CodeType::kInt, 5, 32, ZeroType::kMin, ScaleType::kF16};
/// Q6_K with its two-level scale multiplied out: (f16 d) * (int8 sub-scale) is exact in F32.
inline constexpr QuantFormat kQ6_K{CodeType::kInt, 6, 16, ZeroType::kMidpoint, ScaleType::kF32};

/// A format that has a name of its own in reports, metrics and on the command line.
struct NamedFormat {
  const char* name;
  QuantFormat format;
};

/// Every named format, in the order of reports. THE list: tests and reports iterate over it.
const std::vector<NamedFormat>& NamedFormats();

/// The format's name: "Q4_0", "F16"; a format without a name of its own is described, "int4g128".
std::string FormatName(const QuantFormat& format);

/// The named format, case-insensitively; null if there is none.
const NamedFormat* FindFormat(absl::string_view name);

}  // namespace quantd

#endif  // QUANTD_KERNELS_BASE_QUANT_FORMAT_H_
