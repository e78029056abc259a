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

  /// The same, but where one type is for all and has fewer than six bits, the output is of Q6_K: it
  /// decides over every token and is a small part of the file. Mixes do that anyway.
  FormatMix WithFineOutput() const;

  const char* name() const;
  /// general.file_type of a file of this mix.
  uint32_t file_type() const;
  /// The type of a matrix. A mix gives its FittingScheme; one type for all is never replaced by it
  /// (its blocks may then not fit).
  const GgufScheme& SchemeFor(const MatrixPlace& place) const;

 private:
  struct Row;
  static const std::vector<Row>& Rows();
  FormatMix(const GgufScheme* all, const Row* row) : all_(all), row_(row) {}

  const GgufScheme* all_;  ///< null for a mix
  const Row* row_;         ///< null for one type for all
  bool fine_output_ = false;
};

/// The scheme itself where rows of `cols` weights are whole blocks, else one that comes near it in
/// quality: of a type with blocks of 256 one with blocks of 32 and as many bits or more, or F16.
const GgufScheme& FittingScheme(const GgufScheme& scheme, int64_t cols);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_FORMATS_FORMAT_MIX_H_
