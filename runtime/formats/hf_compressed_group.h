#ifndef QUANTD_RUNTIME_FORMATS_HF_COMPRESSED_GROUP_H_
#define QUANTD_RUNTIME_FORMATS_HF_COMPRESSED_GROUP_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/formats/hf_module.h"

namespace quantd {

/// Whether the regular expression of a target "re:PATTERN" matches the start of a module's name, as
/// Python's re.match. Errors: INVALID_ARGUMENT for a pattern that is none, or that takes too long.
absl::StatusOr<bool> MatchesPattern(absl::string_view pattern, absl::string_view name);

/// The group of a compressed-tensors model that a linear module belongs to: one that names it,
/// else one whose pattern matches, else one for all linear modules ("Linear"). Errors: DATA_LOSS
/// when none does, or for a pattern that cannot be used.
absl::StatusOr<const CompressedTensorsGroup*> FindCompressedGroup(const HfModule& module);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_FORMATS_HF_COMPRESSED_GROUP_H_
