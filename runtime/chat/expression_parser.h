#ifndef QUANTD_RUNTIME_CHAT_EXPRESSION_PARSER_H_
#define QUANTD_RUNTIME_CHAT_EXPRESSION_PARSER_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "runtime/chat/ast.h"
#include "runtime/chat/token_stream.h"

namespace quantd::jinja {

/// Parses expressions with Jinja's precedence, one function for each level, loosest first:
/// if-else; or; and; not; comparisons; + -; ~; * / // %; **; signs; postfix and filters. Not
/// thread-safe.
class ExpressionParser {
 public:
  explicit ExpressionParser(TokenStream* stream) : stream_(*stream) {}

  absl::StatusOr<ExprPtr> Expression();
  /// An expression without a trailing if-else, which belongs to the tag.
  absl::StatusOr<ExprPtr> Unconditional() { return Or(); }
  /// a, b, ... as a tuple; a alone as itself. Without `conditional`, of Unconditional ones.
  absl::StatusOr<ExprPtr> Tuple(bool conditional);
  /// |filter(...)|filter(...) with the first one's input left out; null if no '|' is there.
  absl::StatusOr<ExprPtr> FilterChain();
  /// The same, without the first '|'.
  absl::StatusOr<ExprPtr> FilterChainAfterBar();

  /// Which of the special variables of macros were mentioned since it was last cleared.
  struct Mentions {
    bool varargs = false, kwargs = false, caller = false;
  };
  Mentions& mentions() { return mentions_; }
  int* depth() { return &depth_; }

 private:
  absl::StatusOr<ExprPtr> Or();
  absl::StatusOr<ExprPtr> And();
  absl::StatusOr<ExprPtr> Not();
  absl::StatusOr<ExprPtr> Compare();
  absl::StatusOr<ExprPtr> Sum();
  absl::StatusOr<ExprPtr> Concat();
  absl::StatusOr<ExprPtr> Product();
  absl::StatusOr<ExprPtr> Power();
  absl::StatusOr<ExprPtr> Signed() { return Unary(/*with_filters=*/true); }
  absl::StatusOr<ExprPtr> Unary(bool with_filters);
  absl::StatusOr<ExprPtr> Primary();
  absl::StatusOr<ExprPtr> Constant();
  absl::StatusOr<ExprPtr> Parenthesized();
  absl::StatusOr<ExprPtr> ListLiteral();
  absl::StatusOr<ExprPtr> DictLiteral();
  absl::StatusOr<ExprPtr> Postfix(ExprPtr expr);
  absl::StatusOr<ExprPtr> Attribute(ExprPtr object);
  absl::StatusOr<ExprPtr> Subscript(ExprPtr object);
  absl::StatusOr<ExprPtr> FiltersAndTests(ExprPtr expr);
  absl::StatusOr<std::string> DottedName();  ///< of a filter or test; none here has a dot
  absl::StatusOr<ExprPtr> Filter(ExprPtr input);
  absl::StatusOr<ExprPtr> Test(ExprPtr input);
  absl::StatusOr<ExprPtr> Call(ExprPtr callee);
  absl::StatusOr<CallArguments> Arguments();
  absl::Status Argument(CallArguments* arguments);

  using Operand = absl::StatusOr<ExprPtr> (ExpressionParser::*)();
  /// operand op operand op ..., grouped from the left.
  absl::StatusOr<ExprPtr> LeftToRight(
      Operand operand, absl::Span<const std::pair<absl::string_view, Operator>> operators);
  absl::StatusOr<ExprPtr> Logic(Operand operand, absl::string_view word, bool conjunction);
  /// Makes a node over children of that height; an error when the tree gets too high.
  template <typename Node>
  absl::StatusOr<ExprPtr> Make(int line, int height, Node node);

  TokenStream& stream_;
  Mentions mentions_;
  int depth_ = 0;
};

}  // namespace quantd::jinja

#endif  // QUANTD_RUNTIME_CHAT_EXPRESSION_PARSER_H_
