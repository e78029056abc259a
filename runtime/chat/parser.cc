#include "runtime/chat/parser.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "kernels/base/status_macros.h"
#include "runtime/chat/expression_parser.h"
#include "runtime/chat/lexer.h"
#include "runtime/chat/token_stream.h"

namespace quantd::jinja {
namespace {

/// Parses statements, one function for each tag.
class Parser {
 public:
  explicit Parser(std::vector<Token> tokens) : stream_(std::move(tokens)), expressions_(&stream_) {}

  absl::StatusOr<std::unique_ptr<const Program>> Run() {
    auto program = std::make_unique<Program>();
    QUANTD_ASSIGN_OR_RETURN(program->body, ParseBody("", {}));
    program->symbols = stream_.TakeSymbols();
    return program;
  }

 private:
  using Names = absl::Span<const absl::string_view>;

  /// Statements up to a tag that is one of `ends`, whose name is then the current token; without
  /// ends, to the end of the template. `inside` is the tag they belong to.
  absl::StatusOr<Body> ParseBody(absl::string_view inside, Names ends) {
    const NestingGuard guard(expressions_.depth());
    QUANTD_RETURN_IF_ERROR(guard.Check(stream_));
    Body body;
    while (stream_.current().kind != TokenKind::kEnd) {
      const int line = stream_.line();
      if (stream_.current().kind == TokenKind::kData) {
        body.push_back({line, DataStmt{stream_.current().text}});
        stream_.Skip();
      } else if (stream_.current().kind == TokenKind::kVariableBegin) {
        stream_.Skip();
        QUANTD_ASSIGN_OR_RETURN(ExprPtr value, expressions_.Tuple(/*conditional=*/true));
        QUANTD_RETURN_IF_ERROR(stream_.Expect(TokenKind::kVariableEnd, "'}}'"));
        body.push_back({line, OutputStmt{std::move(value)}});
      } else {
        QUANTD_RETURN_IF_ERROR(stream_.Expect(TokenKind::kBlockBegin, "a tag"));
        for (const absl::string_view end : ends) {
          if (stream_.SeesName(end)) return body;
        }
        QUANTD_RETURN_IF_ERROR(ParseStatement(&body));
        QUANTD_RETURN_IF_ERROR(EndTag());
      }
    }
    if (ends.empty()) return body;
    return stream_.Fail(
        absl::StrCat("unexpected end of the template: ", inside, " has no ", ends.back()));
  }

  absl::Status EndTag() { return stream_.Expect(TokenKind::kBlockEnd, "'%}'"); }

  /// The rest of a tag, and the body up to `end`, which is passed.
  absl::StatusOr<Body> BodyUpTo(absl::string_view inside, absl::string_view end) {
    QUANTD_RETURN_IF_ERROR(EndTag());
    QUANTD_ASSIGN_OR_RETURN(Body body, ParseBody(inside, {end}));
    stream_.Skip();
    return body;
  }

  absl::Status ParseStatement(Body* body) {
    struct Row {
      absl::string_view tag;
      absl::Status (Parser::*parse)(Stmt* stmt);
    };
    static constexpr Row kTags[] = {
        {"for", &Parser::ParseFor},     {"if", &Parser::ParseIf},
        {"set", &Parser::ParseSet},     {"macro", &Parser::ParseMacro},
        {"call", &Parser::ParseCall},   {"filter", &Parser::ParseFilter},
        {"with", &Parser::ParseWith},   {"generation", &Parser::ParseGeneration},
        {"break", &Parser::ParseBreak}, {"continue", &Parser::ParseContinue},
    };
    Stmt stmt;
    stmt.line = stream_.line();
    for (const Row& row : kTags) {
      if (!stream_.SkipName(row.tag)) continue;
      QUANTD_RETURN_IF_ERROR((this->*row.parse)(&stmt));
      body->push_back(std::move(stmt));
      return absl::OkStatus();
    }
    if (stream_.SkipName("print")) return ParsePrint(stmt.line, body);
    return stream_.Fail(absl::StrCat("unknown or unsupported tag ", Describe(stream_.current())));
  }

  absl::Status ParsePrint(int line, Body* body) {
    do {
      QUANTD_ASSIGN_OR_RETURN(ExprPtr value, expressions_.Expression());
      body->push_back({line, OutputStmt{std::move(value)}});
    } while (stream_.SkipOperator(","));
    return absl::OkStatus();
  }

  /// One variable, or namespace attribute if allowed, or more in parentheses.
  absl::StatusOr<Target> ParseTarget(bool attributes) {
    const NestingGuard guard(expressions_.depth());
    QUANTD_RETURN_IF_ERROR(guard.Check(stream_));
    if (stream_.SkipOperator("(")) {
      QUANTD_ASSIGN_OR_RETURN(Target target, ParseTargets(attributes));
      QUANTD_RETURN_IF_ERROR(stream_.ExpectOperator(")"));
      return target;
    }
    Target target;
    QUANTD_ASSIGN_OR_RETURN(const std::string name, stream_.TakeName());
    for (const absl::string_view word : {"true", "false", "none", "True", "False", "None"}) {
      if (name == word) return stream_.Fail(absl::StrCat("can't assign to '", name, "'"));
    }
    target.name = stream_.Intern(name);
    if (attributes && stream_.SkipOperator(".")) {
      QUANTD_ASSIGN_OR_RETURN(target.attribute, stream_.TakeName());
    }
    return target;
  }

  /// a, b, ...; a alone is itself.
  absl::StatusOr<Target> ParseTargets(bool attributes) {
    QUANTD_ASSIGN_OR_RETURN(Target first, ParseTarget(attributes));
    if (!stream_.SeesOperator(",")) return first;
    Target all;
    all.parts.push_back(std::move(first));
    while (stream_.SkipOperator(",")) {
      if (stream_.SeesName("in") || stream_.SeesOperator("=") || stream_.SeesOperator(")")) break;
      QUANTD_ASSIGN_OR_RETURN(Target next, ParseTarget(attributes));
      all.parts.push_back(std::move(next));
    }
    return all;
  }

  absl::Status ParseFor(Stmt* stmt) {
    ForStmt loop;
    QUANTD_ASSIGN_OR_RETURN(loop.target, ParseTargets(/*attributes=*/false));
    QUANTD_RETURN_IF_ERROR(stream_.ExpectName("in"));
    QUANTD_ASSIGN_OR_RETURN(loop.iterable, expressions_.Tuple(/*conditional=*/false));
    if (stream_.SkipName("if")) {
      QUANTD_ASSIGN_OR_RETURN(loop.condition, expressions_.Expression());
    }
    if (stream_.SeesName("recursive")) return stream_.Fail("recursive loops are not supported");
    QUANTD_RETURN_IF_ERROR(EndTag());
    ++loops_;
    absl::StatusOr<Body> body = ParseBody("for", {"else", "endfor"});
    --loops_;
    QUANTD_RETURN_IF_ERROR(body.status());
    loop.body = *std::move(body);
    if (stream_.SkipName("else")) {
      QUANTD_ASSIGN_OR_RETURN(loop.otherwise, BodyUpTo("for", "endfor"));
    } else {
      stream_.Skip();
    }
    stmt->node = std::move(loop);
    return absl::OkStatus();
  }

  absl::Status ParseIf(Stmt* stmt) {
    IfStmt branches;
    while (true) {
      QUANTD_ASSIGN_OR_RETURN(ExprPtr condition, expressions_.Tuple(/*conditional=*/false));
      QUANTD_RETURN_IF_ERROR(EndTag());
      QUANTD_ASSIGN_OR_RETURN(Body body, ParseBody("if", {"elif", "else", "endif"}));
      branches.branches.emplace_back(std::move(condition), std::move(body));
      if (stream_.SkipName("elif")) continue;
      if (stream_.SkipName("else")) {
        QUANTD_ASSIGN_OR_RETURN(branches.otherwise, BodyUpTo("if", "endif"));
      } else {
        stream_.Skip();
      }
      break;
    }
    stmt->node = std::move(branches);
    return absl::OkStatus();
  }

  absl::Status ParseSet(Stmt* stmt) {
    QUANTD_ASSIGN_OR_RETURN(Target target, ParseTargets(/*attributes=*/true));
    if (stream_.SkipOperator("=")) {
      QUANTD_ASSIGN_OR_RETURN(ExprPtr value, expressions_.Tuple(/*conditional=*/true));
      stmt->node = SetStmt{std::move(target), std::move(value)};
      return absl::OkStatus();
    }
    QUANTD_ASSIGN_OR_RETURN(ExprPtr filter, expressions_.FilterChain());
    QUANTD_ASSIGN_OR_RETURN(Body body, BodyUpTo("set", "endset"));
    stmt->node = SetBlockStmt{std::move(target), std::move(filter), std::move(body)};
    return absl::OkStatus();
  }

  absl::Status ParseParameters(MacroNode* macro) {
    QUANTD_RETURN_IF_ERROR(stream_.ExpectOperator("("));
    while (!stream_.SeesOperator(")")) {
      MacroNode::Parameter parameter;
      QUANTD_ASSIGN_OR_RETURN(parameter.name, stream_.TakeName());
      parameter.symbol = stream_.Intern(parameter.name);
      if (stream_.SkipOperator("=")) {
        QUANTD_ASSIGN_OR_RETURN(parameter.absent, expressions_.Expression());
      } else if (!macro->parameters.empty() && macro->parameters.back().absent != nullptr) {
        return stream_.Fail("non-default argument follows default argument");
      }
      macro->parameters.push_back(std::move(parameter));
      if (!stream_.SkipOperator(",")) break;
    }
    return stream_.ExpectOperator(")");
  }

  /// The body of a macro, which no break of a loop around it ends, and what it mentions.
  absl::Status ParseMacroBody(absl::string_view tag, absl::string_view end, MacroNode* macro) {
    ExpressionParser::Mentions outer = std::exchange(expressions_.mentions(), {});
    const int loops = std::exchange(loops_, 0);
    absl::StatusOr<Body> body = BodyUpTo(tag, end);
    loops_ = loops;
    const ExpressionParser::Mentions inner = expressions_.mentions();
    outer.varargs |= inner.varargs;
    outer.kwargs |= inner.kwargs;
    outer.caller |= inner.caller;
    expressions_.mentions() = outer;
    QUANTD_RETURN_IF_ERROR(body.status());
    macro->body = *std::move(body);
    macro->takes_varargs = inner.varargs;
    macro->takes_kwargs = inner.kwargs;
    macro->takes_caller = inner.caller;
    return absl::OkStatus();
  }

  absl::Status ParseMacro(Stmt* stmt) {
    auto macro = std::make_unique<MacroNode>();
    QUANTD_ASSIGN_OR_RETURN(macro->name, stream_.TakeName());
    const Symbol name = stream_.Intern(macro->name);
    QUANTD_RETURN_IF_ERROR(ParseParameters(macro.get()));
    QUANTD_RETURN_IF_ERROR(ParseMacroBody("macro", "endmacro", macro.get()));
    stmt->node = MacroStmt{name, std::move(macro)};
    return absl::OkStatus();
  }

  absl::Status ParseCall(Stmt* stmt) {
    auto body = std::make_unique<MacroNode>();
    body->name = "caller";
    if (stream_.SeesOperator("(")) QUANTD_RETURN_IF_ERROR(ParseParameters(body.get()));
    const int line = stream_.line();
    QUANTD_ASSIGN_OR_RETURN(ExprPtr call, expressions_.Expression());
    if (!std::holds_alternative<CallExpr>(call->node)) return SyntaxError(line, "expected call");
    QUANTD_RETURN_IF_ERROR(ParseMacroBody("call", "endcall", body.get()));
    stmt->node = CallBlockStmt{std::move(body), std::move(call)};
    return absl::OkStatus();
  }

  absl::Status ParseFilter(Stmt* stmt) {
    QUANTD_ASSIGN_OR_RETURN(ExprPtr filter, expressions_.FilterChainAfterBar());
    QUANTD_ASSIGN_OR_RETURN(Body body, BodyUpTo("filter", "endfilter"));
    stmt->node = FilterBlockStmt{std::move(filter), std::move(body)};
    return absl::OkStatus();
  }

  absl::Status ParseWith(Stmt* stmt) {
    WithStmt with;
    while (stream_.current().kind != TokenKind::kBlockEnd) {
      if (!with.variables.empty()) QUANTD_RETURN_IF_ERROR(stream_.ExpectOperator(","));
      QUANTD_ASSIGN_OR_RETURN(Target target, ParseTarget(/*attributes=*/false));
      QUANTD_RETURN_IF_ERROR(stream_.ExpectOperator("="));
      QUANTD_ASSIGN_OR_RETURN(ExprPtr value, expressions_.Expression());
      with.variables.emplace_back(std::move(target), std::move(value));
    }
    QUANTD_ASSIGN_OR_RETURN(with.body, BodyUpTo("with", "endwith"));
    stmt->node = std::move(with);
    return absl::OkStatus();
  }

  absl::Status ParseGeneration(Stmt* stmt) {
    // To Jinja this is the body of a call block.
    const int loops = std::exchange(loops_, 0);
    absl::StatusOr<Body> body = BodyUpTo("generation", "endgeneration");
    loops_ = loops;
    QUANTD_RETURN_IF_ERROR(body.status());
    stmt->node = ScopeStmt{*std::move(body)};
    return absl::OkStatus();
  }

  absl::Status ParseBreak(Stmt* stmt) {
    if (loops_ == 0) return stream_.Fail("'break' outside loop");
    stmt->node = BreakStmt{};
    return absl::OkStatus();
  }

  absl::Status ParseContinue(Stmt* stmt) {
    if (loops_ == 0) return stream_.Fail("'continue' outside loop");
    stmt->node = ContinueStmt{};
    return absl::OkStatus();
  }

  TokenStream stream_;
  ExpressionParser expressions_;
  int loops_ = 0;  // around the current statement, within the same macro
};

}  // namespace

absl::StatusOr<std::unique_ptr<const Program>> ParseTemplate(absl::string_view source) {
  if (source.size() > kMaxTemplateBytes) {
    return absl::InvalidArgumentError(absl::StrCat("the template has ", source.size(),
                                                   " bytes; the limit is ", kMaxTemplateBytes));
  }
  QUANTD_ASSIGN_OR_RETURN(std::vector<Token> tokens, Tokenize(source));
  return Parser(std::move(tokens)).Run();
}

}  // namespace quantd::jinja
