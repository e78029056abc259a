#ifndef QUANTD_RUNTIME_TOKENIZER_HF_KINDS_H_
#define QUANTD_RUNTIME_TOKENIZER_HF_KINDS_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "kernels/base/status_macros.h"
#include "runtime/formats/file_error.h"
#include "runtime/formats/json_document.h"

namespace quantd {

// The parts of a tokenizer.json are objects that say their kind in "type". Each family of parts has
// one table of its kinds: rows with a `name` first.

/// Parts that one file may have of one family, sequences counted out; real ones have at most ten.
inline constexpr size_t kMostParts = 64;

/// The row for the kind of `object`. Errors: DATA_LOSS when it has none; UNIMPLEMENTED naming the
/// kind and those that are known.
template <typename Row, size_t count>
absl::StatusOr<const Row*> FindKind(const Row (&rows)[count], const JsonValue& object) {
  QUANTD_ASSIGN_OR_RETURN(const JsonValue type, object.At("type"));
  QUANTD_ASSIGN_OR_RETURN(const absl::string_view name, type.String());
  std::vector<absl::string_view> known;
  for (const Row& row : rows) {
    if (name == row.name) return &row;
    known.push_back(row.name);
  }
  return type.Unsupported(
      absl::StrCat("'", Printable(name), "' is not known; known are ", absl::StrJoin(known, ", ")));
}

/// Calls `add` for `part`, or, if that is a "Sequence", for each of the parts that its member
/// `list` holds, and theirs. Nothing for an absent part.
template <typename Add>
absl::Status ForEachPart(const std::optional<JsonValue>& part, absl::string_view list,
                         const Add& add) {
  std::vector<JsonValue> pending;  // last first
  if (part.has_value()) pending.push_back(*part);
  for (size_t parts = 0; !pending.empty();) {
    const JsonValue next = pending.back();
    pending.pop_back();
    QUANTD_ASSIGN_OR_RETURN(const std::string type, next.String("type", ""));
    if (type == "Sequence") {
      QUANTD_ASSIGN_OR_RETURN(const JsonValue members, next.At(list));
      QUANTD_ASSIGN_OR_RETURN(const std::vector<JsonValue> elements, members.Elements());
      pending.insert(pending.end(), elements.rbegin(), elements.rend());
      continue;
    }
    if (++parts > kMostParts) return next.Error(absl::StrCat("more than ", kMostParts, " parts"));
    QUANTD_RETURN_IF_ERROR(add(next));
  }
  return absl::OkStatus();
}

}  // namespace quantd

#endif  // QUANTD_RUNTIME_TOKENIZER_HF_KINDS_H_
