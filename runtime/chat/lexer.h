#ifndef QUANTD_RUNTIME_CHAT_LEXER_H_
#define QUANTD_RUNTIME_CHAT_LEXER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace quantd::jinja {

enum class TokenKind : uint8_t {
  kData,           ///< text outside tags
  kVariableBegin,  ///< {{
  kVariableEnd,    ///< }}
  kBlockBegin,     ///< {%
  kBlockEnd,       ///< %}
  kName,
  kString,
  kInteger,
  kFloat,
  kOperator,
  kEnd,
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  int line = 1;
  /// The name, operator or data; of a string what it stands for.
  std::string text;
  int64_t integer = 0;
  double floating = 0;
};

/// Cuts a template into tokens as Jinja 3.1 does with trim_blocks and lstrip_blocks set, the
/// settings of chat templates: white space is controlled by '-' and '+', the line end after a block
/// tag or comment goes, so does the white space before one that starts a line; comments and raw
/// blocks are resolved. The last token is kEnd. Errors: INVALID_ARGUMENT "line N: what".
absl::StatusOr<std::vector<Token>> Tokenize(absl::string_view source);

/// INVALID_ARGUMENT "line N: what".
absl::Status SyntaxError(int line, absl::string_view what);

/// A token for error messages.
std::string Describe(const Token& token);

}  // namespace quantd::jinja

#endif  // QUANTD_RUNTIME_CHAT_LEXER_H_
