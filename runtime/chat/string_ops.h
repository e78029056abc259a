#ifndef QUANTD_RUNTIME_CHAT_STRING_OPS_H_
#define QUANTD_RUNTIME_CHAT_STRING_OPS_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/chat/value.h"

// Operations on strings that both filters and methods need. Every result knows which of its bytes
// are from outside. Strings made of markup are markup, as far as they are in Jinja.
namespace quantd::jinja {

/// The first occurrence of `wanted` at or after `from`, npos if there is none; linear in the text
/// however long and repetitive both are.
size_t FindBytes(absl::string_view text, absl::string_view wanted, size_t from = 0);
/// The last occurrence. Takes more steps the longer `wanted` is, since it has no such bound.
absl::StatusOr<size_t> FindLastBytes(absl::string_view text, absl::string_view wanted,
                                     Budget& budget);

/// str.splitlines(): the lines as ranges of bytes, with or without what ends them. Python knows
/// more ends than "\n" and "\r\n".
std::vector<TextRange> SplitLines(absl::string_view text, bool keep_ends);

enum class Case : uint8_t {
  kUpper,
  kLower,
  kCapitalize,   ///< the first character upper, the others lower
  kTitleMethod,  ///< str.title(): a letter after what is no letter is upper
  kTitleFilter,  ///< Jinja's title: as kCapitalize after spaces, hyphens and opening brackets
};
absl::StatusOr<Value> ChangeCase(const Value& string, Case change, Budget& budget);

enum class Side : uint8_t { kBoth, kLeft, kRight };
/// Without the characters of `characters` at its ends; null means white space.
absl::StatusOr<Value> Strip(const Value& string, const Text* characters, Side side, Budget& budget);

/// Replaces the first `count` occurrences, all if it is negative.
absl::StatusOr<Value> Replace(const Text& text, const Text& old, const Text& with, int64_t count,
                              bool markup, Budget& budget);

/// The string with & < > " ' as entities, and as markup; markup stays as it is.
absl::StatusOr<Value> EscapeHtml(const Value& string, Budget& budget);
/// The same string as markup.
absl::StatusOr<Value> AsMarkup(const Value& string, Budget& budget);

/// str(each item), with `separator` between.
absl::StatusOr<Value> JoinItems(const ListData& items, const Text& separator, bool markup,
                                Budget& budget);

}  // namespace quantd::jinja

#endif  // QUANTD_RUNTIME_CHAT_STRING_OPS_H_
