#ifndef QUANTD_RUNTIME_CHAT_JSON_H_
#define QUANTD_RUNTIME_CHAT_JSON_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/chat/value.h"

namespace quantd::jinja {

/// JSON as values whose strings are from outside. Counts towards no budget: memory is a small
/// multiple of the text. Errors: INVALID_ARGUMENT for what is no JSON, has an integer of more than
/// 64 bits, or is nested more than kMaxJsonDepth deep.
absl::StatusOr<Value> ParseJson(absl::string_view text);

/// How Python's json.dumps writes.
struct JsonStyle {
  bool ensure_ascii = false;
  bool sort_keys = false;
  std::optional<std::string> indent;  ///< of one level; absent: all on one line
  std::string item_separator = ", ";  ///< "," with an indent, unless given
  std::string key_separator = ": ";
};
/// Appends `value` as json.dumps would. INVALID_ARGUMENT for what has no JSON form.
absl::Status AppendJson(const Value& value, const JsonStyle& style, Budget& budget,
                        TextBuilder* out);

}  // namespace quantd::jinja

#endif  // QUANTD_RUNTIME_CHAT_JSON_H_
