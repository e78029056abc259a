#include "runtime/chat/expression_parser.h"

#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"
#include "kernels/base/status_macros.h"

namespace quantd::jinja {
namespace {

// Chains such as a + b + c + ... are trees as high as they are long.
constexpr int kMaxHeight = 200;

int Height(const ExprPtr& expr) { return expr == nullptr ? 0 : expr->height; }
int Height(const std::vector<ExprPtr>& exprs) {
  int height = 0;
  for (const ExprPtr& expr : exprs) height = std::max(height, expr->height);
  return height;
}
template <typename First>
int Height(const std::vector<std::pair<First, ExprPtr>>& pairs) {
  int height = 0;
  for (const auto& pair : pairs) height = std::max(height, pair.second->height);
  return height;
}
int Height(const CallArguments& arguments) {
  return std::max({Height(arguments.positional), Height(arguments.named),
                   Height(arguments.all_positional), Height(arguments.all_named)});
}

std::optional<bool> BooleanName(absl::string_view name) {
  if (name == "true" || name == "True") return true;
  if (name == "false" || name == "False") return false;
  return std::nullopt;
}

struct ComparisonRow {
  absl::string_view symbol;
  Comparison comparison;
};
constexpr ComparisonRow kComparisons[] = {
    {"==", Comparison::kEqual},  {"!=", Comparison::kNotEqual},
    {"<", Comparison::kLess},    {"<=", Comparison::kLessEqual},
    {">", Comparison::kGreater}, {">=", Comparison::kGreaterEqual},
};

constexpr std::pair<absl::string_view, Operator> kSums[] = {{"+", Operator::kAdd},
                                                            {"-", Operator::kSubtract}};
constexpr std::pair<absl::string_view, Operator> kProducts[] = {{"*", Operator::kMultiply},
                                                                {"/", Operator::kDivide},
                                                                {"//", Operator::kFloorDivide},
                                                                {"%", Operator::kModulo}};
constexpr std::pair<absl::string_view, Operator> kPowers[] = {{"**", Operator::kPower}};

}  // namespace

template <typename Node>
absl::StatusOr<ExprPtr> ExpressionParser::Make(int line, int height, Node node) {
  if (height >= kMaxHeight) return SyntaxError(line, "an expression of too many levels");
  auto expr = std::make_unique<Expr>();
  expr->line = line;
  expr->height = height + 1;
  expr->node = std::move(node);
  return expr;
}

absl::StatusOr<ExprPtr> ExpressionParser::Expression() {
  const NestingGuard guard(&depth_);
  QUANTD_RETURN_IF_ERROR(guard.Check(stream_));
  QUANTD_ASSIGN_OR_RETURN(ExprPtr expr, Or());
  while (stream_.SeesName("if")) {
    const int line = stream_.line();
    stream_.Skip();
    QUANTD_ASSIGN_OR_RETURN(ExprPtr condition, Or());
    ExprPtr otherwise;
    if (stream_.SkipName("else")) {
      QUANTD_ASSIGN_OR_RETURN(otherwise, Expression());
    }
    const int height = std::max({Height(condition), Height(expr), Height(otherwise)});
    QUANTD_ASSIGN_OR_RETURN(
        expr, Make(line, height,
                   ConditionalExpr{std::move(condition), std::move(expr), std::move(otherwise)}));
  }
  return expr;
}

absl::StatusOr<ExprPtr> ExpressionParser::Tuple(bool conditional) {
  const int line = stream_.line();
  std::vector<ExprPtr> items;
  bool tuple = false;
  while (true) {
    const Token& token = stream_.current();
    const bool ended = token.kind == TokenKind::kVariableEnd ||
                       token.kind == TokenKind::kBlockEnd || stream_.SeesOperator(")");
    if (ended && (tuple || items.empty())) break;
    QUANTD_ASSIGN_OR_RETURN(ExprPtr item, conditional ? Expression() : Unconditional());
    items.push_back(std::move(item));
    if (!stream_.SkipOperator(",")) break;
    tuple = true;
  }
  if (items.empty()) {
    return stream_.Fail(absl::StrCat("expected an expression, got ", Describe(stream_.current())));
  }
  if (!tuple) return std::move(items[0]);
  const int height = Height(items);
  return Make(line, height, ListExpr{std::move(items), /*tuple=*/true});
}

absl::StatusOr<ExprPtr> ExpressionParser::Logic(Operand operand, absl::string_view word,
                                                bool conjunction) {
  const int line = stream_.line();
  QUANTD_ASSIGN_OR_RETURN(ExprPtr first, (this->*operand)());
  if (!stream_.SeesName(word)) return first;
  LogicExpr logic{{}, conjunction};
  logic.operands.push_back(std::move(first));
  while (stream_.SkipName(word)) {
    QUANTD_ASSIGN_OR_RETURN(ExprPtr next, (this->*operand)());
    logic.operands.push_back(std::move(next));
  }
  const int height = Height(logic.operands);
  return Make(line, height, std::move(logic));
}

absl::StatusOr<ExprPtr> ExpressionParser::Or() {
  return Logic(&ExpressionParser::And, "or", /*conjunction=*/false);
}

absl::StatusOr<ExprPtr> ExpressionParser::And() {
  return Logic(&ExpressionParser::Not, "and", /*conjunction=*/true);
}

absl::StatusOr<ExprPtr> ExpressionParser::Not() {
  if (!stream_.SeesName("not")) return Compare();
  const NestingGuard guard(&depth_);
  QUANTD_RETURN_IF_ERROR(guard.Check(stream_));
  const int line = stream_.line();
  stream_.Skip();
  QUANTD_ASSIGN_OR_RETURN(ExprPtr operand, Not());
  const int height = Height(operand);
  return Make(line, height, NotExpr{std::move(operand)});
}

absl::StatusOr<ExprPtr> ExpressionParser::Compare() {
  const int line = stream_.line();
  QUANTD_ASSIGN_OR_RETURN(ExprPtr first, Sum());
  std::vector<std::pair<Comparison, ExprPtr>> rest;
  while (true) {
    std::optional<Comparison> comparison;
    for (const ComparisonRow& row : kComparisons) {
      if (stream_.SkipOperator(row.symbol)) {
        comparison = row.comparison;
        break;
      }
    }
    if (!comparison.has_value() && stream_.SkipName("in")) comparison = Comparison::kIn;
    if (!comparison.has_value() && stream_.SeesName("not") &&
        TokenStream::Is(stream_.next(), TokenKind::kName, "in")) {
      stream_.Skip();
      stream_.Skip();
      comparison = Comparison::kNotIn;
    }
    if (!comparison.has_value()) break;
    QUANTD_ASSIGN_OR_RETURN(ExprPtr operand, Sum());
    rest.emplace_back(*comparison, std::move(operand));
  }
  if (rest.empty()) return first;
  const int height = std::max(Height(first), Height(rest));
  return Make(line, height, CompareExpr{std::move(first), std::move(rest)});
}

absl::StatusOr<ExprPtr> ExpressionParser::LeftToRight(
    Operand operand, absl::Span<const std::pair<absl::string_view, Operator>> operators) {
  QUANTD_ASSIGN_OR_RETURN(ExprPtr left, (this->*operand)());
  while (true) {
    const int line = stream_.line();
    const auto row = std::find_if(operators.begin(), operators.end(), [&](const auto& candidate) {
      return stream_.SeesOperator(candidate.first);
    });
    if (row == operators.end()) return left;
    stream_.Skip();
    QUANTD_ASSIGN_OR_RETURN(ExprPtr right, (this->*operand)());
    const int height = std::max(Height(left), Height(right));
    QUANTD_ASSIGN_OR_RETURN(
        left, Make(line, height, BinaryExpr{row->second, std::move(left), std::move(right)}));
  }
}

absl::StatusOr<ExprPtr> ExpressionParser::Sum() {
  return LeftToRight(&ExpressionParser::Concat, kSums);
}

absl::StatusOr<ExprPtr> ExpressionParser::Concat() {
  const int line = stream_.line();
  QUANTD_ASSIGN_OR_RETURN(ExprPtr first, Product());
  if (!stream_.SeesOperator("~")) return first;
  ConcatExpr concat;
  concat.parts.push_back(std::move(first));
  while (stream_.SkipOperator("~")) {
    QUANTD_ASSIGN_OR_RETURN(ExprPtr next, Product());
    concat.parts.push_back(std::move(next));
  }
  const int height = Height(concat.parts);
  return Make(line, height, std::move(concat));
}

absl::StatusOr<ExprPtr> ExpressionParser::Product() {
  return LeftToRight(&ExpressionParser::Power, kProducts);
}

absl::StatusOr<ExprPtr> ExpressionParser::Power() {
  // Jinja groups powers from the left, unlike Python.
  return LeftToRight(&ExpressionParser::Signed, kPowers);
}

absl::StatusOr<ExprPtr> ExpressionParser::Unary(bool with_filters) {
  ExprPtr expr;
  const int line = stream_.line();
  if (stream_.SeesOperator("-") || stream_.SeesOperator("+")) {
    const NestingGuard guard(&depth_);
    QUANTD_RETURN_IF_ERROR(guard.Check(stream_));
    const bool negate = stream_.SeesOperator("-");
    stream_.Skip();
    QUANTD_ASSIGN_OR_RETURN(ExprPtr operand, Unary(/*with_filters=*/false));
    const int height = Height(operand);
    QUANTD_ASSIGN_OR_RETURN(expr, Make(line, height, SignExpr{std::move(operand), negate}));
  } else {
    QUANTD_ASSIGN_OR_RETURN(expr, Primary());
  }
  QUANTD_ASSIGN_OR_RETURN(expr, Postfix(std::move(expr)));
  return with_filters ? FiltersAndTests(std::move(expr)) : std::move(expr);
}

absl::StatusOr<ExprPtr> ExpressionParser::Primary() {
  const Token& token = stream_.current();
  if (token.kind == TokenKind::kName) {
    const int line = token.line;
    const std::string name = token.text;
    stream_.Skip();
    if (const auto boolean = BooleanName(name); boolean.has_value()) {
      return Make(line, 0, Literal{Value::Bool(*boolean)});
    }
    if (name == "none" || name == "None") return Make(line, 0, Literal{Value::None()});
    mentions_.varargs |= name == "varargs";
    mentions_.kwargs |= name == "kwargs";
    mentions_.caller |= name == "caller";
    return Make(line, 0, NameExpr{stream_.Intern(name)});
  }
  if (stream_.SeesOperator("(")) return Parenthesized();
  if (stream_.SeesOperator("[")) return ListLiteral();
  if (stream_.SeesOperator("{")) return DictLiteral();
  return Constant();
}

absl::StatusOr<ExprPtr> ExpressionParser::Constant() {
  const Token& token = stream_.current();
  const int line = token.line;
  Value value;
  if (token.kind == TokenKind::kInteger) {
    value = Value::Int(token.integer);
    stream_.Skip();
  } else if (token.kind == TokenKind::kFloat) {
    value = Value::Float(token.floating);
    stream_.Skip();
  } else if (token.kind == TokenKind::kString) {
    std::string text;  // neighbouring strings are one
    for (; stream_.current().kind == TokenKind::kString; stream_.Skip()) {
      text += stream_.current().text;
    }
    value = MakeString(text);
  } else {
    return stream_.Fail(absl::StrCat("unexpected ", Describe(token)));
  }
  return Make(line, 0, Literal{std::move(value)});
}

absl::StatusOr<ExprPtr> ExpressionParser::Parenthesized() {
  const int line = stream_.line();
  stream_.Skip();
  if (stream_.SkipOperator(")")) return Make(line, 0, ListExpr{{}, /*tuple=*/true});
  QUANTD_ASSIGN_OR_RETURN(ExprPtr expr, Tuple(/*conditional=*/true));
  QUANTD_RETURN_IF_ERROR(stream_.ExpectOperator(")"));
  return expr;
}

absl::StatusOr<ExprPtr> ExpressionParser::ListLiteral() {
  const int line = stream_.line();
  stream_.Skip();
  ListExpr list;
  while (!stream_.SeesOperator("]")) {
    QUANTD_ASSIGN_OR_RETURN(ExprPtr item, Expression());
    list.items.push_back(std::move(item));
    if (!stream_.SkipOperator(",")) break;
  }
  QUANTD_RETURN_IF_ERROR(stream_.ExpectOperator("]"));
  const int height = Height(list.items);
  return Make(line, height, std::move(list));
}

absl::StatusOr<ExprPtr> ExpressionParser::DictLiteral() {
  const int line = stream_.line();
  stream_.Skip();
  DictExpr dict;
  int height = 0;
  while (!stream_.SeesOperator("}")) {
    QUANTD_ASSIGN_OR_RETURN(ExprPtr key, Expression());
    QUANTD_RETURN_IF_ERROR(stream_.ExpectOperator(":"));
    QUANTD_ASSIGN_OR_RETURN(ExprPtr value, Expression());
    height = std::max({height, Height(key), Height(value)});
    dict.entries.emplace_back(std::move(key), std::move(value));
    if (!stream_.SkipOperator(",")) break;
  }
  QUANTD_RETURN_IF_ERROR(stream_.ExpectOperator("}"));
  return Make(line, height, std::move(dict));
}

absl::StatusOr<ExprPtr> ExpressionParser::Postfix(ExprPtr expr) {
  while (true) {
    if (stream_.SkipOperator(".")) {
      QUANTD_ASSIGN_OR_RETURN(expr, Attribute(std::move(expr)));
    } else if (stream_.SkipOperator("[")) {
      QUANTD_ASSIGN_OR_RETURN(expr, Subscript(std::move(expr)));
    } else if (stream_.SeesOperator("(")) {
      QUANTD_ASSIGN_OR_RETURN(expr, Call(std::move(expr)));
    } else {
      return expr;
    }
  }
}

absl::StatusOr<ExprPtr> ExpressionParser::Call(ExprPtr callee) {
  const int line = stream_.line();
  QUANTD_ASSIGN_OR_RETURN(CallArguments arguments, Arguments());
  const int height = std::max(Height(callee), Height(arguments));
  return Make(line, height, CallExpr{std::move(callee), std::move(arguments)});
}

absl::StatusOr<ExprPtr> ExpressionParser::Attribute(ExprPtr object) {
  const int line = stream_.line(), height = Height(object);
  if (stream_.current().kind == TokenKind::kInteger) {
    QUANTD_ASSIGN_OR_RETURN(ExprPtr index, Constant());
    return Make(line, height, ItemExpr{std::move(object), std::move(index)});
  }
  QUANTD_ASSIGN_OR_RETURN(std::string name, stream_.TakeName());
  return Make(line, height, AttributeExpr{std::move(object), std::move(name)});
}

absl::StatusOr<ExprPtr> ExpressionParser::Subscript(ExprPtr object) {
  const int line = stream_.line();
  std::vector<ExprPtr> ends;  // what stands between the colons; null for nothing
  int height = Height(object);
  bool slice = false;
  for (bool more = true; more;) {
    ExprPtr end;
    if (!stream_.SeesOperator(":") && !stream_.SeesOperator("]")) {
      QUANTD_ASSIGN_OR_RETURN(end, Expression());
      height = std::max(height, Height(end));
    }
    ends.push_back(std::move(end));
    more = stream_.SkipOperator(":");
    slice |= more;
  }
  QUANTD_RETURN_IF_ERROR(stream_.ExpectOperator("]"));
  if (!slice && ends[0] != nullptr) {
    return Make(line, height, ItemExpr{std::move(object), std::move(ends[0])});
  }
  if (!slice || ends.size() > 3) return SyntaxError(line, "expected an index or a slice");
  ends.resize(3);
  return Make(
      line, height,
      SliceExpr{std::move(object), std::move(ends[0]), std::move(ends[1]), std::move(ends[2])});
}

absl::StatusOr<ExprPtr> ExpressionParser::FiltersAndTests(ExprPtr expr) {
  while (true) {
    if (stream_.SkipOperator("|")) {
      QUANTD_ASSIGN_OR_RETURN(expr, Filter(std::move(expr)));
    } else if (stream_.SkipName("is")) {
      QUANTD_ASSIGN_OR_RETURN(expr, Test(std::move(expr)));
    } else if (stream_.SeesOperator("(")) {
      QUANTD_ASSIGN_OR_RETURN(expr, Call(std::move(expr)));
    } else {
      return expr;
    }
  }
}

absl::StatusOr<std::string> ExpressionParser::DottedName() {
  QUANTD_ASSIGN_OR_RETURN(std::string name, stream_.TakeName());
  while (stream_.SkipOperator(".")) {
    QUANTD_ASSIGN_OR_RETURN(const std::string part, stream_.TakeName());
    absl::StrAppend(&name, ".", part);
  }
  return name;
}

absl::StatusOr<ExprPtr> ExpressionParser::Filter(ExprPtr input) {
  const int line = stream_.line();
  QUANTD_ASSIGN_OR_RETURN(std::string name, DottedName());
  CallArguments arguments;
  if (stream_.SeesOperator("(")) {
    QUANTD_ASSIGN_OR_RETURN(arguments, Arguments());
  }
  const Builtin* filter = FindBuiltin(Filters(), name);
  const int height = std::max(Height(input), Height(arguments));
  return Make(line, height,
              FilterExpr{std::move(input), std::move(name), filter, std::move(arguments)});
}

absl::StatusOr<ExprPtr> ExpressionParser::FilterChain() {
  if (!stream_.SkipOperator("|")) return nullptr;
  return FilterChainAfterBar();
}

absl::StatusOr<ExprPtr> ExpressionParser::FilterChainAfterBar() {
  QUANTD_ASSIGN_OR_RETURN(ExprPtr chain, Filter(nullptr));
  while (stream_.SkipOperator("|")) {
    QUANTD_ASSIGN_OR_RETURN(chain, Filter(std::move(chain)));
  }
  return chain;
}

absl::StatusOr<ExprPtr> ExpressionParser::Test(ExprPtr input) {
  const int line = stream_.line();
  const bool negated = stream_.SkipName("not");
  QUANTD_ASSIGN_OR_RETURN(std::string name, DottedName());
  CallArguments arguments;
  const Token& token = stream_.current();
  const bool ends = stream_.SeesName("else") || stream_.SeesName("or") || stream_.SeesName("and") ||
                    stream_.SeesName("is") || stream_.SeesName("if") || stream_.SeesName("in") ||
                    stream_.SeesName("not");
  const bool starts_value = token.kind == TokenKind::kName || token.kind == TokenKind::kString ||
                            token.kind == TokenKind::kInteger || token.kind == TokenKind::kFloat ||
                            stream_.SeesOperator("[") || stream_.SeesOperator("{");
  if (stream_.SeesOperator("(")) {
    QUANTD_ASSIGN_OR_RETURN(arguments, Arguments());
  } else if (starts_value && !ends) {
    QUANTD_ASSIGN_OR_RETURN(ExprPtr argument, Primary());
    QUANTD_ASSIGN_OR_RETURN(argument, Postfix(std::move(argument)));
    arguments.positional.push_back(std::move(argument));
  }
  const Builtin* test = FindBuiltin(Tests(), name);
  int height = std::max(Height(input), Height(arguments));
  QUANTD_ASSIGN_OR_RETURN(
      ExprPtr expr,
      Make(line, height, TestExpr{std::move(input), std::move(name), test, std::move(arguments)}));
  if (!negated) return expr;
  height = Height(expr);
  return Make(line, height, NotExpr{std::move(expr)});
}

absl::Status ExpressionParser::Argument(CallArguments* arguments) {
  const bool starred = arguments->all_positional != nullptr || arguments->all_named != nullptr;
  if (stream_.SkipOperator("*")) {
    if (starred) return stream_.Fail("invalid syntax for function call expression");
    QUANTD_ASSIGN_OR_RETURN(arguments->all_positional, Expression());
  } else if (stream_.SkipOperator("**")) {
    if (arguments->all_named != nullptr) {
      return stream_.Fail("invalid syntax for function call expression");
    }
    QUANTD_ASSIGN_OR_RETURN(arguments->all_named, Expression());
  } else if (stream_.current().kind == TokenKind::kName &&
             TokenStream::Is(stream_.next(), TokenKind::kOperator, "=")) {
    QUANTD_ASSIGN_OR_RETURN(std::string name, stream_.TakeName());
    stream_.Skip();
    QUANTD_ASSIGN_OR_RETURN(ExprPtr value, Expression());
    arguments->named.emplace_back(std::move(name), std::move(value));
  } else {
    if (starred || !arguments->named.empty()) {
      return stream_.Fail("invalid syntax for function call expression");
    }
    QUANTD_ASSIGN_OR_RETURN(ExprPtr value, Expression());
    arguments->positional.push_back(std::move(value));
  }
  return absl::OkStatus();
}

absl::StatusOr<CallArguments> ExpressionParser::Arguments() {
  QUANTD_RETURN_IF_ERROR(stream_.ExpectOperator("("));
  CallArguments arguments;
  while (!stream_.SeesOperator(")")) {
    QUANTD_RETURN_IF_ERROR(Argument(&arguments));
    if (!stream_.SkipOperator(",")) break;
  }
  QUANTD_RETURN_IF_ERROR(stream_.ExpectOperator(")"));
  return arguments;
}

}  // namespace quantd::jinja
