#ifndef QUANTD_RUNTIME_FORMATS_FORMAT_MIX_H_
#define QUANTD_RUNTIME_FORMATS_FORMAT_MIX_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/formats/scheme_table.h"

namespace quantd {

/// A matrix of a model, as far as a mix looks at it.
struct MatrixPlace {
  absl::string_view part;  ///< "attn_v", "ffn_down", ...; "output" or "token_embd"
  int32_t layer = 0;       ///< of parts that layers have
  int32_t layers = 0;      ///< of the model
  bool tied = false;       ///< token_embd is also the output
  int64_t cols = 0;        ///< K
};

/// Which type each matrix of a model gets: one type for all ("Q4_0"), or a mix of types under a
/// name that users of GGUF files know ("Q4_K_M": Q4_K, but Q6_K for the output and, in half of the
/// layers, for the matrices that suffer most). A value type.
class FormatMix {
 public:
  /// By name, case-insensitively. Errors: INVALID_ARGUMENT with the names that exist.
  static absl::StatusOr<FormatMix> Find(absl::string_view name);
  /// Every name that Find knows: "F32, F16, ..., Q4_K_M".
  static std::string Names();

  const char* name() const;
  /// The type of a matrix. Where a mix's type has blocks of 256 and K is no multiple, a type with
  /// blocks of 32 and as many bits or more takes its place, or F16; a single type is never replaced
  /// (its blocks may then not fit).
  const GgufScheme& SchemeFor(const MatrixPlace& place) const;

 private:
  struct Row;
  static const std::vector<Row>& Rows();
  FormatMix(const GgufScheme* all, const Row* row) : all_(all), row_(row) {}

  const GgufScheme* all_;  ///< null for a mix
  const Row* row_;         ///< null for a single type
};

}  // namespace quantd

#endif  // QUANTD_RUNTIME_FORMATS_FORMAT_MIX_H_
