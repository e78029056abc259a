#ifndef QUANTD_RUNTIME_CHAT_TOKEN_STREAM_H_
#define QUANTD_RUNTIME_CHAT_TOKEN_STREAM_H_

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/chat/ast.h"
#include "runtime/chat/lexer.h"

namespace quantd::jinja {

/// The tokens of a template as the two parsers read them, and the names found so far.
class TokenStream {
 public:
  explicit TokenStream(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  const Token& current() const { return tokens_[at_]; }
  const Token& next() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  int line() const { return current().line; }
  void Skip() { at_ = std::min(at_ + 1, tokens_.size() - 1); }

  static bool Is(const Token& token, TokenKind kind, absl::string_view text) {
    return token.kind == kind && token.text == text;
  }
  bool SeesOperator(absl::string_view op) const { return Is(current(), TokenKind::kOperator, op); }
  bool SeesName(absl::string_view name) const { return Is(current(), TokenKind::kName, name); }
  bool SkipOperator(absl::string_view op) { return SeesOperator(op) && SkipOne(); }
  bool SkipName(absl::string_view name) { return SeesName(name) && SkipOne(); }

  absl::Status Expect(TokenKind kind, absl::string_view what);
  absl::Status ExpectOperator(absl::string_view op);
  absl::Status ExpectName(absl::string_view name);
  /// Any name.
  absl::StatusOr<std::string> TakeName();
  absl::Status Fail(absl::string_view what) const { return SyntaxError(line(), what); }

  Symbol Intern(absl::string_view name);
  std::vector<std::string> TakeSymbols() { return std::move(symbols_); }

 private:
  bool SkipOne() {
    Skip();
    return true;
  }
  std::vector<Token> tokens_;
  size_t at_ = 0;
  std::vector<std::string> symbols_;
  absl::flat_hash_map<std::string, Symbol> ids_;
};

/// One level deeper while it lives. The parsers recurse, and templates can nest without end.
class NestingGuard {
 public:
  static constexpr int kMaxNesting = 100;
  explicit NestingGuard(int* depth) : depth_(depth) { ++*depth_; }
  ~NestingGuard() { --*depth_; }
  NestingGuard(const NestingGuard&) = delete;
  NestingGuard& operator=(const NestingGuard&) = delete;
  absl::Status Check(const TokenStream& stream) const {
    return *depth_ <= kMaxNesting ? absl::OkStatus() : stream.Fail("nested too deeply");
  }

 private:
  int* depth_;
};

}  // namespace quantd::jinja

#endif  // QUANTD_RUNTIME_CHAT_TOKEN_STREAM_H_
