#ifndef QUANTD_RUNTIME_FORMATS_DTYPE_H_
#define QUANTD_RUNTIME_FORMATS_DTYPE_H_

#include <cstdint>
#include <optional>

#include "absl/strings/string_view.h"

namespace quantd {

/// Element type of a safetensors tensor: every one that the format has, whether a scheme of this
/// build reads it or not. Little-endian; elements below a byte are packed.
enum class Dtype : uint8_t {
  kBool,
  kF4,
  kF6E2M3,
  kF6E3M2,
  kU8,
  kI8,
  kF8E5M2,
  kF8E4M3,  ///< with NaN and without infinities ("fn")
  kF8E8M0,  ///< a power of two
  kF8E4M3Fnuz,
  kF8E5M2Fnuz,
  kI16,
  kU16,
  kF16,
  kBF16,
  kI32,
  kU32,
  kF32,
  kC64,
  kF64,
  kI64,
  kU64,
};

/// As in a file: "BF16".
const char* DtypeName(Dtype dtype);
/// Bits of one element: 4, 6, or a multiple of 8.
int DtypeBits(Dtype dtype);
/// None if the format has no type of this name. Case matters.
std::optional<Dtype> FindDtype(absl::string_view name);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_FORMATS_DTYPE_H_
