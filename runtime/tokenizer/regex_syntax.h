#ifndef QUANTD_RUNTIME_TOKENIZER_REGEX_SYNTAX_H_
#define QUANTD_RUNTIME_TOKENIZER_REGEX_SYNTAX_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace quantd {

/// Rewrites a pattern from the syntax that tokenizer files use (Oniguruma's, with its Ruby
/// defaults) to PCRE2's, to be compiled with UTF, UCP, MULTILINE and line feed as the newline:
///   - \s, \w, \d, \h mean Unicode's White_Space, word characters, decimal digits, hex digits;
///   - sets may hold sets and intersections: [\w&&[^0-9]];
///   - properties go by long names and \p{^L}; a script is just the script, no extensions;
///   - the option m lets the dot match line feeds;
///   - code points written \x{4E00} or \u4E00 become themselves, so that the two spellings of a
///     pattern give the same result.
/// What is malformed is left for PCRE2 to refuse. Errors: INVALID_ARGUMENT for sets nested too
/// deep and for PCRE2's own (*VERBS).
absl::StatusOr<std::string> TranslateRegex(absl::string_view pattern);

}  // namespace quantd

#endif  // QUANTD_RUNTIME_TOKENIZER_REGEX_SYNTAX_H_
